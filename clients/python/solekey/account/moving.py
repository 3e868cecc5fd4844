"""Following a server that has moved, or whose authority was renewed, without losing what is pinned.

The device logs in at the new place with its own key. Only when that opens the same account, and the streams
go on from what this device has verified, does the profile name the new server; the login key is then made
anew for it. Spec: authentication.md §3.4, keys.md §6.3.
"""

from solekey.account.enrolment import adopt, upgrade
from solekey.account.known_kdf import remember
from solekey.account.session import Session
from solekey.connection.connection import Connection
from solekey.connection.second_factor import Proof
from solekey.profile.profile import Profile
from solekey.recovery.kit import RecoveryKit
from solekey.recovery.proof import verify_pins
from solekey.runtime import Runtime
from solekey.server import Server


def log_in_elsewhere(
    profile: Profile,
    server: Server,
    *,
    password: str,
    code: Proof,
    moved_from: str | None = None,
    runtime: Runtime | None = None,
    kit: RecoveryKit | None = None,
) -> Session:
    """Log in a known device at another server, and pin that server. Nothing changes if it cannot be verified.

    Args:
        profile: the known device's.
        server: where its server is now, and what certifies it.
        password: the password.
        code: a second factor.
        moved_from: see `solekey.log_in`.
        runtime: see `solekey.runtime`.
        kit: a recovery kit; the history that the server shows must contain what it pins.

    Raises:
        ForeignAccountError: the server has another account under this user name.
        RollbackError, HistoryForkError: it does not show what this device has verified.
        LoginRefusedError: something was wrong, or the server does not know the account.
    """
    account = profile.account
    moved = profile.at(server)
    connection = Connection(moved, runtime or Runtime())
    try:
        details = moved.details
        known = moved.kdf_known
        logged_in = connection.logins.log_in(details.username, password, code, known, moved_from)
        adopt(connection, logged_in, keep=False)
        session = Session(connection)
        session.sync()
        remember(connection, session.streams, logged_in)
        if kit is not None:
            verify_pins(session, kit)
        moved.keep(account)
        upgrade(connection, password, logged_in)
    except BaseException:
        connection.close()
        raise
    return session
