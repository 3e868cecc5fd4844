"""How a command tells which items cannot be read, and that it has done its work without them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from solekey.cli.output.printing import say, warn

if TYPE_CHECKING:
    from solekey.vault.unreadable import UnreadableItem

SOME_UNREADABLE: Final = 10
"""The exit code of what was done, but for items that cannot be read."""


def tell_unreadable(unreadable: "Sequence[UnreadableItem]") -> None:
    """Tell a person, one by one, which items cannot be read, and what to do about it."""
    if not unreadable:
        return
    warn("{} cannot be read; the others are not affected:", _count(unreadable))
    for item in unreadable:
        warn("  {}", item.describe())
    warn("Ask the operator to restore the objects, or remove an item by its id: solekey remove itm_…")


def describe_leftovers(left: "Sequence[UnreadableItem]") -> dict[str, object]:
    """Describe for scripts what could not be re-encrypted."""
    return {"unreadable": [item.to_document() for item in left]}


def tell_leftovers(left: "Sequence[UnreadableItem]") -> None:
    """Tell a person what could not be re-encrypted, and how to finish."""
    if not left:
        return
    say("{} cannot be read and stay under the old data key, which is kept for them:", _count(left))
    for item in left:
        say("  {}", item.describe())
    say("Once they are restored, or removed by their ids, finish with: solekey rotate resume")


def end_partial(unreadable: "Sequence[UnreadableItem]") -> None:
    """End with an exit code of its own when the command has done its work for all items but these."""
    if unreadable:
        click.get_current_context().exit(SOME_UNREADABLE)


def _count(unreadable: "Sequence[UnreadableItem]") -> str:
    return "1 item" if len(unreadable) == 1 else f"{len(unreadable)} items"
