"""Opening an account: from the profile of this device, or by logging in."""

from collections.abc import Callable
from dataclasses import replace

from solekey.account.enrolment import log_in as log_in_here
from solekey.account.moving import log_in_elsewhere
from solekey.account.session import Session
from solekey.api.account import Account
from solekey.api.core import AskFactor, UserKeySource
from solekey.connection.offline import Offline
from solekey.connection.second_factor import Proof
from solekey.files.any_path import AnyPath
from solekey.profile.profile import Profile
from solekey.recovery.kit import RecoveryKit
from solekey.runtime import Runtime
from solekey.server import Server

Ask = Callable[[str], str]
"""Shows a question to a person and returns what was typed: a passphrase, or a token's PIN."""


def open(  # noqa: A001  # it is called solekey.open
    profile: AnyPath,
    *,
    key: UserKeySource | None = None,
    on_step_up: AskFactor | None = None,
    ask: Ask | None = None,
    offline: Offline | str = Offline.NEVER,
    runtime: Runtime | None = None,
) -> Account:
    """Open the account of a profile, on a device that has logged in.

    Args:
        profile: the profile's folder.
        key: unlocks the account until it is closed: the user key, or what keeps it. None: it stays locked;
            `Keys.unlock` unlocks it for a block.
        on_step_up: asks a person for a second factor when an act needs a fresh one, which is then done.
            Without it such an act is refused (StepUpRequiredError).
        ask: asks a person for a passphrase or PIN, if the key's place needs one.
        offline: whether to go on with what this device keeps: ``never``, ``if_needed`` (if the server does
            not answer at once) or ``always``; `Account.as_of` says what came of it.
        runtime: clock, randomness and network; tests put in their own.

    Raises:
        ProfileMissingError: there is no profile in this folder.
        OfflineError: later, of what needs the server.
        NotLoggedInError: log in again. Where a session has ended at the server, the first request finds out.
        WrongUserKeyError, ProviderError: as of `Keys.unlock`.
    """
    session = Session.open(profile, make_runtime(runtime, ask), offline=Offline(offline))
    return Account(session, on_step_up, key)


def log_in(
    profile: AnyPath,
    *,
    password: str,
    code: Proof,
    server: Server | str | None = None,
    username: str | None = None,
    device_name: str | None = None,
    device_key: str | None = None,
    kit: RecoveryKit | None = None,
    key: UserKeySource | None = None,
    moved_from: str | None = None,
    on_step_up: AskFactor | None = None,
    ask: Ask | None = None,
    runtime: Runtime | None = None,
) -> Account:
    """Log in on this device, new or known. A new one is pending until it is trusted: see `Devices`.

    Args:
        profile: the profile's folder; made for a new device when the login has succeeded.
        password: the password.
        code: the authenticator's code of now, or another second factor: `RecoveryCode`, `Passkey`.
        server: where a new device logs in; None for a known one. See `move_to_server`.
        username: who; None for a known device.
        device_name: what a new device calls itself, and the server sees; None: what kind of machine it is.
        device_key: where a new device's key is kept: ``file:``, ``keyring:[NAME]`` or ``pkcs11:…``.
        kit: a recovery kit; the history that the server shows must contain what it pins.
        key: see `solekey.open`.
        moved_from: the server's origin when the password was set, if the server has moved since and no device
            has logged in with the password at its new place.
        on_step_up: see `solekey.open`.
        ask: see `solekey.open`.
        runtime: see `solekey.open`.

    Raises:
        LoginRefusedError: something was wrong; nobody is told what.
        TooManyAttemptsError: wait.
        DeviceRevokedError: this device was revoked, for ever.
        KitMismatchError, RollbackError, HistoryForkError: the kit pins another history.
        KdfSaltError: the server asks for the password in another form than before.
    """
    session = log_in_here(
        profile,
        Server(server) if isinstance(server, str) else server,
        username=username,
        password=password,
        code=code,
        device_name=device_name,
        device_key=device_key,
        moved_from=moved_from,
        runtime=make_runtime(runtime, ask),
        kit=kit,
    )
    return Account(session, on_step_up, key)


def move_to_server(
    profile: AnyPath,
    server: Server | str,
    *,
    password: str,
    code: Proof,
    kit: RecoveryKit | None = None,
    key: UserKeySource | None = None,
    moved_from: str | None = None,
    on_step_up: AskFactor | None = None,
    ask: Ask | None = None,
    runtime: Runtime | None = None,
) -> Account:
    """Log in a known device at its server's new place, and pin that. Nothing changes if it is not verified.

    Args:
        profile: the profile's folder.
        server: where the server is now, and what certifies it.
        password: the password.
        code: a second factor.
        kit: see `log_in`.
        key: see `solekey.open`.
        moved_from: see `log_in`.
        on_step_up: see `solekey.open`.
        ask: see `solekey.open`.
        runtime: see `solekey.open`.

    Raises:
        ForeignAccountError: the server has another account under this user name.
        RollbackError, HistoryForkError: it does not show what this device has verified.
        LoginRefusedError: something was wrong, or the server does not know the account.
    """
    runtime = make_runtime(runtime, ask)
    session = log_in_elsewhere(
        Profile.open(profile, runtime.ask),
        Server(server) if isinstance(server, str) else server,
        password=password,
        code=code,
        moved_from=moved_from,
        runtime=runtime,
        kit=kit,
    )
    return Account(session, on_step_up, key)


def make_runtime(runtime: Runtime | None, ask: Ask | None) -> Runtime:
    """Make the outside world of an account: the one that was given, with somebody to ask."""
    runtime = runtime or Runtime()
    return replace(runtime, ask=ask) if ask is not None else runtime
