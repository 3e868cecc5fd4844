"""Text that somebody else has chosen, such as another device's name, made safe to show.

It cannot move the cursor, change colours, reorder what stands beside it, look like nothing, or pile up marks:
what could is shown as an escape. It is quoted, so that where it ends is seen, and cut to a few lines.
Spec: devices.md §4.
"""

import unicodedata
from typing import Final

MAX_CELLS: Final = 60
_MAX_MARKS: Final = 2  # one after the other on a letter: enough for the scripts that use them
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Printable by their category, and seen by nobody."""
_QUOTES: Final = frozenset('“”"\\')
_DROPPED: Final = frozenset("\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Change how the letter before them looks; terminals do not agree how wide they make it."""
_FLAG_LETTERS: Final = frozenset(chr(point) for point in range(0x1F1E6, 0x1F200))  # the same
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def quote_foreign(text: str) -> str:
    """Quote a text: “…”, at most `MAX_CELLS` cells of a terminal wide, with escapes for what is not plain.

    A text with right-to-left letters is isolated, so that it orders nothing but itself.
    """
    shown, marks = "", 0
    for character in text:
        if character in _DROPPED:
            continue
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        plain = _is_plain(character) and marks <= _MAX_MARKS and bool(shown or not marks)
        shown += character if plain else f"\\u{{{ord(character):x}}}"
    shown = f"“{_cut(shown)}”"
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        return f"{_ISOLATE}{shown}{_END_ISOLATE}"
    return shown


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in _BLANK | _QUOTES | _FLAG_LETTERS


def _cut(text: str) -> str:
    from rich.cells import cell_len

    if cell_len(text) <= MAX_CELLS:
        return text
    kept = ""
    for character in text:
        if cell_len(kept) + cell_len(character) >= MAX_CELLS:
            break
        kept += character
    return kept + "…"
