"""``solekey restore``: bring back a removed item, or an older version, that the server still has."""

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.opening import unlocked
from solekey.cli.output.printing import add_row, make_table, print_table, usage_error
from solekey.cli.state import Cli, pass_cli, state_options


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_only", is_flag=True, help="List the removed items that can be brought back.")
@click.option("--version", type=click.IntRange(min=1), help="Which version: see `solekey history`.")
@user_key_option
@state_options
@pass_cli
def restore(
    state: Cli, name: str | None, version: int | None, user_key: str | None, *, list_only: bool
) -> None:
    """Bring back the removed item NAME (name or id), or with --version an older version of an item.

    A removed item comes back as a new one; an older version becomes the newest, and what it replaces stays in
    the history. The server keeps what was replaced or removed for a time that its operator has set.
    """
    if (name is None) is not list_only:
        raise usage_error("give the NAME of an item, or --list")
    if list_only and version is not None:
        raise usage_error("--version is for one item: name it")
    with unlocked(state, user_key) as vault:
        if name is not None:
            stored = vault.restore(name, version=version)
            if state.as_json:
                state.emit({"id": stored.id, "name": stored.name, "version": stored.version})
            state.tell("Restored {} as version {} of {}.", stored.name, stored.version, stored.id)
            return
        found = vault.list_removed()
    if state.as_json:
        rows = [
            {
                "id": item.id,
                "name": item.metadata.name if item.metadata else None,
                "version": item.last.version,
                "removed_in_commit": item.removed_in,
                "restorable": item.error is None,
            }
            for item in found
        ]
        state.emit({"removed": rows})
        return
    table = make_table("name", "version", "removed in commit", "id", whole=("id",))
    for item in found:
        name = item.metadata.name if item.metadata else "(does not open any more)"
        add_row(table, name, item.last.version, item.removed_in, item.id)
    print_table(table)
