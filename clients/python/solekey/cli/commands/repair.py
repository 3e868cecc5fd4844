"""``solekey repair``: the way back when the user key in force does not open the data."""

import click

from solekey.cli.input.answers import ask_user_key, secret_option, user_key_option
from solekey.cli.input.factor_options import factor_options
from solekey.cli.opening import unlocked
from solekey.cli.state import Cli, pass_cli, state_options


@click.command()
@user_key_option
@secret_option("--old-user-key", "SOLEKEY_OLD_USER_KEY", "The words of an earlier recovery kit.")
@factor_options
@state_options
@pass_cli
def repair(state: Cli, user_key: str | None, old_user_key: str | None) -> None:
    """Wrap anew what only an earlier user key opens.

    Needs the words in force and those of an earlier recovery kit. Nothing is deleted.
    """
    with unlocked(state, user_key, repairing=True) as vault:
        from solekey.rotation.repair import find_missing_epochs, repair_wraps

        missing = find_missing_epochs(vault.unlocked)
        if missing:
            missing = list(repair_wraps(vault, ask_user_key(old_user_key, remembered=False)))
    if state.as_json:
        state.emit({"repaired_epochs": missing})
    elif missing:
        state.tell("Repaired: the user key in force opens everything again.")
    else:
        state.tell("Nothing to repair: the user key in force opens every data key that is needed.")
