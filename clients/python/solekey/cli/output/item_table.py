"""The list of items, for a terminal of any width: names are never cut, and stand first."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final

from solekey.cli.output.printing import add_row, make_console, make_table, print_table, say

if TYPE_CHECKING:
    from solekey.vault.item_info import ItemInfo
    from solekey_protocol.ids import ItemId

_WIDE_COLUMNS: Final = 110
_TABLE_COLUMNS: Final = 80


def print_items(items: "Sequence[ItemInfo]", kept: "Container[ItemId]" = frozenset()) -> None:
    """Print a table where a name has room beside the rest, else a few lines an item; kept ones are marked."""
    if not items:
        say("No items.")
        return
    columns = make_console().width
    if columns < _TABLE_COLUMNS:
        for info in items:
            say("{}{}", info.name, _mark(info, kept))
            say("  {}", info.id)
            say("  version {}, {}, {} sealed bytes", info.version, _modified(info), f"{info.sealed_size:,}")
        return
    wide = columns >= _WIDE_COLUMNS
    more = ("type", "sealed bytes") if wide else ()
    table = make_table("name", "version", "modified", "id", *more, whole=("id", "modified"))
    for info in items:
        rest = (info.type, f"{info.sealed_size:,}") if wide else ()
        add_row(table, f"{info.name}{_mark(info, kept)}", info.version, _modified(info), info.id, *rest)
    print_table(table)


def _mark(info: "ItemInfo", kept: "Container[ItemId]") -> str:
    return " (kept)" if info.id in kept else ""


def _modified(info: "ItemInfo") -> str:
    return info.modified.strftime("%Y-%m-%d %H:%M")
