"""An account as an app sees it: opened from a profile, closed at the end of a block."""

from datetime import datetime
from types import TracebackType
from typing import Self

from solekey.account.factors import Factors
from solekey.account.open_sessions import Sessions
from solekey.account.session import Session
from solekey.api.core import AskFactor, Core, UserKeySource
from solekey.api.devices import Devices
from solekey.api.kept import Kept
from solekey.api.keys import Keys
from solekey.api.queue import Queue
from solekey.connection.second_factor import Proof
from solekey.vault.vault import Vault
from solekey_protocol.encoding import Json
from solekey_protocol.ids import AccountId


class Account:
    """An account on this device, logged in. `solekey.open`, `solekey.log_in` and `SignUp` give one.

    Use it as a context manager: the end of the block wipes all keys and closes the connections; the session
    stays open at the server. Threads may share it: what reads or changes the account waits for its turn.

    Attributes:
        devices: the devices: list, approve, trust, revoke.
        sessions: the open sessions: list, end.
        factors: the second factors: list, add, remove.
        keys: the keys: unlock, change, recovery.
        kept: what this device keeps, to be read without the server.
        queue: what was written without the server, and waits for it.
    """

    devices: Devices
    sessions: Sessions
    factors: Factors
    keys: Keys
    kept: Kept
    queue: Queue

    def __init__(
        self,
        session: Session,
        on_step_up: AskFactor | None = None,
        key: UserKeySource | None = None,
    ) -> None:
        self._core = Core(session, on_step_up)
        self.devices = Devices(self._core)
        self.sessions = session.sessions
        self.factors = session.factors
        self.keys = Keys(self._core)
        self.kept = Kept(self._core)
        self.queue = Queue(self._core)
        if key is not None:
            self._unlock(key)

    def _unlock(self, key: UserKeySource) -> None:
        try:
            self._core.unlock(self._core.load_key(key))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wipe all keys and close the connections. The session stays open at the server."""
        try:
            self._core.wipe()
        finally:
            self._core.session.close()

    @property
    def id(self) -> AccountId:
        """The account's id: random, it says nothing about the person."""
        return self._core.session.account

    @property
    def username(self) -> str:
        """The user name that this device logs in with."""
        return self._core.session.connection.profile.details.username

    @property
    def server(self) -> str:
        """The server's origin, as it is pinned."""
        return self._core.session.connection.profile.details.origin

    @property
    def items(self) -> Vault:
        """The items: put, get, list, remove. Raises AccountLockedError: `Keys.unlock` first."""
        return self._core.vault

    @property
    def as_of(self) -> datetime | None:
        """As of when everything here was verified, where it was opened without its server; else None.

        Raises:
            OfflineError: there is no server, and this device has not followed its account before.
        """
        return self._core.session.as_of

    def sync(self) -> None:
        """Verify and follow what has happened in the account. Raises EvidenceError, NotLoggedInError."""
        self._core.session.sync()

    def sign_heads(self) -> dict[str, Json]:
        """Sign how far this device has followed the account: what its user hands to an auditor.

        Write it to a file as JSON; `solekey.audit.read_pins` reads it. It holds no secret.

        Raises:
            AccountError: the account is not founded yet.
            ProviderError: the device key cannot be reached.
        """
        return self._core.session.sign_heads()

    def step_up(self, proof: Proof) -> None:
        """Prove a second factor again: an authenticator's code, or another proof.

        An app that gives `solekey.open` its ``on_step_up`` need not call this.

        Raises:
            FactorRefusedError: it was refused; a code is good once.
            TooManyAttemptsError: too many were wrong; wait.
            PasskeyError: the security key did not sign.
        """
        self._core.session.step_up(proof)

    def change_password(self, password: str, new_password: str) -> None:
        """Change the password; all other sessions end. The user key stays as it is.

        Raises:
            LoginRefusedError: the present password is wrong.
            WeakPasswordError: the new one is short, common, or like the user name.
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        self._core.session.change_password(password, new_password)

    def log_out(self) -> None:
        """End the session at the server and forget it here. The device stays trusted."""
        self._core.session.log_out()

    def close_account(self, password: str) -> None:
        """Close the account for ever: nobody logs in to it again, on any device. There is no way back.

        Raises:
            LoginRefusedError: the password is wrong.
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        self._core.session.close_account(password)
