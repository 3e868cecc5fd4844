"""Asking for 24 words: piece by piece, on a screen of their own, with a word for each mistake.

A mistyped word is named, with what it may have been, and only it and what follows is asked for again. The
words are seen while they are typed, and in no scroll-back afterwards. Spec: recovery.md §4.
"""

from typing import TYPE_CHECKING, Final

from solekey.cli.output.printing import alternate_screen, prompt, warn

if TYPE_CHECKING:
    from solekey.crypto import UserKey

WORDS: Final = 24


def ask_words(question: str) -> "UserKey":
    """Ask until the words are a user key's. Ctrl-C gives up."""
    with alternate_screen(err=True):
        piece = prompt("{} (24 words, in one line or several)", question)

        from solekey.errors import PhraseError
        from solekey.recovery.phrase_entry import PhraseEntry

        entry = PhraseEntry()
        while True:
            try:
                user_key = entry.enter(piece)
            except PhraseError as error:
                message = str(error)
                from solekey.cli.advice import advise

                warn("{}. {}", message[:1].upper() + message[1:], advise(error))
            else:
                if user_key is not None:
                    return user_key
            piece = prompt("Words from {} to {}", entry.entered + 1, WORDS)
