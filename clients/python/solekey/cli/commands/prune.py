"""``solekey prune``: have replaced versions and removed items of an age deleted."""

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.opening import unlocked
from solekey.cli.output.printing import confirm
from solekey.cli.state import Cli, pass_cli, state_options


@click.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=0, max=36_500),
    required=True,
    metavar="DAYS",
    help="What was replaced or removed more than so many days ago.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@user_key_option
@state_options
@pass_cli
def prune(state: Cli, days: int, user_key: str | None, *, yes: bool) -> None:
    """Delete replaced versions and removed items that are older than DAYS, and free their room.

    The items as they are now stay. The server deletes the rest once its grace time is over; until then
    `restore` still brings it back. That is signed, and needs a fresh second factor.
    """
    if not yes:
        confirm("Delete what was replaced or removed more than {} days ago?", days)
    with unlocked(state, user_key) as vault:
        through = vault.prune(older_than_days=days)
    if state.as_json:
        state.emit({"purged_through_commit": through})
    elif through is None:
        state.tell("There is nothing of that age.")
    else:
        state.tell("What was replaced or removed up to commit {} is deleted after the grace time.", through)
