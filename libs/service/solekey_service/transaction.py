"""One transaction that is retried, and one way to refuse a request and keep what was written.

On PostgreSQL two transactions may change the same stream or row. The one that commits second fails, and its
whole work is done again on the new state.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import IntegrityError

from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_service.kernel import Kernel
from solekey_service.refusals import Refusal


class _OnKernel(Protocol):
    """What works on a kernel."""

    _kernel: Kernel[Any]


OwnerT = TypeVar("OwnerT", bound=_OnKernel)
P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS: Final = 5


class StaleRowError(Exception):
    """A row that this transaction depends on was changed by another one."""


class Committed(Exception):  # noqa: N818  # no error: it ends the work, and what was written stays
    """Refuses a request and commits all the same: an attempt that was counted stays counted."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def run_transaction(store: EventStore, work: Callable[[UnitOfWork], T]) -> T:
    """Run work in a transaction and return what it returns once that is durable.

    For requests whose client does not name the head of the stream that they continue: to them, a concurrent
    change is no conflict. The work is done again, whole, in a new transaction.

    Raises:
        UnavailableError: each time another transaction committed first; nothing was changed.
        Refusal: of ``Committed``, once the transaction is durable.
    """
    for _ in range(_ATTEMPTS):
        refusal = None
        try:
            with store.begin() as uow:
                try:
                    result = work(uow)
                except Committed as committed:
                    refusal = committed.refusal
        except (StalePositionError, IntegrityError, StaleRowError):
            continue
        if refusal is not None:
            raise refusal
        return result
    raise UnavailableError("the account is busy")


def in_transaction(
    method: Callable[Concatenate[OwnerT, UnitOfWork, P], T],
) -> Callable[Concatenate[OwnerT, P], T]:
    """Run a method in a transaction of its own, which is its first argument: see `run_transaction`."""

    @wraps(method)
    def run(owner: OwnerT, /, *arguments: P.args, **named: P.kwargs) -> T:
        return run_transaction(
            owner._kernel.store,  # noqa: SLF001  # the decorator is a part of its class
            lambda uow: method(owner, uow, *arguments, **named),
        )

    return run
