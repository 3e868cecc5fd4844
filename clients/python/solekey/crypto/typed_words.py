"""Words as people type and paste them: numbered, capitalised, with commas, over lines. Spec: keys.md §3.1."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

_MAX_SUGGESTIONS: Final = 3
_PREFIX_LETTERS: Final = 4  # BIP-39, SLIP-39: the first four letters tell every word apart
_BETWEEN: Final = re.compile(r"[\s,;\ufeff\u200b\u2060\u00ad\"'\u2018-\u201f|]+")
_NUMBER: Final = re.compile(r"[(\[#]?[0-9]{1,2}[.):\]=_-]*", re.ASCII)
_AFTER: Final = ".:!)]"


def list_typed_words(text: str) -> list[str]:
    """List the words of a text in lower case, without what stands before, between and behind them.

    No word of the lists that phrases and shares are made of has anything but the letters a to z: what is
    dropped can never have been part of one.
    """
    return [word for token in _BETWEEN.split(text) if (word := _strip(token))]


def _strip(token: str) -> str:
    number = _NUMBER.match(token)
    word = token[number.end() :] if number else token
    return word.rstrip(_AFTER).translate(_FOLD)


_FOLD: Final = {ord(upper): ord(upper) + 32 for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def suggest_words(word: str, words: Sequence[str]) -> tuple[str, ...]:
    """Suggest up to three words of a list for one that is not on it: the same four letters first."""
    prefix = word[:_PREFIX_LETTERS]
    by_prefix = [known for known in words if len(word) >= _PREFIX_LETTERS and known.startswith(prefix)]
    close = difflib.get_close_matches(word, words, n=_MAX_SUGGESTIONS)
    return tuple(dict.fromkeys(by_prefix + close))[:_MAX_SUGGESTIONS]
