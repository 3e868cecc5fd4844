"""What a provider asks a person: a text to show, and what kind of secret it wants.

A `Question` is a str. An application shows it and returns what was typed; one that looks at ``kind`` can ask
twice for a new passphrase, or answer from a place of its own.
"""

from collections.abc import Callable
from enum import Enum
from typing import Self

from solekey.errors import NobodyToAskError


class QuestionKind(Enum):
    """What is asked for."""

    PHRASE = "phrase"
    PASSPHRASE = "passphrase"  # noqa: S105  # a kind of question
    NEW_PASSPHRASE = "new_passphrase"  # noqa: S105  # a kind of question
    PIN = "pin"


class Question(str):
    """A question's text. ``subject`` names the file or token that it is about."""

    __slots__ = ("kind", "subject")
    kind: QuestionKind
    subject: str

    def __new__(cls, text: str, kind: QuestionKind, subject: str = "") -> Self:
        """Make a question from the text that a person is shown."""
        question = super().__new__(cls, text)
        question.kind, question.subject = kind, subject
        return question


Ask = Callable[[str], str]
"""Shows a question and returns what the person types."""


def refuse_to_ask(question: str) -> str:
    """Stand where nobody can be asked. Raises NobodyToAskError."""
    raise NobodyToAskError(f"nobody is here to answer: {question}")
