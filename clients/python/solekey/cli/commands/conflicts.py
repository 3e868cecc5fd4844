"""``solekey conflicts`` and ``solekey resolve``: what two devices changed at once, and which of it stays."""

import click

from solekey.cli.input.answers import user_key_option
from solekey.cli.name_completion import complete_items
from solekey.cli.opening import unlocked
from solekey.cli.output.foreign_text import quote_foreign
from solekey.cli.output.item_document import describe_item, emit_stored
from solekey.cli.output.left_out import end_partial, tell_unreadable
from solekey.cli.output.maker_names import read_maker_names
from solekey.cli.output.printing import add_row, make_table, print_table, say
from solekey.cli.state import Cli, pass_cli, state_options


@click.command()
@user_key_option
@state_options
@pass_cli
def conflicts(state: Cli, user_key: str | None) -> None:
    """List the conflict copies: what each is a copy of, which device made it, and when.

    A copy is made when another device had edited the item first. Read both, then say with `solekey resolve`
    which stays.
    """
    with unlocked(state, user_key) as vault:
        items, makers = vault.list(), read_maker_names(vault)
    copies = [info for info in items if info.conflict is not None]
    if state.as_json:
        state.emit({"conflicts": [describe_item(info) for info in copies]})
        end_partial(items.unreadable)
        return
    if not copies:
        say("No conflict copies.")
    else:
        names = {info.id: info.name for info in items}
        table = make_table("copy", "of", "by", "made", "id", whole=("id", "made"))
        for info in copies:
            if info.conflict is not None:
                of, maker = info.conflict.item, info.conflict.device
                made = info.created.strftime("%Y-%m-%d %H:%M")
                add_row(table, info.name, names.get(of, of), makers.get(maker, maker), made, info.id)
        print_table(table)
    tell_unreadable(items.unreadable)
    end_partial(items.unreadable)


@click.command()
@click.argument("copy", shell_complete=complete_items)
@click.option(
    "--keep",
    type=click.Choice(["copy", "original", "both"]),
    required=True,
    help="The copy (it becomes the next version of the original), the original (the copy is removed), or "
    "both (the copy becomes an item like any other).",
)
@user_key_option
@state_options
@pass_cli
def resolve(state: Cli, copy: str, keep: str, user_key: str | None) -> None:
    """Resolve a conflict: say what becomes of the conflict copy COPY (name or id).

    Nothing is lost: what is replaced stays in the history, and what is removed can be restored for a while.
    """
    from solekey.vault.conflicts import Keep

    with unlocked(state, user_key) as vault, state.progress(f"put {copy}", in_bytes=True) as progress:
        stored = vault.resolve(copy, Keep(keep), progress=progress)
    if stored is not None:
        emit_stored(state, stored)
    elif state.as_json:
        state.emit({"removed": {"name": copy}})
    else:
        state.tell("Removed {}; the original stays.", quote_foreign(copy))
