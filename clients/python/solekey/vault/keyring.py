"""The keys of an unlocked account, in memory only: opened from the wraps that signed statements name.

Spec: keys.md §5.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from solekey.connection.connection import Connection
from solekey.crypto import (
    AccountSigningKey,
    DataKey,
    SigningKey,
    UserKey,
    WrapContext,
    WrappingKey,
    open_wrap,
)
from solekey.errors import EpochKeyMissingError, ForgedEventError, TamperedWrapError, WrongUserKeyError
from solekey.streams.streams import Streams
from solekey.transfer.objects import parse_byte_list
from solekey_protocol.events import Body, Signer
from solekey_protocol.events.vault import ItemsCommitted, KeyWrapped
from solekey_protocol.ids import AccountId, Digest, KeyId, compute_digest
from solekey_protocol.services import Service
from solekey_protocol.streams import WrapRecord
from solekey_protocol.wrap import SecretKind

_FORBIDDEN: Final = "Solekey-Offline"


class FetchWraps(Protocol):
    """Fetches wraps by the digest of their bytes: the live ones, or the retired ones that are still kept."""

    def __call__(self, *, retired: bool) -> Mapping[Digest, bytes]:
        """See `fetch_wraps`."""


class UnlockedUserKey:
    """What is derived from a user key while it is in use. Takes the user key over and wipes it."""

    def __init__(self, user_key: UserKey, account: AccountId) -> None:
        self._user_key = user_key
        self.key_id: KeyId = user_key.derive_key_id(account)
        self.wrapping_key: WrappingKey = user_key.derive_wrapping_key(account)
        self.signing_key: AccountSigningKey = user_key.derive_account_signing_key(account)

    def wipe(self) -> None:
        """Wipe all of it (best effort)."""
        self._user_key.wipe()
        self.wrapping_key.wipe()
        self.signing_key.wipe()

    def verify_current(self, streams: Streams) -> Self:
        """Verify that this is the account's user key now, by what the account's devices have signed.

        Raises:
            WrongUserKeyError: another user key's words, or one that was replaced.
            ForgedEventError: the key id is ours and the account key is not.
        """
        devices = streams.devices
        if devices.key_id != self.key_id:
            raise WrongUserKeyError("this is not the account's user key")
        if devices.account_key != self.signing_key.public_key:
            raise ForgedEventError("the server shows an account key that this user key does not have")
        return self


class Keyring:
    """The data keys of an account, by epoch. Use it as a context manager: the end of the block wipes them."""

    def __init__(
        self,
        user_key: UnlockedUserKey,
        connection: Connection,
        streams: Streams,
        fetch: "FetchWraps | None" = None,
    ) -> None:
        self.user_key = user_key
        self._fetch = fetch or partial(fetch_wraps, connection)
        self._connection = connection
        self._streams = streams
        self._keys: dict[int, DataKey] = {}
        self._retired: dict[int, DataKey] = {}
        self._damaged: dict[int, TamperedWrapError] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def wipe(self) -> None:
        """Wipe all keys (best effort)."""
        for data_key in (*self._keys.values(), *self._retired.values()):
            data_key.wipe()
        self._keys, self._retired = {}, {}
        self.user_key.wipe()

    def replace_user_key(self, user_key: UnlockedUserKey) -> None:
        """Go on with the user key that took over; the old one is wiped."""
        self.user_key.wipe()
        self.user_key = user_key

    def data_key(self, epoch: int) -> DataKey:
        """The data key of an epoch; loads the wraps again for one that is new here.

        Raises:
            EpochKeyMissingError: there is no live wrap of this epoch.
            TamperedWrapError: the wrap of this old epoch does not open.
        """
        if epoch not in self._keys:
            self.load()
        if epoch in self._damaged:
            raise self._damaged[epoch]
        try:
            return self._keys[epoch]
        except KeyError as error:
            raise EpochKeyMissingError(f"there is no key for epoch {epoch}") from error

    def any_data_key(self, epoch: int) -> DataKey:
        """The data key of an epoch, also of one whose wrap was retired within the grace time.

        Raises:
            EpochKeyMissingError: no wrap of it under this user key is left.
            TamperedWrapError: the wrap does not open.
        """
        if epoch not in self._keys and epoch not in self._retired:
            stored = self._fetch(retired=True)
            for record in self._streams.vault.wraps.values():
                wrapped = record.wrapped
                ours = (wrapped.epoch, wrapped.key_id) == (epoch, self.user_key.key_id)
                if ours and wrapped.wrap in stored:
                    self._retired[epoch] = self.open_wrap(record, stored)
        return self._retired[epoch] if epoch in self._retired else self.data_key(epoch)

    def opens(self, epoch: int) -> bool:
        """Whether the data key of an epoch could be opened."""
        return epoch in self._keys

    def find_signers(self, body: Body) -> Mapping[Signer, SigningKey]:
        """Find the keys that sign a body: the account key, and the commit key of its epoch."""
        signers: dict[Signer, SigningKey] = {Signer.ACCOUNT: self.user_key.signing_key}
        if Signer.COMMIT in body.SIGNERS and isinstance(body, ItemsCommitted | KeyWrapped):
            data_key = self.data_key(body.epoch)
            signers[Signer.COMMIT] = data_key.derive_commit_key(self._connection.profile.account)
        return signers

    def load(self, *, repairing: bool = False) -> None:
        """Open every live wrap of this user key. A damaged one harms its own epoch's items only.

        Args:
            repairing: go on without the newest epoch's key.

        Raises:
            WrongUserKeyError: see `UnlockedUserKey.verify_current`.
            TamperedWrapError: the newest epoch's wrap is not what was signed, or does not open.
        """
        self.user_key.verify_current(self._streams)
        stored = self._fetch(retired=False)
        for live in self._streams.vault.live_wraps(self.user_key.key_id):
            epoch = live.wrapped.epoch
            if epoch in self._keys:
                continue
            try:
                self._keys[epoch] = self.open_wrap(live, stored)
                self._damaged.pop(epoch, None)
            except TamperedWrapError as error:
                self._damaged[epoch] = error
        newest = self._damaged.get(self._streams.vault.epoch)
        if newest is not None and not repairing:
            raise newest

    def open_wrap(self, live: WrapRecord, stored: Mapping[Digest, bytes]) -> DataKey:
        """Open one live wrap of the user key in use. Raises TamperedWrapError."""
        return open_live_wrap(live.wrapped, stored, self.user_key, self._connection.profile.account)


def fetch_wraps(
    connection: Connection,
    *,
    retired: bool = False,
    on_forbidden: Callable[[], None] = lambda: None,
) -> dict[Digest, bytes]:
    """Fetch the live wraps, or the retired ones whose grace time is not over, by the digest of their bytes.

    What the server calls them counts for nothing.

    Args:
        connection: the session's connection.
        retired: the retired ones.
        on_forbidden: called when the operator wants no device to keep anything.
    """
    answer = connection.call(Service.VAULT, "GET", "wraps/retired" if retired else "wraps")
    if _FORBIDDEN in answer.headers:
        on_forbidden()
    found = [wrap for wrap in parse_byte_list(answer.body, "wraps") if isinstance(wrap, bytes)]
    return {compute_digest(wrap): wrap for wrap in found}


def open_live_wrap(
    wrapped: KeyWrapped, stored: Mapping[Digest, bytes], user_key: UnlockedUserKey, account: AccountId
) -> DataKey:
    """Open the wrap that a signed statement names.

    Raises:
        TamperedWrapError: it is not there, or does not open for its place.
        WrongUserKeyError: another user key made it.
    """
    wrap = stored.get(wrapped.wrap)
    if wrap is None:
        raise TamperedWrapError("place")  # the server has no bytes for the place that was signed
    place = WrapContext(
        account, wrapped.epoch, wrapped.wrap_version, wrapped.key_id, SecretKind(wrapped.secret)
    )
    data_key = open_wrap(user_key.wrapping_key, wrap, place)
    if data_key.derive_commit_key(account).public_key != wrapped.commit_key:
        data_key.wipe()
        raise TamperedWrapError("commit_key")  # another data key than the one that commits are signed under
    return data_key
