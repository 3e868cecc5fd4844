r"""Text that somebody else has chosen, such as an item's, a file's or a device's name, made safe to show.

It cannot move the cursor, change colours, reorder what stands beside it, look like nothing, break the line
or pile up marks: what could is shown as an escape, ``\u{202e}``. Everything else is shown as it is.
`show_foreign` keeps a whole text; `quote_foreign` also quotes it, so that where it ends is seen, and cuts it.
Spec: conventions.md §11.
"""

import unicodedata
from typing import Final

MAX_CELLS: Final = 60
_MAX_MARKS: Final = 2  # one after the other on a letter: enough for the scripts that use them
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Printable by their category, and seen by nobody."""
_SELECTORS: Final = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Say how the letter before them is drawn; alone they are not seen."""
_EMOJI_SELECTORS: Final = frozenset("\ufe0e\ufe0f")
_QUOTES: Final = frozenset('“”"\\')
_DROPPED: Final = _EMOJI_SELECTORS | frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Change how the letter before them looks; terminals do not agree how wide they make it."""
_FLAG_LETTERS: Final = frozenset(chr(point) for point in range(0x1F1E6, 0x1F200))  # the same
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


class Shown(str):
    """A text that is safe to show already: it is not made safe twice."""

    __slots__ = ()


def show_foreign(value: object) -> Shown:
    """Show a text as it is, on one line, with an escape for every character that is not plain.

    A text with right-to-left letters is isolated, so that it orders nothing but itself.
    """
    if isinstance(value, Shown):
        return value
    text = str(value)
    if text.isascii() and text.isprintable():
        return Shown(text)
    return _isolate(_escape(text, escaped=_SELECTORS - _EMOJI_SELECTORS))


def show_exact(text: str) -> Shown:
    """Show a text with an escape for everything that is not plain ASCII, so that lookalikes differ."""
    return Shown(
        "".join(character if " " <= character <= "~" else f"\\u{{{ord(character):x}}}" for character in text)
    )


def quote_foreign(text: str) -> Shown:
    """Quote a text: “…”, at most `MAX_CELLS` cells of a terminal wide, with escapes for what is not plain."""
    plain = "".join(character for character in text if character not in _DROPPED)
    return _isolate(f"“{_cut(_escape(plain, escaped=_QUOTES | _FLAG_LETTERS | _SELECTORS))}”")


def find_unplain(text: str) -> str | None:
    """Find the first character of a text that would be shown as an escape."""
    return next((character for character in text if not _is_plain(character)), None)


def _escape(text: str, *, escaped: frozenset[str]) -> str:
    shown, marks = "", 0
    for character in text:
        is_mark = unicodedata.category(character).startswith("M") and character not in _EMOJI_SELECTORS
        marks = marks + 1 if is_mark else 0
        plain = _is_plain(character) and character not in escaped
        plain = plain and marks <= _MAX_MARKS and bool(shown or not marks)
        shown += character if plain else f"\\u{{{ord(character):x}}}"
    return shown


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in _BLANK


def _isolate(shown: str) -> Shown:
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        return Shown(f"{_ISOLATE}{shown}{_END_ISOLATE}")
    return Shown(shown)


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
