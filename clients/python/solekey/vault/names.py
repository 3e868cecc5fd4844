"""Which names are the same: those that look the same. Spec: envelope.md §5."""

import unicodedata
from collections.abc import Callable

from solekey.crypto.metadata import MAX_NAME_CHARACTERS
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId


def fold_name(name: str) -> str:
    """Fold a name for comparison: ``é`` as one character and as two is one name (NFC). Case counts."""
    return unicodedata.normalize("NFC", name)


def is_same_name(one: str, other: str) -> bool:
    """Tell whether two names are the same."""
    return fold_name(one) == fold_name(other)


def choose_free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Choose a name for an item that comes back: its own, or ``notes (restored)`` where that is taken."""
    chosen, number = name, 0
    while is_taken(chosen):
        number += 1
        suffix = " (restored)" if number == 1 else f" (restored {number})"
        chosen = name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
    return chosen


def is_item_id(text: str) -> bool:
    """Tell whether a text has the form of an item's id, which no name may have."""
    try:
        ItemId(text)
    except MalformedError:
        return False
    return True
