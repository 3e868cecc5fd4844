"""The list of items, for a terminal of any width: names are never cut, and stand first.

Names that look the same and are not are shown with escapes; conflict copies say what they are copies of.
"""

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from solekey.cli.output.foreign_text import Shown, show_exact, show_foreign
from solekey.cli.output.printing import add_row, fill, make_console, make_table, print_table, say

if TYPE_CHECKING:
    from solekey.vault.item_info import ItemInfo
    from solekey_protocol.ids import DeviceId, ItemId

_WIDE_COLUMNS: Final = 110
_TABLE_COLUMNS: Final = 80


def print_items(
    items: "Sequence[ItemInfo]",
    kept: "Container[ItemId]" = frozenset(),
    makers: "Mapping[DeviceId, str] | None" = None,
) -> None:
    """Print a table where a name has room beside the rest, else a few lines an item; kept ones are marked.

    Args:
        items: what to print.
        kept: the items that are kept on this device.
        makers: the verified names of devices, for the marks of conflict copies.
    """
    if not items:
        say("No items.")
        return
    columns, shown = make_console().width, _show_names(items)
    marked = {info.id: fill("{}{}", shown[info.id], _mark(info, kept, shown, makers or {})) for info in items}
    if columns < _TABLE_COLUMNS:
        for info in items:
            say("{}", Shown(marked[info.id]))
            say("  {}", info.id)
            say("  version {}, {}, {} sealed bytes", info.version, _modified(info), f"{info.sealed_size:,}")
        return
    wide = columns >= _WIDE_COLUMNS
    more = ("type", "sealed bytes") if wide else ()
    table = make_table("name", "version", "modified", "id", *more, whole=("id", "modified"))
    for info in items:
        rest = (info.type, f"{info.sealed_size:,}") if wide else ()
        add_row(table, Shown(marked[info.id]), info.version, _modified(info), info.id, *rest)
    print_table(table)


def _show_names(items: "Sequence[ItemInfo]") -> "dict[ItemId, Shown]":
    from solekey.vault.names import find_lookalikes

    alike = find_lookalikes(info.name for info in items)
    return {
        info.id: show_exact(info.name) if info.name in alike else show_foreign(info.name) for info in items
    }


def _mark(
    info: "ItemInfo",
    kept: "Container[ItemId]",
    shown: "Mapping[ItemId, Shown]",
    makers: "Mapping[DeviceId, str]",
) -> Shown:
    mark = " (kept)" if info.id in kept else ""
    if info.conflict is not None:
        of, maker = info.conflict.item, info.conflict.device
        mark += fill(" (conflict copy of {}, by {})", shown.get(of, of), makers.get(maker, maker))
    return Shown(mark)


def _modified(info: "ItemInfo") -> str:
    return info.modified.strftime("%Y-%m-%d %H:%M")
