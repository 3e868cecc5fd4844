"""A session: this device, logged in. `unlock` opens the vault for the time of a block."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from solekey.account.closing import close_account
from solekey.account.devices import Devices
from solekey.account.factors import Factors
from solekey.account.open_sessions import Sessions
from solekey.account.password import change_password
from solekey.account.step_up import step_up
from solekey.account.vouching import sign_heads
from solekey.connection.connection import Connection
from solekey.connection.offline import Offline
from solekey.connection.second_factor import Proof
from solekey.crypto import UserKey
from solekey.files.any_path import AnyPath
from solekey.offline.kept import Kept
from solekey.profile.profile import Profile
from solekey.runtime import Runtime
from solekey.streams.author import Author
from solekey.streams.exclusive import AccountLock, exclusive
from solekey.streams.streams import Streams
from solekey.vault.keyring import Keyring, UnlockedUserKey
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.vault import Vault
from solekey_protocol.encoding import Json
from solekey_protocol.ids import AccountId
from solekey_protocol.services import Service

_log = logging.getLogger(__name__)


class Session:
    """A logged-in device. Use it as a context manager; the end of the block closes connections, no more."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.streams = Streams(connection)
        self.author = Author(connection, self.streams)
        self.devices = Devices(connection, self.streams, self.author)
        self.factors = Factors(connection, self.streams)
        self.sessions = Sessions(connection, self.streams, self.devices)
        self.kept = Kept(connection, self.streams)
        self.streams.on_followed = self.kept.follow
        connection.on_revoked = self.kept.erase

    @classmethod
    def open(
        cls,
        profile: Profile | AnyPath,
        runtime: Runtime | None = None,
        *,
        offline: Offline = Offline.NEVER,
    ) -> Self:
        """Open the session that a profile keeps.

        Args:
            profile: the profile, or its folder.
            runtime: the outside world.
            offline: whether to go on without the server, which may be also after the session has ended.

        Raises:
            ProfileMissingError, NotLoggedInError
            InsecureServerError, ClockWrongError, RedirectError: see `Connection.find_contact`.
        """
        runtime = runtime or Runtime()
        profile = profile if isinstance(profile, Profile) else Profile.open(profile, runtime.ask)
        connection = Connection(profile, runtime)
        try:
            connection.find_contact(offline)
            if not connection.is_offline:
                _ = connection.tokens
            return cls(connection)
        except BaseException:
            connection.close()
            raise

    @property
    def _lock(self) -> AccountLock:
        return self.streams.lock

    @property
    def account(self) -> AccountId:
        """Whose session it is."""
        return self.connection.profile.account

    @property
    def as_of(self) -> datetime | None:
        """As of when what this device shows was verified; None while the server answers. See `Offline`.

        Raises:
            OfflineError: this device has not followed its account before.
        """
        return self.streams.find_as_of()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The session stays open at the server until `log_out` or its limit."""
        self.connection.close()

    @exclusive
    def sync(self) -> None:
        """Verify and follow what has happened in the account. Raises EvidenceError."""
        self.streams.sync()

    @exclusive
    def sign_heads(self) -> dict[str, Json]:
        """Sign how far this device has followed its account, for an auditor."""
        return sign_heads(self.connection, self.streams)

    @exclusive
    def step_up(self, proof: Proof) -> None:
        """Prove a second factor again: an authenticator's code, or another proof. Some acts ask for it.

        Raises:
            FactorRefusedError: it was refused; a code is good once.
            TooManyAttemptsError: too many were wrong; wait.
            PasskeyError: the security key did not sign.
        """
        step_up(self.connection, proof)

    @exclusive
    def change_password(self, password: str, new_password: str) -> None:
        """Change the password; all other sessions end. See `solekey.account.password.change_password`."""
        change_password(self.connection, password, new_password)

    @exclusive
    def close_account(self, password: str) -> None:
        """Close the account for ever. See `solekey.account.closing.close_account`."""
        close_account(self.connection, password)

    @contextmanager
    def unlock(
        self, user_key: UserKey, *, confirming: bool = False, repairing: bool = False
    ) -> Iterator[Vault]:
        """Unlock the vault for a block; its end wipes all keys, the given user key too (best effort).

        Args:
            user_key: the account's user key; it is wiped.
            confirming: go on although a revoked device has signed statements since, in order to finish its
                revocation, which confirms them.
            repairing: go on although the newest data key does not open; see `solekey.rotation.repair`.

        Raises:
            WrongUserKeyError: a valid phrase, but not this account's, or one that was replaced.
            TamperedWrapError: the phrase is right, the server's wrapped key is not.
            EvidenceError: the server shows less, other, or forged records.
            UnconfirmedEventError: a revoked device has signed statements since; nobody has confirmed them.
        """
        with ExitStack() as stack:
            stack.enter_context(user_key)
            with self.streams.lock:
                stack.enter_context(self.streams.confirming(confirming))
                self.streams.sync()
                unlocked_key = UnlockedUserKey(user_key, self.account)
                keyring = stack.enter_context(
                    Keyring(unlocked_key, self.connection, self.streams, self.kept.wraps.fetch)
                )
                keyring.load(repairing=repairing)
                objects = self.kept.open_objects()
                unlocked = UnlockedAccount.build(self.connection, self.streams, self.author, keyring, objects)
                stack.callback(unlocked.close)
                if self.streams.devices.trusted.get(self.devices.own_id):
                    unlocked.index.take_up()
                    if not (confirming or repairing):
                        unlocked = self.kept.take_up(unlocked, objects)
                    self.kept.refresh(unlocked)
                vault = Vault(unlocked)
                _log.info("unlocked, epoch %d", self.streams.vault.epoch)
            stack.callback(_log.info, "locked")
            yield vault

    @exclusive
    def log_out(self) -> None:
        """End the session at the server and forget it here."""
        session = self.connection.tokens.session
        self.connection.call(Service.AUTH, "DELETE", f"sessions/{session}")
        self.forget()

    def forget(self) -> None:
        """Forget the session here, whether or not the server was told: nothing opens items here any more."""
        self.connection.profile.forget_tokens()
        self.kept.log_out()
