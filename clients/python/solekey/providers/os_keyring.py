"""``keyring:[NAME]``: the operating system's keyring. Spec: key-providers.md §3.

Whoever has the desktop session unlocked can read what is in it: it guards against a stolen disk, not against
a program of the same user. Backends that keep secrets in clear, or keep nothing, are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import keyring
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from solekey.crypto import UserKey
from solekey.errors import (
    InsecureKeyringError,
    KeyringEntryError,
    OsKeyringError,
    ProviderEmptyError,
    ProviderError,
    ProviderOccupiedError,
)
from solekey_protocol.ids import AccountId

SERVICE: Final = "solekey"
USER_KEY_TAG: Final = "solekey-user-key-1"
MIN_PRIORITY: Final = 1  # below it, a backend itself says that it is not recommended
_REFUSED_MODULES: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt.")


@dataclass(frozen=True, slots=True)
class KeyringEntries:
    """Entries of one service in the keyring; the user name of an entry says whose key it holds."""

    service: str

    def read(self, owner: str) -> str | None:
        """Read an entry; None when there is none."""
        backend = open_backend()
        with _translated(backend):
            return backend.get_password(self.service, owner)

    def write(self, owner: str, value: str) -> None:
        """Write an entry and read it back. Raises OsKeyringError where it is not kept."""
        backend = open_backend()
        with _translated(backend):
            backend.set_password(self.service, owner, value)
        if self.read(owner) != value:
            raise OsKeyringError(f"the keyring ({_name(backend)}) does not return what was stored")

    def delete(self, owner: str) -> None:
        """Delete an entry, if it is there."""
        if self.read(owner) is not None:
            backend = open_backend()
            with _translated(backend):
                backend.delete_password(self.service, owner)


@dataclass(frozen=True, slots=True)
class KeyringProvider:
    """A user key in the keyring: ``solekey-user-key-1 <account> <key id> <64 hex characters>``."""

    spec: str
    name: str
    account: AccountId

    def load(self) -> UserKey:
        """Load the key. Raises KeyringEntryError for an entry that is not what was stored."""
        value = self._entries.read(self.account)
        if value is None:
            raise ProviderEmptyError(f"the keyring has no user key of {self.account}")
        tag, _, fields = value.partition(" ")
        account, _, fields = fields.partition(" ")
        key_id, _, key = fields.partition(" ")
        if (tag, account) != (USER_KEY_TAG, self.account):
            raise KeyringEntryError("the keyring's entry is not a user key of this account")
        try:
            user_key = UserKey(bytes.fromhex(key))
        except ValueError as error:
            raise KeyringEntryError("the keyring's entry is not a user key") from error
        if user_key.derive_key_id(self.account) != key_id:
            user_key.wipe()
            raise KeyringEntryError("the keyring's entry was altered: its key id is not its key's")
        return user_key

    def store(self, user_key: UserKey, *, replace: bool = False) -> None:
        """Store the key and read it back."""
        if not replace and self._entries.read(self.account) is not None:
            with self.load() as present:
                if present != user_key:
                    raise ProviderOccupiedError("the keyring has another user key of this account")
        key_id = user_key.derive_key_id(self.account)
        value = f"{USER_KEY_TAG} {self.account} {key_id} {user_key.expose().hex()}"
        self._entries.write(self.account, value)

    def delete(self) -> None:
        """Delete the entry, if it is there."""
        self._entries.delete(self.account)

    @property
    def _entries(self) -> KeyringEntries:
        return KeyringEntries(f"{SERVICE} {self.name}".rstrip())


def open_backend() -> KeyringBackend:
    """Open the keyring that is in use, if it guards what it keeps.

    Raises:
        InsecureKeyringError: none there, or one that keeps secrets in clear or not at all.
        OsKeyringError: it cannot be reached.
    """
    with _translated(None):
        backend = keyring.get_keyring()
        if isinstance(backend, ChainerBackend):  # it writes to the first that takes it
            backend = next(iter(backend.backends), backend)
        refused = _is_insecure(backend)
    if refused:
        raise InsecureKeyringError(f"the keyring in use ({_name(backend)}) does not guard what it keeps")
    return backend


def _is_insecure(backend: KeyringBackend) -> bool:
    name = _name(backend)
    listed = f"{name}.".startswith(_REFUSED_MODULES) or "plaintext" in name.lower()
    return listed or backend.priority < MIN_PRIORITY


def _name(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}" if backend is not None else "none"


@contextmanager
def _translated(backend: KeyringBackend | None) -> Iterator[None]:
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:  # backends are plug-ins: they raise what they like
        message = f"the keyring ({_name(backend)}) failed: {type(error).__name__}"
        raise OsKeyringError(message) from error
