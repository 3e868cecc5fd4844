"""BIP-39 recovery phrases: 32 bytes as 24 English words with a checksum. Spec: keys.md §3.1."""

import re
import string
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from solekey.crypto.typed_words import suggest_words
from solekey.errors import PhraseChecksumError, PhraseLengthError, UnknownWordError

PHRASE_WORDS: Final = 24
_MAX_SHOWN_LETTERS: Final = 40
# Unicode's White_Space and A to Z, and nothing else: str.split and str.lower know more, other languages less.
_SPACES: Final = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_FOLD: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def encode_phrase(entropy: bytes) -> str:
    """Encode 32 bytes as 24 lower-case words, separated by single spaces."""
    return _word_list().to_mnemonic(entropy)


def parse_phrase(phrase: str) -> bytearray:
    """Parse 24 words in any letter case and spacing into 32 bytes.

    Raises:
        PhraseLengthError: not 24 words.
        UnknownWordError: a word that is not in the list; names the first such word.
        PhraseChecksumError: known words, wrong checksum.
    """
    words = [word.translate(_FOLD) for word in _SPACES.split(phrase) if word]
    known = _known_words()
    for position, word in enumerate(words, start=1):
        if word not in known:
            shown = word[:_MAX_SHOWN_LETTERS]
            raise UnknownWordError(shown, position, suggest_words(shown, _word_list().wordlist))
    if len(words) != PHRASE_WORDS:
        raise PhraseLengthError(len(words), PHRASE_WORDS)
    try:
        return _word_list().to_entropy(words)
    except ValueError as error:
        raise PhraseChecksumError("the recovery phrase's checksum is wrong") from error


def list_words() -> frozenset[str]:
    """List the words that a phrase may be made of."""
    return _known_words()


@cache
def _word_list() -> Mnemonic:
    return Mnemonic("english")


@cache
def _known_words() -> frozenset[str]:
    return frozenset(_word_list().wordlist)
