"""``solekey factors list``, ``add-totp``, ``add-passkey``, ``recovery-codes`` and ``remove``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask
from solekey.cli.input.factor_options import factor_options
from solekey.cli.input.factor_prompt import AUTO, open_key, parse_code
from solekey.cli.input.output_file import OutputFile
from solekey.cli.opening import open_session
from solekey.cli.output.foreign_text import quote_foreign
from solekey.cli.output.printing import add_row, make_table, print_table, say, usage_error, warn
from solekey.cli.output.totp import show_totp, totp_qr_option
from solekey.cli.state import Cli, pass_cli, state_options

if TYPE_CHECKING:
    from solekey.account.factors import FactorInfo, RecoveryCodes
    from solekey.account.session import Session
    from solekey.connection.login import TotpSecret

_ID_CHARS: Final = 12
_NAMES: Final = {"totp": "authenticator app", "passkey": "passkey", "recovery_codes": "recovery codes"}
_FEW_CODES: Final = 3
_MAX_NAME_CHARS: Final = 64
_ADVICE: Final = """\
Each code replaces your authenticator once, at a login or where a second factor is asked for again.
Print them, or put them in a safe or a password manager, away from your authenticator. They open no
data: the 24 words do. Codes of an earlier set work no more.
"""


@click.group(cls=CommandGroup)
def factors() -> None:
    """See, add and remove second factors: authenticator app, passkeys, recovery codes.

    What changes them asks for a second factor again, if the last one was proven more than 5 minutes ago.
    """


@factors.command("list")
@state_options
@pass_cli
def list_factors(state: Cli) -> None:
    """List the second factors, as the verified events say."""
    with open_session(state) as session:
        found = session.factors.list()
    if state.as_json:
        state.emit({"factors": [_describe(info) for info in found]})
        return
    table = make_table("factor", "name", "since", "id", "")
    for info in found:
        left = f"{info.codes_left} left" if info.codes_left is not None else ""
        kind, name = _NAMES[info.factor.value], quote_foreign(info.name) if info.name is not None else ""
        add_row(table, kind, name, info.enrolled_at[:16], info.id[:_ID_CHARS], left)
    print_table(table)
    for info in found:
        if info.codes_left is not None and info.codes_left < _FEW_CODES:
            state.tell("Few recovery codes are left. Make new ones: solekey factors recovery-codes")


@factors.command("add-totp")
@totp_qr_option
@click.option(
    "--new-code",
    metavar="CODE",
    envvar="SOLEKEY_NEW_CODE",
    show_envvar=True,
    help="A code of the new authenticator; `auto` makes it from the secret just received, for scripts.",
)
@factor_options
@state_options
@pass_cli
def add_totp(state: Cli, totp_qr: Path | None, new_code: str | None) -> None:
    """Put another authenticator app in the place of the present one, such as on a new phone.

    The new one is in force when you have entered a code of it; until then the old one is.
    """
    if new_code not in (None, AUTO):
        new_code = parse_code("--new-code", str(new_code))
    with open_session(state) as session:
        totp = session.factors.add_totp()
        show_totp(state, totp, totp_qr)
        factor_id = _confirm(session, totp, new_code)
    if state.as_json:
        state.emit({"factor": "totp", "factor_id": factor_id})
    else:
        state.tell("The new authenticator is in force. Delete the old entry from your app: it works no more.")


@factors.command("add-passkey")
@click.option("--name", default="security key", show_default=True, help="What it is called in the list.")
@click.option("--resident", is_flag=True, help="Keep the passkey on the key itself, if it has room.")
@factor_options
@state_options
@pass_cli
def add_passkey(state: Cli, name: str, *, resident: bool) -> None:
    """Add the security key (USB, NFC) that is connected. Its codes cannot be phished."""
    if not 1 <= len(name) <= _MAX_NAME_CHARS:
        raise usage_error("--name: expected 1 to {} characters", _MAX_NAME_CHARS)
    with open_session(state) as session:
        factor_id = session.factors.add_passkey(open_key(), name, resident=resident)
    if state.as_json:
        state.emit({"factor": "passkey", "factor_id": factor_id, "name": name})
    else:
        state.tell("{} is added. Use it: solekey login --passkey", quote_foreign(name))


@factors.command("recovery-codes")
@click.option(
    "--output",
    "-o",
    type=OutputFile(or_stdout=True),
    help="Write them to a file that only you can read, instead of printing them.",
)
@factor_options
@state_options
@pass_cli
def recovery_codes(state: Cli, output: Path | None) -> None:
    """Make a new set of recovery codes, for the day when the authenticator is lost. Shown once.

    The codes of the set before work no more.
    """
    with open_session(state) as session:
        if output is None:
            _print_codes(state, session.factors.make_recovery_codes())
            return
        made = _save_codes(state, session, output)
    if state.as_json:
        state.emit({"codes": len(made.codes), "output": str(output)})
    else:
        state.tell("{} codes are in {}. " + _ADVICE, len(made.codes), output)


@factors.command()
@click.argument("factor")
@factor_options
@state_options
@pass_cli
def remove(state: Cli, factor: str) -> None:
    """Remove FACTOR: its id or how that begins (8 characters), or its kind. A name chooses nothing.

    The last factor that the server's policy asks for cannot be removed: add another one first.
    """
    with open_session(state) as session:
        found = session.factors.find(factor)
        session.factors.remove(found.id)
    if state.as_json:
        state.emit({"removed": found.id, "factor": found.factor.value})
    else:
        what = quote_foreign(found.name) if found.name is not None else _NAMES[found.factor.value]
        state.tell("Removed: {}. It is refused from now on.", what)


def _describe(info: "FactorInfo") -> dict[str, object]:
    return {
        "factor": info.factor.value,
        "factor_id": info.id,
        "name": info.name,
        "enrolled_at": info.enrolled_at,
        "codes_left": info.codes_left,
    }


def _confirm(session: "Session", totp: "TotpSecret", new_code: str | None) -> str:
    """Confirm the new authenticator with a code of it; a person may mistype it."""
    from solekey.errors import LoginRefusedError

    if new_code == AUTO:
        import pyotp

        new_code = pyotp.TOTP(totp.secret).at(session.connection.runtime.now())
    while True:
        typed = ask(new_code, "Code of the NEW authenticator", "--new-code", hidden=False)
        try:
            return session.factors.confirm_totp(typed)
        except LoginRefusedError:
            if new_code is not None or not sys.stdin.isatty():
                raise
            warn("That was not accepted: enter the six digits that the new one shows now.")


def _save_codes(state: Cli, session: "Session", output: Path) -> "RecoveryCodes":
    """Save a new set. The file is open before the codes exist; they are printed if it cannot be finished."""
    from solekey.errors import OutputExistsError, TransferError
    from solekey.files.whole_file import WholeFile

    with WholeFile.make(output, new=True) as whole:
        made = session.factors.make_recovery_codes()
        try:
            whole.file.write("".join(f"{code}\n" for code in made.codes).encode())
            whole.publish()
        except (OutputExistsError, TransferError):
            warn("The new codes could not be saved in {}; they are these:", output)
            _print_codes(state, made)
            raise
    return made


def _print_codes(state: Cli, made: "RecoveryCodes") -> None:
    if state.as_json:
        state.emit({"codes": list(made.codes)})
        return
    for code in made.codes:
        say("{}", code)
    state.tell("\n" + _ADVICE + "They are shown once.")
