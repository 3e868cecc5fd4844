"""``solekey user-key make`` and ``check``."""

import os

import click

from solekey.cli.answers import user_key_option
from solekey.cli.items import unlocked
from solekey.cli.state import Cli, pass_cli, state_options


@click.group("user-key")
def user_key() -> None:
    """Make a user key, or check that written-down words open the vault."""


@user_key.command()
@state_options
@pass_cli
def make(state: Cli) -> None:
    """Make a user key and print its 24 words. Needs no profile and no network."""
    from solekey.crypto import UserKey

    with UserKey.make(os.urandom) as key:
        phrase = key.to_phrase()
    if state.as_json:
        state.emit({"user_key": phrase})
    else:
        click.echo(phrase)


@user_key.command()
@user_key_option
@state_options
@pass_cli
def check(state: Cli, user_key: str | None) -> None:
    """Check that the words open the data key that is in force."""
    with unlocked(state, user_key) as vault:
        key_id, epoch = vault.unlocked.keyring.user_key.key_id, vault.unlocked.streams.vault.epoch
        vault.unlocked.keyring.data_key(epoch)
    if state.as_json:
        state.emit({"key_id": key_id, "epoch": epoch, "opens": True})
    else:
        state.tell(f"These words open the data key of epoch {epoch}.")
