"""``solekey login``: on a new device, on a known one, and at a server that has moved."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli import opening
from solekey.cli.input.answers import ask, ask_username, password_option
from solekey.cli.input.device_options import device_options
from solekey.cli.input.factor_options import factor_options
from solekey.cli.input.factor_prompt import ATTEMPTS, try_proofs
from solekey.cli.known_profile import KnownProfile, find_profile
from solekey.cli.output.printing import warn
from solekey.cli.output.session_end import describe_end, find_end
from solekey.cli.server_choice import SYSTEM, choose_server, server_options
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.connection.second_factor import Proof
    from solekey.profile.profile import Profile
    from solekey.recovery.kit import RecoveryKit
    from solekey.server import Server


class _Device:
    """Who logs in, from which device, and where.

    Attributes:
        known: the profile on disk; None on a new device.
        server: where a new device logs in, or where a known one's server has moved to; None: where it is.
        device_name: what a new device is called.
        device_key: where a new device's key is kept.
        made: a recovery kit.
        moved_from: where the server was when the password was set.
        profile: the new device's, made by the first attempt.
    """

    def __init__(
        self,
        known: KnownProfile | None,
        server: "Server | None",
        device_name: str | None,
        device_key: str | None,
        made: "RecoveryKit | None",
        moved_from: str | None,
    ) -> None:
        self.known, self.server, self.made, self.moved_from = known, server, made, moved_from
        self.device_name, self.device_key = device_name, device_key
        self.profile: Profile | None = None


@click.command()
@server_options
@click.option("--username", envvar="SOLEKEY_USERNAME", show_envvar=True, help="Your user name.")
@password_option
@factor_options
@device_options
@click.option(
    "--kit",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A recovery kit: names the server and you, and says what history the server must show.",
)
@click.option(
    "--moved-from",
    metavar="URL",
    help="Where the server was when your password was set, if it has moved since.",
)
@click.option("--wait", is_flag=True, help="Show this device's code and wait until it is approved.")
@state_options
@pass_cli
def login(
    state: Cli,
    server: str | None,
    ca: Path | None,
    username: str | None,
    password: str | None,
    device_name: str | None,
    device_key: str | None,
    kit: Path | None,
    moved_from: str | None,
    *,
    wait: bool,
) -> None:
    """Log in on this device. On a new one, name the server and yourself.

    A new device is pending. Trust it with the user key (`solekey devices trust`), or have a trusted device
    approve it by its code: log in with `--wait`, or run `solekey devices wait`. Nothing is kept of a login
    that fails.

    When the server has moved, or has a new authority, `--server` and `--ca` let this device follow it: it
    must know the same account, and show the history that this device has verified. A new device at a server
    that has moved may have to be told where it was, by `--moved-from`: the password's key is bound to it.
    """
    before = _parse_origin(moved_from) if moved_from else None
    known = find_profile(state)
    if known is not None:
        known.verify_username(username)
        known.verify_device_name(device_name)
    made = _read_kit(kit) if kit else None
    pinned = _choose_target(state, known, server or (made.server if made and not known else None), ca)
    device = _Device(known, pinned, device_name, device_key, made, before)
    session = _log_in(state, device, username or (made.username if made else None), password)
    with session:
        _emit_login(state, session)
        if wait and session.devices.own_status == "pending":
            from solekey.cli.output.device_waiting import wait_and_tell

            wait_and_tell(state, session, None)


def _parse_origin(server: str) -> str:
    from solekey.server import Server

    return Server(server).origin


def _choose_target(
    state: Cli, known: KnownProfile | None, server: str | None, ca: Path | None
) -> "Server | None":
    if known is None:
        return choose_server(state, server, ca)
    if not known.find_other_server(server, ca):
        return None
    if ca is None and known.authority is not None:
        ca = known.path / "server-ca.pem"
    return choose_server(state, server or known.origin, ca or SYSTEM)


def _log_in(state: Cli, device: _Device, username: str | None, password: str | None) -> "Session":
    """Log in; at a terminal what was typed may be wrong some times, and is asked for again."""
    asked = password is None or (username is None and device.known is None)
    name = device.known.username if device.known else ask_username(username)
    attempt = 1
    while True:
        secret = ask(password, "Password", "--password")

        from solekey.errors import LoginRefusedError

        try:
            return _attempt(state, device, name, secret)
        except LoginRefusedError as refusal:
            can_ask = sys.stdin.isatty() and (asked or not state.second_factor.is_given)
            if not can_ask or attempt == ATTEMPTS:
                raise
            attempt += 1
            from solekey.cli.advice import advise

            warn("That was not accepted. {}", advise(refusal))
        if username is None and device.known is None:
            name = ask_username(None, default=name)


def _attempt(state: Cli, device: _Device, name: str, password: str) -> "Session":
    from solekey.account.enrolment import log_in
    from solekey.account.moving import log_in_elsewhere
    from solekey.profile.profile import Profile

    runtime = opening.make_runtime(state)
    if device.known is None and device.server is not None:
        if device.profile is None or device.profile.details.username != name:
            device.profile = Profile.create(
                state.profile,
                device.server,
                username=name,
                device_name=device.device_name or _default_name(),
                random=runtime.random,
                device_key=device.device_key,
                ask=runtime.ask,
            )
    else:
        device.profile = Profile.open(state.profile, runtime.ask)
        device.profile.verify_device_key_place(device.device_key)
    profile = device.profile

    def attempt(proof: "Proof") -> "Session":
        if device.known is not None and device.server is not None:
            return log_in_elsewhere(
                profile,
                device.server,
                password=password,
                code=proof,
                moved_from=device.moved_from,
                runtime=runtime,
                kit=device.made,
            )
        return log_in(
            profile,
            None,
            username=None,
            password=password,
            code=proof,
            moved_from=device.moved_from,
            runtime=runtime,
            kit=device.made,
        )

    return try_proofs(state, runtime, attempt)


def _default_name() -> str:
    from solekey.account.device_names import default_name

    return default_name()


def _read_kit(path: Path) -> "RecoveryKit":
    from solekey.recovery.documents import read_kit

    return read_kit(path).kit


def _emit_login(state: Cli, session: "Session") -> None:
    from solekey.account.vouching import find_first_account_key

    standing = session.devices.own_status
    document = {
        "account": session.account,
        "device": session.devices.own_id,
        "first_account_key": find_first_account_key(session.streams),
        "standing": standing.value if standing else None,
        "profile": str(state.profile),
        "session_ends_at": find_end(session),
    }
    if state.as_json:
        state.emit(document)
        return
    name = standing.value if standing else "not enrolled"
    state.say("Ready. Logged in {}; this device is {}.", describe_end(session), name)
    if name == "pending":
        state.say("Trust it with your user key: solekey devices trust")
        state.say("Or have a trusted device approve it: solekey devices wait")
