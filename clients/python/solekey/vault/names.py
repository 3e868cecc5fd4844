"""Which names are the same, and which only look so. Spec: envelope.md §5.1."""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from solekey.crypto.metadata import MAX_NAME_CHARACTERS
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId

_LOOKALIKES: Final = str.maketrans(
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u0423"
    "\u03bf\u03bd\u03b1\u03c1\u03b9"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aceijopsxyhdqw" + "ABCEHIJKMOPSTXY" + "ovapi" + "ABEZHIKMNOPTYX",
)
"""Letters of Cyrillic and Greek, and the Latin ones that look like them in common typefaces."""


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


def find_lookalikes(names: Iterable[str]) -> frozenset[str]:
    """Find the names that look like another one of them, though they are not the same."""
    by_look: dict[str, set[str]] = {}
    for name in names:
        by_look.setdefault(_derive_look(name), set()).add(name)
    return frozenset(name for alike in by_look.values() if len(alike) > 1 for name in alike)


def _derive_look(name: str) -> str:
    """Derive what a name looks like: without what is not seen, in one width, in letters of one script."""
    if name.isascii():
        return name
    seen = "".join(
        " " if unicodedata.category(character) == "Zs" else character
        for character in unicodedata.normalize("NFKC", name)
        if unicodedata.category(character) != "Cf"
    )
    return unicodedata.normalize("NFC", seen.translate(_LOOKALIKES))


def is_item_id(text: str) -> bool:
    """Tell whether a text has the form of an item's id, which no name may have."""
    try:
        ItemId(text)
    except MalformedError:
        return False
    return True
