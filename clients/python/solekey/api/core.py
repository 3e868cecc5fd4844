"""What the parts of an account share: its session, its lock, and its vault while it is unlocked."""

from collections.abc import Callable
from contextlib import ExitStack

from solekey.account.session import Session
from solekey.connection.second_factor import Proof
from solekey.crypto import UserKey
from solekey.errors import AccountLockedError, ProviderEmptyError, WrongUserKeyError
from solekey.providers.provider import UserKeyProvider, open_provider
from solekey.streams.exclusive import AccountLock
from solekey.vault.vault import Vault

AskFactor = Callable[[], Proof]
"""Asks a person for a second factor: returns an authenticator's code, or another proof."""

UserKeySource = UserKey | UserKeyProvider | str
"""A user key, a provider that keeps it, or the place: ``file:PATH``, ``keyring:[NAME]``, ``pkcs11:…``."""


class Core:
    """One open account. Several blocks may unlock it at the same time: the last one to end locks it."""

    def __init__(self, session: Session, on_step_up: AskFactor | None) -> None:
        self.session = session
        self._vault: Vault | None = None
        self._unlocking = ExitStack()
        self._blocks = 0
        if on_step_up is not None:
            session.connection.on_step_up = lambda: session.step_up(on_step_up())

    @property
    def lock(self) -> AccountLock:
        """The account's lock; see `solekey.streams.exclusive`."""
        return self.session.streams.lock

    @property
    def is_unlocked(self) -> bool:
        """Whether the keys are in memory."""
        return self._vault is not None

    @property
    def vault(self) -> Vault:
        """The unlocked vault. Raises AccountLockedError."""
        vault = self._vault
        if vault is None:
            raise AccountLockedError("the account is locked: this needs its user key")
        return vault

    @property
    def stored_at(self) -> str | None:
        """Where this profile's user key is kept; None: nowhere."""
        return self.session.connection.profile.details.user_key_from

    def load_key(self, source: UserKeySource | None) -> UserKey:
        """Load a user key from what was given, or from the remembered place; always a copy.

        Raises:
            ProviderEmptyError: nothing was given, and no place is remembered.
            ProviderError: what keeps the key does not serve it.
        """
        if isinstance(source, UserKey):
            return source.copy()
        place = source if source is not None else self.stored_at
        if place is None:
            raise ProviderEmptyError("no user key was given, and this profile remembers no place that has it")
        return (self.open_provider(place) if isinstance(place, str) else place).load()

    def open_provider(self, place: str) -> UserKeyProvider:
        """Open the provider of a place for this account's key."""
        runtime = self.session.connection.runtime
        return open_provider(place, account=self.session.account, ask=runtime.ask, random=runtime.random)

    def unlock(self, user_key: UserKey, *, confirming: bool = False, repairing: bool = False) -> Vault:
        """Unlock, or join those who have; each call is followed by `leave`, or by `wipe`. Wipes the key.

        Raises:
            WrongUserKeyError: also where the account is unlocked with another key.
        """
        with self.lock, user_key:
            if self._vault is None:
                unlocking = self.session.unlock(user_key, confirming=confirming, repairing=repairing)
                self._vault = self._unlocking.enter_context(unlocking)
            elif user_key.derive_key_id(self.session.account) != self._vault.unlocked.keyring.user_key.key_id:
                raise WrongUserKeyError("the account is unlocked with another user key")
            self._blocks += 1
            return self._vault

    def leave(self) -> None:
        """End a block that had the account unlocked; the last one wipes the keys."""
        with self.lock:
            self._blocks -= 1
            if self._blocks == 0:
                self.wipe()

    def wipe(self) -> None:
        """Wipe the keys, whoever still uses them."""
        with self.lock:
            self._vault, self._blocks = None, 0
            self._unlocking.close()
