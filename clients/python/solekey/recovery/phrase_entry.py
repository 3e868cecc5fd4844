"""The 24 words of a user key that nobody here knows yet, entered piece by piece: what can be right stays.

Spec: recovery.md §4.
"""

from solekey.crypto import Confidential, UserKey
from solekey.crypto.typed_words import list_typed_words
from solekey.errors import PhraseChecksumError, PhraseLengthError, UnknownWordError


class PhraseEntry(Confidential):
    """Words that are being entered. A piece may be one word, a line, or all."""

    def __init__(self) -> None:
        self._words: list[str] = []

    @property
    def entered(self) -> int:
        """How many words are there; the next piece begins with the one after them."""
        return len(self._words)

    def enter(self, piece: str) -> UserKey | None:
        """Take the next words; the key once all are there.

        Raises:
            UnknownWordError: a word that is none; those before it stay.
            PhraseLengthError: more than there are; begin anew.
            PhraseChecksumError: one of the words was mistaken for another; begin anew.
        """
        words = [*self._words, *list_typed_words(piece)]
        self._words = []
        try:
            return UserKey.from_phrase(" ".join(words))
        except UnknownWordError as error:
            self._words = words[: error.position - 1]
            raise
        except PhraseLengthError as error:
            if error.found > error.expected:
                raise
            self._words = words
            return None
        except PhraseChecksumError:
            raise
