"""The words entered again from a kit, piece by piece: what was right stays, a mistake is named.

Spec: recovery.md §4.
"""

from solekey.crypto import Confidential, UserKey
from solekey.crypto.typed_words import list_typed_words
from solekey.errors import PhraseChecksumError, PhraseLengthError, UnknownWordError, WordsDifferError


class Reentry(Confidential):
    """The words of a user key that are being entered again. A piece may be one word, a line, or all."""

    def __init__(self, user_key: UserKey) -> None:
        self._expected = user_key.to_phrase().split()
        self._entered = 0

    @property
    def entered(self) -> int:
        """How many words are there and right; the next piece begins with the one after them."""
        return self._entered

    def enter(self, piece: str) -> UserKey | None:
        """Take the next words; the key, parsed from what was entered, once all are there.

        Raises:
            UnknownWordError, PhraseLengthError, WordsDifferError: the right words before the mistake stay.
        """
        words = [*self._expected[: self._entered], *list_typed_words(piece)]
        wrong = [
            place
            for place, word in enumerate(words, start=1)
            if place > len(self._expected) or word != self._expected[place - 1]
        ]
        self._entered = min([len(words), *(place - 1 for place in wrong)])
        try:
            user_key = UserKey.from_phrase(" ".join(words))
        except UnknownWordError:
            raise
        except PhraseLengthError:
            if len(words) > len(self._expected):
                raise
            user_key = None
        except PhraseChecksumError:
            user_key = None  # which words are wrong says more
        if wrong:
            raise WordsDifferError(tuple(wrong))
        return user_key


def confirm_words(user_key: UserKey, entered: str) -> UserKey:
    """Confirm that what was entered is this user key's words (or its QR code's text): the key made of it.

    Raises:
        UnknownWordError, PhraseLengthError, WordsDifferError: what is wrong, and where.
    """
    reentry = Reentry(user_key)
    confirmed = reentry.enter(entered)
    if confirmed is None:
        raise PhraseLengthError(len(entered.split()), len(user_key.to_phrase().split()))
    return confirmed
