"""``solekey signup``, ``login``, ``logout`` and ``status``."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli.answers import (
    ask,
    ask_new_password,
    ask_user_key,
    password_option,
    user_key_option,
)
from solekey.cli.new_user_key import KitChoice, keep_kit, kit_options, prepare_user_key
from solekey.cli.printing import print_pairs, say
from solekey.cli.second_factor import AUTO, code_options, factor_options, iter_proofs
from solekey.cli.state import Cli, pass_cli, state_options
from solekey.cli.totp import show_totp, totp_qr_option

if TYPE_CHECKING:
    from solekey.account.enrolment import SignUp
    from solekey.account.session import Session
    from solekey.connection.login import TotpSecret
    from solekey.connection.second_factor import Proof
    from solekey.connection.transport import Server
    from solekey.crypto import UserKey
    from solekey.recovery.kit import RecoveryKit

_server = click.option(
    "--server", envvar="SOLEKEY_SERVER", show_envvar=True, help="The server: https://host[:port]."
)
_ca = click.option(
    "--ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="SOLEKEY_CA",
    show_envvar=True,
    help="PEM file of the only authority that may certify the server; the system's if not given.",
)
_username = click.option("--username", envvar="SOLEKEY_USERNAME", show_envvar=True, help="Your user name.")
_device_name = click.option(
    "--device-name",
    envvar="SOLEKEY_DEVICE_NAME",
    show_envvar=True,
    help="What this device is called; the server sees it. What kind of machine it is if not given.",
)
_device_key = click.option(
    "--device-key",
    envvar="SOLEKEY_DEVICE_KEY",
    show_envvar=True,
    metavar="SPEC",
    help="Where a new device's key is kept: file: (the profile, the default), keyring:[NAME] or pkcs11:…",
)


@click.command()
@_server
@_ca
@_username
@password_option
@code_options
@totp_qr_option
@user_key_option
@_device_name
@_device_key
@kit_options
@click.option(
    "--accept-risk",
    is_flag=True,
    help="For scripts: ask neither for the kit nor for its words again.",
)
@state_options
@pass_cli
def signup(
    state: Cli,
    server: str | None,
    ca: Path | None,
    username: str | None,
    password: str | None,
    totp_qr: Path | None,
    user_key: str | None,
    device_name: str | None,
    device_key: str | None,
    kit: Path | None,
    *,
    letter: bool,
    accept_risk: bool,
) -> None:
    """Make an account, and this device its first. Run it again to resume after an interruption.

    Shows the authenticator's secret, and the user key as 24 words: once. Nobody else has them. The account
    is founded when its recovery kit was saved and the words were entered again from it. `--code auto` makes
    the code from the secret just received, for scripts. `--user-key` takes words that you have already
    (`solekey user-key make`) instead of new ones.
    """
    pinned = _make_server(server, ca)
    name = ask(username, "User name", "--username", hidden=False)

    from solekey.account.enrolment import SignUp

    with SignUp(
        state.profile,
        pinned,
        username=name,
        device_name=device_name,
        device_key=device_key,
        runtime=state.make_runtime(),
    ) as sign_up:
        session, totp = _prove(state, sign_up, ask_new_password(password), totp_qr)
        with session:
            key = _choose_user_key(state, session, user_key, KitChoice(kit, letter, accept_risk))
            sign_up.found(session, key)
            document = {
                "account": session.account,
                "device": session.devices.own_id,
                "username": name,
                "profile": str(state.profile),
                "totp": {"secret": totp.secret, "uri": totp.uri} if totp else None,
            }
    if state.as_json:
        state.emit(document)
    else:
        say("Ready. Account {}, profile {}", document["account"], state.profile)


@click.command()
@_server
@_ca
@_username
@password_option
@factor_options
@_device_name
@_device_key
@click.option(
    "--kit",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A recovery kit: names the server and you, and says what history the server must show.",
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
    *,
    wait: bool,
) -> None:
    """Log in on this device. On a new one, name the server and yourself.

    A new device is pending. Trust it with the user key (`solekey devices trust`), or have a trusted device
    approve it by its code: log in with `--wait`, or run `solekey devices wait`.
    """
    new = not (state.profile / "profile.json").exists()
    made = _read_kit(kit) if kit else None
    pinned = _make_server(server or (made.server if made else None), ca) if new else None
    name = username or (made.username if made else None)
    name = ask(name, "User name", "--username", hidden=False) if new else None
    secret = ask(password, "Password", "--password")

    from solekey.account.enrolment import log_in

    runtime = state.make_runtime()

    def attempt(proof: "Proof") -> "Session":
        return log_in(
            state.profile,
            pinned,
            username=name,
            password=secret,
            code=proof,
            device_name=device_name,
            device_key=device_key,
            runtime=runtime,
            kit=made,
        )

    session = _try_proofs(iter_proofs(state, runtime), attempt)
    with session:
        _emit_login(state, session)
        if wait and session.devices.own_status == "pending":
            from solekey.cli.device_waiting import wait_and_tell

            wait_and_tell(state, session, None)


@click.command()
@state_options
@pass_cli
def logout(state: Cli) -> None:
    """End this device's session. The device stays trusted."""
    with state.open_session() as session:
        session.log_out()
    if state.as_json:
        state.emit({"logged_out": True})
    else:
        say("Logged out.")


