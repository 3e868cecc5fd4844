"""Transactions that another one was faster than: begun again on what is true now."""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import IntegrityError

from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.store import EventStore, UnitOfWork

T = TypeVar("T")

_ATTEMPTS: Final = 5


class LostRaceError(Exception):
    """A row that this transaction needs was changed by another one meanwhile."""


def run_transaction(store: EventStore, work: Callable[[UnitOfWork], T]) -> T:
    """Run work in a transaction and return what it returns once that is durable.

    Nobody who asks for a login or a refresh knows the head of the stream, so a race is no conflict of theirs:
    the work is done again, whole, in a new transaction.

    Raises:
        UnavailableError: it lost every race; nothing was changed.
    """
    for _ in range(_ATTEMPTS):
        try:
            with store.begin() as uow:
                result = work(uow)
        except (StalePositionError, IntegrityError, LostRaceError):
            continue
        return result
    raise UnavailableError("the account is busy")
