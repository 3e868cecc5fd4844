"""``solekey signup``: an account, this device, the user key and its kit; resumed after any interruption."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from solekey.cli import opening
from solekey.cli.input.answers import (
    ask_new_password,
    ask_user_key,
    ask_username,
    password_option,
    user_key_option,
)
from solekey.cli.input.device_options import device_options
from solekey.cli.input.factor_options import code_options
from solekey.cli.input.factor_prompt import AUTO, try_proofs
from solekey.cli.input.keyring_offer import offer_keyring
from solekey.cli.input.new_user_key import KitChoice, keep_kit, kit_options, prepare_user_key
from solekey.cli.known_profile import find_profile, read_draft
from solekey.cli.output.printing import say, warn
from solekey.cli.output.session_end import describe_end
from solekey.cli.output.totp import show_totp, totp_qr_option
from solekey.cli.server_choice import choose_server, server_options
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.account.session import Session
    from solekey.account.sign_up import SignUp
    from solekey.crypto import UserKey
    from solekey.server import Server


@click.command()
@server_options
@click.option("--username", envvar="SOLEKEY_USERNAME", show_envvar=True, help="Your user name.")
@password_option
@code_options
@totp_qr_option
@user_key_option
@device_options
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

    Until the first code was accepted nothing is settled: run it again with another server, user name or
    password, and those are taken.
    """
    _verify_attended(state, user_key, accept_risk=accept_risk)
    where, name = _choose_account(state, server, ca, username, device_name)

    from solekey.account.sign_up import SignUp
    from solekey.errors import TakenError

    while True:
        with SignUp(
            state.profile,
            where,
            username=name,
            device_name=device_name,
            device_key=device_key,
            runtime=opening.make_runtime(state),
        ) as sign_up:
            _refuse_founded(sign_up)
            try:
                session = _prove(state, sign_up, password, totp_qr)
            except TakenError as error:
                if error.code != "username_taken" or username is not None or not sys.stdin.isatty():
                    raise
                warn("Somebody has the user name {} already. Choose another one.", name)
                name = ask_username(None)
                continue
            with session:
                _finish(state, sign_up, session, user_key, KitChoice(kit, letter, accept_risk))
            return


def _verify_attended(state: Cli, user_key: str | None, *, accept_risk: bool) -> None:
    """Refuse a sign-up that could not be finished, before it registers anything."""
    if accept_risk or user_key is not None or state.user_key_from == "prompt:" or sys.stdin.isatty():
        return
    raise click.UsageError(
        "without a terminal nobody can be asked to enter the words of the recovery kit again: run this at "
        "one, or keep the words safe yourself and say so (--accept-risk). Nothing was registered."
    )


def _choose_account(
    state: Cli, server: str | None, ca: Path | None, username: str | None, device_name: str | None
) -> "tuple[Server, str]":
    """Choose server and user name: the founded profile's, or what flags, an earlier attempt or a person
    say.
    """
    known = find_profile(state)
    if known is None:
        draft = read_draft(state.profile)
        where = choose_server(state, server, ca, default=draft.origin)
        return where, ask_username(username, default=draft.username)
    known.verify_username(username)
    known.verify_device_name(device_name)

    from solekey.errors import ProfileExistsError
    from solekey.server import Server

    if known.find_other_server(server, ca):
        raise ProfileExistsError(
            f"{state.profile} is the profile of {known.username} at {known.origin}. For an account "
            "elsewhere: solekey --profile NAME signup. If the server has moved: solekey login --server NEW"
        )
    pinned = known.path / "server-ca.pem" if known.authority is not None else None
    return Server(known.origin, pinned), known.username


def _refuse_founded(sign_up: "SignUp") -> None:
    if not sign_up.founded:
        return
    from solekey.errors import ProfileExistsError

    details = sign_up.profile.details
    raise ProfileExistsError(
        f"you have an account here: {details.username} at {details.origin}, {details.account}. Nothing was "
        "changed. Use it (solekey status, solekey login); for another account: solekey --profile NAME signup"
    )


def _prove(state: Cli, sign_up: "SignUp", password: str | None, picture: Path | None) -> "Session":
    """Register and log in, or go on where an earlier attempt stopped."""
    from solekey.errors import NotLoggedInError, SessionEndedError, TakenError

    if sign_up.logged_in:
        try:
            session = sign_up.open_session()
        except (NotLoggedInError, SessionEndedError):
            state.tell("The session of the earlier attempt is over: log in again.")
        else:
            if sign_up.totp is not None:
                show_totp(state, sign_up.totp, picture)
            return session
    secret = ask_new_password(password, sign_up.profile.details.username)
    begun_before = False
    try:
        totp = sign_up.register(secret)
        show_totp(state, totp, picture)
    except TakenError as error:
        if error.code != "account_taken":
            raise
        begun_before = True  # proven, and the answer was lost; or with another password
    return _log_in(state, sign_up, secret, begun_before=begun_before)


def _log_in(state: Cli, sign_up: "SignUp", password: str, *, begun_before: bool) -> "Session":
    from solekey.errors import LoginRefusedError

    given = state.second_factor
    if given.code == AUTO:
        given.code, given.totp_secret = None, sign_up.totp.secret if sign_up.totp else given.totp_secret
    try:
        return try_proofs(
            state,
            opening.make_runtime(state),
            lambda proof: sign_up.prove_second_factor(password, proof),
            ask_again=not begun_before,
        )
    except LoginRefusedError:
        if begun_before:
            state.tell(
                "This sign-up was begun with another password, perhaps: enter the one of the first "
                "attempt. Or choose another user name; this one is free again an hour after the first "
                "attempt."
            )
        raise


def _finish(
    state: Cli, sign_up: "SignUp", session: "Session", user_key: str | None, choice: KitChoice
) -> None:
    """Found the account under its user key, and say what there is now."""
    from solekey.crypto import UserKey

    totp = sign_up.totp
    key = _choose_user_key(state, session, user_key, choice)
    with UserKey(key.expose()) as copy:
        sign_up.found(session, key)
        kept_at = None if choice.accept_risk else offer_keyring(state, session, copy)
    document = {
        "account": session.account,
        "device": session.devices.own_id,
        "username": session.connection.profile.details.username,
        "profile": str(state.profile),
        "totp": {"secret": totp.secret, "uri": totp.uri} if totp else None,
    }
    if state.as_json:
        state.emit(document)
    else:
        say("Ready. Account {}, profile {}", document["account"], state.profile)
        _tell_next(state, session, is_kept=kept_at is not None)


def _tell_next(state: Cli, session: "Session", *, is_kept: bool) -> None:
    state.tell("You are logged in {}. Next:", describe_end(session))
    state.tell("  solekey put FILE                 store something; solekey list shows what there is")
    if not is_kept:
        state.tell("  solekey user-key store keyring:  keep the user key in this computer's keyring")
    state.tell("  solekey factors recovery-codes   for the day when the authenticator is lost")


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