@click.command()
@state_options
@pass_cli
def status(state: Cli) -> None:
    """Show the account, this device, the keys and the open rotation, all as verified."""
    with state.open_session() as session:
        session.sync()
        document = _describe(session)
    if state.as_json:
        state.emit(document)
        return
    print_pairs(document)


def _make_server(server: str | None, ca: Path | None) -> "Server":
    origin = ask(server, "Server (https://…)", "--server", hidden=False)

    from solekey.connection.transport import Server

    return Server(origin, ca)


def _read_kit(path: Path) -> "RecoveryKit":
    from solekey.recovery.documents import read_kit

    return read_kit(path).kit


def _try_proofs(proofs: "Iterator[Proof]", attempt: "Callable[[Proof], Session]") -> "Session":
    """Try one proof after the other while the login is refused; only codes made from a secret are several."""
    from solekey.errors.refusals import LoginRefusedError

    refusal: LoginRefusedError | None = None
    for proof in proofs:
        try:
            return attempt(proof)
        except LoginRefusedError as error:
            refusal = error
    raise refusal or click.UsageError("no code")


def _prove(
    state: Cli, sign_up: "SignUp", password: str, picture: Path | None
) -> "tuple[Session, TotpSecret | None]":
    """Register and log in, or go on where an earlier attempt stopped."""
    from solekey.errors import NotLoggedInError
    from solekey.errors.refusals import SessionEndedError, TakenError

    if sign_up.logged_in:
        try:
            return sign_up.open_session(), None
        except (NotLoggedInError, SessionEndedError):
            state.tell("The session of the earlier attempt is over: log in again.")
    try:
        totp = sign_up.register(password)
        show_totp(state, totp, picture)
    except TakenError as error:
        if error.code != "account_taken":
            raise
        totp = None  # the second factor is proven already, the answer to it was lost
    given = state.second_factor
    if given.code == AUTO:
        given.code, given.totp_secret = None, totp.secret if totp else given.totp_secret
    proofs = iter_proofs(state, state.make_runtime())
    return _try_proofs(proofs, lambda proof: sign_up.prove_second_factor(password, proof)), totp


def _choose_user_key(state: Cli, session: "Session", given: str | None, choice: KitChoice) -> "UserKey":
    """Make the user key and have its kit saved; ask for it where the account is founded already."""
    founded = session.streams.devices.account_key is not None
    if given is not None or founded or state.user_key_from == "prompt:":
        return keep_kit(state, session, ask_user_key(given), choice)
    if state.user_key_from is not None:
        state.tell(
            "A new account gets a new user key; then: solekey user-key store '{}'", state.user_key_from
        )
    return prepare_user_key(state, session, choice)


def _emit_login(state: Cli, session: "Session") -> None:
    standing = session.devices.own_status
    document = {
        "account": session.account,
        "device": session.devices.own_id,
        "first_account_key": _find_first_account_key(session),
        "standing": standing.value if standing else None,
        "profile": str(state.profile),
    }
    if state.as_json:
        state.emit(document)
        return
    say("Logged in. This device is {}.", document["standing"] or "not enrolled")
    if standing and standing.value == "pending":
        say("Trust it with your user key: solekey devices trust")
        say("Or have a trusted device approve it: solekey devices wait")


def _describe(session: "Session") -> dict[str, object]:
    streams, details = session.streams, session.connection.profile.details
    rotation = streams.rotation.open
    standing = session.devices.own_status
    return {
        "server": details.origin,
        "username": details.username,
        "account": session.account,
        "device": session.devices.own_id,
        "device_name": details.device_name,
        "first_account_key": _find_first_account_key(session),
        "standing": standing.value if standing else None,
        "trusted_devices": len(streams.devices.trusted),
        "sessions": len(streams.auth.sessions),
        "key_id": streams.devices.key_id,
        "epoch": streams.vault.epoch,
        "commits": streams.vault.last_commit,
        "open_rotation": f"{rotation.started.kind} {rotation.phase}" if rotation else None,
        "rotations_due": sorted(kind.value for kind in streams.rotation.due),
    }


def _find_first_account_key(session: "Session") -> str | None:
    """What an auditor pins (audit.md §2), from this device's verified copy of the devices stream."""
    from solekey_protocol.events.body import Stream
    from solekey_protocol.events.devices import AccountFounded

    founded = [event.body for event in session.streams.events(Stream.DEVICES)[:1]]
    return next((body.account_key for body in founded if isinstance(body, AccountFounded)), None)
