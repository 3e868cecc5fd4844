"""Logging in and trusting this device; each step may be repeated after a crash at any point.

A profile is written when its account is known, with the first login: a mistake before that leaves nothing
behind. Spec: authentication.md §3, devices.md §3.
"""

from contextlib import suppress

from solekey.account.device_names import default_name
from solekey.account.known_kdf import remember
from solekey.account.password import upgrade_kdf
from solekey.account.session import Session
from solekey.connection.connection import Connection
from solekey.connection.login import LoggedIn
from solekey.connection.second_factor import Proof
from solekey.crypto import UserKey
from solekey.errors import DeviceRevokedError, ForeignAccountError, ServerRefusedError, UnreachableError
from solekey.files.any_path import AnyPath
from solekey.profile.profile import Profile
from solekey.recovery.kit import RecoveryKit
from solekey.recovery.proof import verify_pins
from solekey.runtime import Runtime
from solekey.server import Server


def log_in(
    folder: AnyPath | Profile,
    server: Server | None,
    *,
    username: str | None,
    password: str,
    code: Proof,
    device_name: str | None = None,
    device_key: str | None = None,
    moved_from: str | None = None,
    runtime: Runtime | None = None,
    kit: RecoveryKit | None = None,
) -> Session:
    """Log in on this device, new or known. A new device is enrolled and waits for `trust_device`.

    Args:
        folder: the profile's folder; or a new profile, such as of an attempt that was refused.
        server: where a new device logs in; None for a known one.
        username: who; None for a known device.
        password: the password.
        code: the authenticator's code of now, or another second factor: `RecoveryCode`, `Passkey`.
        device_name: what a new device calls itself, and the server sees; None: what kind of machine it is.
        device_key: where a new device's key is kept: `file:`, `keyring:[NAME]` or `pkcs11:…`.
        moved_from: the server's origin when the password was set, if the server has moved since and no device
            has logged in with the password at its new place.
        runtime: clock, randomness, network, a person to ask for a token's PIN.
        kit: a recovery kit; the history that the server shows must contain what it pins.

    Raises:
        KitMismatchError, RollbackError, HistoryForkError: see `solekey.recovery.proof.verify_pins`.
        LoginRefusedError: something was wrong; nobody is told what.
        DeviceRevokedError: this device was revoked, for ever.
        KdfSaltError: see `solekey.account.known_kdf`.
    """
    runtime = runtime or Runtime()
    profile = (
        folder
        if isinstance(folder, Profile)
        else _open_profile(folder, server, username, device_name, device_key, runtime)
    )
    connection = Connection(profile, runtime)
    try:
        username, known = profile.details.username, profile.kdf_known
        try:
            logged_in = connection.logins.log_in(username, password, code, known, moved_from)
        except DeviceRevokedError:
            if profile.details.account is not None:
                Session(connection).kept.erase()
            raise
        adopt(connection, logged_in)
        session = Session(connection)
        session.sync()
        remember(connection, session.streams, logged_in)
        upgrade(connection, password, logged_in)
        if kit is not None:
            verify_pins(session, kit)
        if session.streams.devices.account_key is not None:
            session.devices.enrol()
    except BaseException:
        connection.close()
        raise
    return session


def _open_profile(
    folder: AnyPath,
    server: Server | None,
    username: str | None,
    device_name: str | None,
    device_key: str | None,
    runtime: Runtime,
) -> Profile:
    """Open a known device's profile, or make a new device's, in memory."""
    if server is None or username is None:
        profile = Profile.open(folder, runtime.ask)
        profile.verify_device_key_place(device_key)
        return profile
    return Profile.create(
        folder,
        server,
        username=username,
        device_name=device_name or default_name(),
        random=runtime.random,
        device_key=device_key,
        ask=runtime.ask,
    )


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


def adopt(connection: Connection, logged_in: LoggedIn, *, keep: bool = True) -> None:
    """Take over a new session; a new profile is put on disk first, unless it is to be verified before.

    Raises:
        ForeignAccountError: it is another account's.
    """
    known = connection.profile.details.account
    if known is not None and known != logged_in.account:
        raise ForeignAccountError("the server opened a session of another account than this profile's")
    if keep:
        connection.profile.keep(logged_in.account)
    connection.adopt(logged_in.tokens)


def upgrade(connection: Connection, password: str, logged_in: LoggedIn) -> None:
    """Make another login key if the server asks for more work or has moved; if not now, at the next login."""
    if logged_in.challenge is not None:
        with suppress(ServerRefusedError, UnreachableError):
            upgrade_kdf(connection, password, logged_in.challenge)
