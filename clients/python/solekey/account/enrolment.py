"""Signing up and logging in; each step may be repeated after a crash at any point.

::

    register            account id, login key; the answer holds the second factor's secret
    prove_second_factor the first login
    make_user_key       then, while nothing is in force: `solekey.recovery.make_kit`, `write_kit`, and
                        `confirm_words` with what the user enters from the kit
    found               the user key certifies this device; data key epoch 1 is wrapped, stored, read back,
                        opened and compared

What was done is known from the profile and the verified streams; nothing else is remembered. Spec:
authentication.md §2, devices.md §3, keys.md §5.
"""

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from solekey.account.device_names import default_name
from solekey.account.password import upgrade_kdf
from solekey.account.session import Session
from solekey.connection.connection import Connection
from solekey.connection.login import LoggedIn, TotpSecret
from solekey.connection.second_factor import Proof
from solekey.connection.transport import Server
from solekey.crypto import KdfParameters, UntrustedKdfParameters, UserKey, accept_kdf_parameters
from solekey.crypto.new_password import verify_new_password
from solekey.errors import BadAnswerError, UnreachableError
from solekey.errors.refusals import ServerRefusedError
from solekey.profile.profile import Profile
from solekey.recovery.kit import RecoveryKit
from solekey.recovery.proof import verify_pins
from solekey.runtime import Runtime
from solekey.vault.keyring import UnlockedUserKey
from solekey.vault.wrapping import wrap_first_data_key
from solekey_protocol.encoding import Json
from solekey_protocol.ids import RAW_ID_BYTES, AccountId


class SignUp:
    """A sign-up on its way. Make it again with the same folder to resume."""

    def __init__(
        self,
        folder: Path,
        server: Server,
        *,
        username: str,
        device_name: str | None = None,
        device_key: str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._runtime = runtime or Runtime()
        name = device_name or default_name()
        self.profile = Profile.create(
            folder,
            server,
            username=username,
            device_name=name,
            random=self._runtime.random,
            device_key=device_key,
            ask=self._runtime.ask,
        )
        self._connection = Connection(self.profile, self._runtime)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def logged_in(self) -> bool:
        """Whether the second factor was proven on this device before."""
        return self.profile.folder.read("session.json") is not None

    def register(self, password: str) -> TotpSecret:
        """Register the account, or fetch the second factor's secret again while it is not proven.

        Raises:
            TakenError: somebody has this user name, or the second factor is proven already: log in.
            WeakPasswordError: see `verify_new_password`.
        """
        details = self.profile.details
        verify_new_password(password, details.username)
        if details.account is None or details.kdf is None:
            account = AccountId.from_raw(self._runtime.random(RAW_ID_BYTES))
            parameters = KdfParameters.make(self._runtime.random)
            self.profile.update(account=account, kdf=parameters.encode())
        kdf = cast("Json", self.profile.details.kdf)
        parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(kdf))
        return self._connection.logins.register(self.profile.account, details.username, password, parameters)

    def prove_second_factor(self, password: str, code: Proof) -> Session:
        """Log in for the first time, with a code of the authenticator. Raises LoginRefusedError."""
        username, known = self.profile.details.username, self.profile.kdf_known
        _adopt(self._connection, self._connection.logins.log_in(username, password, code, known))
        return self.open_session()

    def open_session(self) -> Session:
        """Open the session of an earlier attempt. Raises NotLoggedInError."""
        session = Session.open(self.profile, self._runtime)
        session.sync()
        return session

    def make_user_key(self) -> UserKey:
        """Make the user key. Show ``to_phrase()`` once, have it written down, then call `found`."""
        return UserKey.make(self._runtime.random)

    def found(self, session: Session, user_key: UserKey) -> None:
        """Found the account under the user key and make its first data key; takes the user key over.

        Raises:
            WrongUserKeyError: the account was founded under another one, in an earlier attempt.
        """
        with user_key:
            unlocked = UnlockedUserKey(user_key, session.account)
            try:
                session.devices.found_account(unlocked)
                wrap_first_data_key(session.connection, session.streams, session.author, unlocked)
            finally:
                unlocked.wipe()
        self.profile.update(kdf=None)


def log_in(
    folder: Path,
    server: Server | None,
    *,
    username: str | None,
    password: str,
    code: Proof,
    device_name: str | None = None,
    device_key: str | None = None,
    runtime: Runtime | None = None,
    kit: RecoveryKit | None = None,
) -> Session:
    """Log in on this device, new or known. A new device is enrolled and waits for `trust_device`.

    Args:
        folder: the profile's folder.
        server: where a new device logs in; None for a known one.
        username: who; None for a known device.
        password: the password.
        code: the authenticator's code of now, or another second factor: `RecoveryCode`, `Passkey`.
        device_name: what a new device calls itself, and the server sees; None: what kind of machine it is.
        device_key: where a new device's key is kept: `file:`, `keyring:[NAME]` or `pkcs11:…`.
        runtime: clock, randomness, network, a person to ask for a token's PIN.
        kit: a recovery kit; the history that the server shows must contain what it pins.

    Raises:
        KitMismatchError, RollbackError, HistoryForkError: see `solekey.recovery.proof.verify_pins`.
        LoginRefusedError: something was wrong; nobody is told what.
        DeviceRevokedError: this device was revoked, for ever.
    """
    runtime = runtime or Runtime()
    if server is None or username is None:
        profile = Profile.open(folder, runtime.ask)
        profile.verify_device_key_place(device_key)
    else:
        name = device_name or default_name()
        profile = Profile.create(
            folder,
            server,
            username=username,
            device_name=name,
            random=runtime.random,
            device_key=device_key,
            ask=runtime.ask,
        )
    connection = Connection(profile, runtime)
    try:
        username, known = profile.details.username, profile.kdf_known
        logged_in = connection.logins.log_in(username, password, code, known)
        _adopt(connection, logged_in)
        _upgrade(connection, password, logged_in)
        session = Session(connection)
        session.sync()
        if kit is not None:
            verify_pins(session, kit)
        if session.streams.devices.account_key is not None:
            session.devices.enrol()
    except BaseException:
        connection.close()
        raise
    return session


def trust_device(session: Session, user_key: UserKey, *, kit: RecoveryKit | None = None) -> None:
    """Make this pending device a trusted one: the user key must open the account's wraps; it is wiped.

    With a recovery kit, the history that the server shows must contain what the kit pins.

    Raises:
        KitMismatchError, RollbackError, HistoryForkError: see `solekey.recovery.proof.verify_pins`.
        WrongUserKeyError: a valid phrase of another key.
        TamperedWrapError: the phrase is right, the server's wrapped key is not.
    """
    with user_key:
        if kit is not None:
            session.sync()
            verify_pins(session, kit)
        with session.unlock(user_key) as vault:
            session.devices.trust(session.devices.own_id, vault.unlocked.keyring.user_key)


def _adopt(connection: Connection, logged_in: LoggedIn) -> None:
    known = connection.profile.details.account
    if known is not None and known != logged_in.account:
        raise BadAnswerError("the server opened a session of another account")
    if known is None:
        connection.profile.update(account=logged_in.account)
    connection.adopt(logged_in.tokens)
    if logged_in.challenge is not None:
        connection.profile.note_kdf(logged_in.challenge.kdf.strength)


def _upgrade(connection: Connection, password: str, logged_in: LoggedIn) -> None:
    """Stretch the password with more work if the server asks for it; if not now, at the next login."""
    if logged_in.challenge is not None:
        with suppress(ServerRefusedError, UnreachableError):
            upgrade_kdf(connection, password, logged_in.challenge)
