"""``solekey account close``."""

import sys

import click

from solekey.cli.command_group import CommandGroup
from solekey.cli.input.answers import ask, password_option
from solekey.cli.input.factor_options import factor_options
from solekey.cli.opening import open_session
from solekey.cli.output.printing import prompt, warn
from solekey.cli.state import Cli, pass_cli, state_options

_LOST = """\
Closing {} at {} cannot be taken back. Lost are:
  - all {} stored changes and every item in them, for you too: the 24 words open nothing any more
  - all {} trusted devices: they are logged out, and nobody can log in again
  - the user name, which nobody gets again while the operator keeps the account's record
Get what you want to keep first: solekey list, solekey get."""


@click.group(cls=CommandGroup)
def account() -> None:
    """Close the account."""


@account.command()
@click.option(
    "--confirm",
    metavar="USERNAME",
    help="Your user name, for scripts: that this account is meant; a person types it.",
)
@password_option
@factor_options
@state_options
@pass_cli
def close(state: Cli, confirm: str | None, password: str | None) -> None:
    """Close the account for ever, with all its data. Names what is lost and asks for your user name."""
    state.verify_logged_in()
    if confirm is None and not sys.stdin.isatty():
        raise click.UsageError("nobody is here to confirm it: give your user name (--confirm USERNAME)")
    with open_session(state) as session:
        session.sync()
        details = session.connection.profile.details
        if confirm is None:
            commits, devices = session.streams.vault.last_commit, len(session.streams.devices.trusted)
            warn(_LOST, details.username, details.origin, commits, devices)
            confirm = prompt("Type {} to close it", details.username)
        if confirm.strip() != details.username:
            raise click.UsageError("that is not this account's user name: nothing was closed")
        session.close_account(ask(password, "Password", "--password"))
        closed = session.account
    if state.as_json:
        state.emit({"closed": closed})
    else:
        state.tell(
            "{} is closed. This profile is of no more use: delete {}.", details.username, state.profile
        )
