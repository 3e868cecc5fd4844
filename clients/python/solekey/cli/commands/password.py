"""``solekey password change``."""

import sys

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask, password_option, secret_option
from solekey.cli.input.factor_options import factor_options
from solekey.cli.opening import open_session
from solekey.cli.output.printing import prompt
from solekey.cli.state import Cli, pass_cli, state_options


@click.group(cls=CommandGroup)
def password() -> None:
    """Change the password. It proves who you are; what decrypts your data are the 24 words."""


@password.command()
@password_option
@secret_option("--new-password", "SOLEKEY_NEW_PASSWORD", "The new password.")
@factor_options
@state_options
@pass_cli
def change(state: Cli, password: str | None, new_password: str | None) -> None:
    """Change the password. All other sessions of the account end: log in there with the new one.

    Nothing is re-encrypted, and the 24 words stay the same.
    """
    state.verify_logged_in()
    present = ask(password, "Present password", "--password")
    chosen = _ask_new(new_password)
    with open_session(state) as session:
        session.change_password(present, chosen)
        others = [info for info in session.sessions.list() if not info.current]
    if state.as_json:
        state.emit({"changed": True, "other_sessions": len(others)})
    else:
        state.tell("The password is changed. All other sessions have ended: log in there with the new one.")


def _ask_new(value: str | None) -> str:
    if value is not None or not sys.stdin.isatty():
        return ask(value, "New password", "--new-password")
    return prompt("New password", hide=True, twice=True)
