"""What must be durable with the first thing that a piece of work writes, such as that its proof is used up.

It follows the work within a thread, or green thread, as `log_context` does. Every transaction in which the
work may write begins with the note, until one of them has committed it. So nothing that the work writes can
be durable without the note, whatever the work is. Who gives the note commits it where the work has written
nothing. Decision: docs/decisions/0162.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from solekey_eventlog.unit_of_work import UnitOfWork


class Note(ABC):
    """A row that is written once."""

    is_durable = False
    """Whether a transaction has committed it."""

    @abstractmethod
    def write(self, uow: UnitOfWork) -> None:
        """Write it. What it raises ends the transaction, before the work has done anything in it."""

    @abstractmethod
    def settle(self) -> None:
        """Commit it, unless a transaction of the work has."""

    def mark_durable(self) -> None:
        """Note that a transaction has committed it."""
        self.is_durable = True


_note: ContextVar[Note | None] = ContextVar("solekey_note", default=None)


@contextmanager
def noting_first(note: Note | None) -> Iterator[None]:
    """Have the block's transactions begin with a note; None: with nothing."""
    token = _note.set(note)
    try:
        yield
    finally:
        _note.reset(token)


def find_open_note() -> Note | None:
    """Find the note that the next transaction has to begin with."""
    note = _note.get()
    return None if note is None or note.is_durable else note


@contextmanager
def settling(note: Note | None) -> Iterator[None]:
    """Commit a note after the block, if nothing in the block has. Raises what `settle` raises."""
    try:
        yield
    except Exception:
        if note is not None:
            note.settle()
        raise
    if note is not None:
        note.settle()
