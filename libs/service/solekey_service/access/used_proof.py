"""Notes that a proof of a request which may write was used: once, by all processes, over restarts.

The note is a row of the service's database. It is committed when the request is admitted, or, where its body
is short, with the first transaction in which the request writes (``solekey_eventlog.noted_first``): one less
for each. Spec: tokens.md §5. Decision: docs/decisions/0162.
"""

from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table, delete, insert
from sqlalchemy.exc import IntegrityError

from solekey_eventlog.clock import CLOCK_SKEW
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.noted_first import Note
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.limits import KIB
from solekey_service.access.seen_proofs import KEPT_FOR
from solekey_service.clock_watch import ClockWatch
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid

NOTED_LATER_BYTES: Final = 64 * KIB
"""The proof of a request with a longer body is noted before the body is received."""
NOTED_WITHIN: Final = timedelta(seconds=45)
"""How long after it was admitted a request may note its proof; after that it does nothing.

A proof is good until 60 s after its ``iat``. So the last request that it admits has noted it, or given up, by
105 s after that. A note is kept for 120 s after it at least: of two requests the second finds the first's.
"""
_PURGE_EVERY_S: Final = 60.0


@lru_cache
def _insert_note(table: Table) -> Any:
    """Build the statement that inserts a note: SQLAlchemy takes longer for that than to run it."""
    return insert(table)


class UsedProofs:
    """The proofs that were used for what may write."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._purged_s = store.clock.monotonic()
        self._clock_watch = ClockWatch(store.clock, tolerance=CLOCK_SKEW)

    def make_note(self, proof: DpopProof) -> "ProofNote":
        """Make the note that a proof is used by a request that is admitted now."""
        return ProofNote(self, proof)

    @property
    def store(self) -> EventStore:
        """Where the notes are."""
        return self._store

    def insert(self, uow: UnitOfWork, proof: DpopProof) -> None:
        """Insert the note: of two that come at once, one fails. Raises DpopInvalid."""
        table = uow.tables.dpop_proofs
        self._purge(uow)
        row = {"proof": proof.digest, "expires_at": max(proof.issued_at, uow.now) + KEPT_FOR}
        try:
            uow.connection.execute(_insert_note(table), row)
        except IntegrityError as error:
            raise make_used_before() from error

    def _purge(self, uow: UnitOfWork) -> None:
        now_s = self._store.clock.monotonic()
        if now_s - self._purged_s >= _PURGE_EVERY_S:
            self._purged_s = now_s
            now = self._clock_watch.find_now()
            if now is not None:
                table = uow.tables.dpop_proofs
                uow.connection.execute(delete(table).where(table.c.expires_at < now))


class ProofNote(Note):
    """The note that one request uses a proof."""

    def __init__(self, proofs: UsedProofs, proof: DpopProof) -> None:
        self._proofs = proofs
        self._proof = proof
        self._admitted_at = proofs.store.clock.now()

    def write(self, uow: UnitOfWork) -> None:
        """Insert it.

        Raises:
            DpopInvalid: another request has used the proof. UnavailableError: this one has taken too long.
        """
        if abs(uow.now - self._admitted_at) > NOTED_WITHIN:
            raise UnavailableError("the request took too long to begin; try again")
        self._proofs.insert(uow, self._proof)

    def settle(self) -> None:
        """See Note.settle. Raises what `write` raises."""
        if not self.is_durable:
            with self._proofs.store.begin() as uow:
                self.write(uow)
            self.mark_durable()


def make_used_before() -> DpopInvalid:
    """Make the refusal of a proof that was used before."""
    return DpopInvalid("DPoP: the proof was used before")
