"""Transactions over an account's auth stream: what is read, decided and appended happens once, or not at all.

On PostgreSQL another transaction may change the same stream or row meanwhile. Whoever commits second finds
that, and the whole work is done again on what is true then.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy.exc import IntegrityError

from solekey_auth.commands import Command
from solekey_auth.config import AuthConfig
from solekey_auth.domain import AccountState, decide
from solekey_auth.limits import AuthLimits
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.store import EventStore, UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_service.kernel import Kernel
from solekey_service.refusals import Refusal

T = TypeVar("T")

_ATTEMPTS: Final = 5


class StaleRowError(Exception):
    """A row that this transaction needs was changed by another one meanwhile."""


class Committed(Exception):  # noqa: N818  # no error: it ends the work, and what was written stays
    """Refuses a request and commits all the same: an attempt that was counted stays counted."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def run_transaction(store: EventStore, work: Callable[[UnitOfWork], T]) -> T:
    """Run work in a transaction and return what it returns once that is durable.

    Whoever logs in or refreshes does not know the head of the stream, so a concurrent change is no conflict
    of theirs: the work is done again, whole, in a new transaction.

    Raises:
        UnavailableError: others were faster each time; nothing was changed.
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


class Transactions:
    """Runs decisions about accounts."""

    def __init__(self, kernel: Kernel[AuthConfig], limits: AuthLimits) -> None:
        self._kernel = kernel
        self._limits = limits

    def run(self, work: Callable[[UnitOfWork], T]) -> T:
        """See `run_transaction`."""
        return run_transaction(self._kernel.store, work)

    def read(self, uow: UnitOfWork, account: AccountId) -> AccountState:
        """Fold what decisions about an account look at.

        Raises:
            AccountParkedError, NotYetAppliedError: an event of the account waits, perhaps a revocation.
        """
        self._kernel.streams.require_free(uow, account)
        return self.read_parked(uow, account)

    def read_parked(self, uow: UnitOfWork, account: AccountId) -> AccountState:
        """Fold the same even while an event of the account waits: for what only takes something away."""
        streams = self._kernel.streams
        return AccountState(
            auth=streams.fold_parked(uow, account, AuthStream),
            devices=streams.fold_parked(uow, account, DevicesStream),
        )

    def decide(self, uow: UnitOfWork, state: AccountState, command: Command) -> list[Body]:
        """Decide which events follow from a command now. Raises Refusal: see `domain.decide`."""
        return decide(state, command, uow.now, self._limits)

    def append(
        self, uow: UnitOfWork, account: AccountId, state: AccountState, command: Command
    ) -> list[Event]:
        """Decide a command and append the events that follow; none when it has happened already.

        Raises:
            Refusal: see `domain.decide`.
        """
        bodies = self.decide(uow, state, command)
        return uow.append(account, state.auth.head, *bodies) if bodies else []
