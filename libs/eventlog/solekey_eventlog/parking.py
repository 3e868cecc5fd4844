"""Parking: an event that cannot be applied, yet or at all, is kept as a row of ``parked``.

An account with such rows is refused until they are gone, because an event that was not applied may be a
revocation (promise P4). All other accounts, and the partition, go on. Parked events are tried again with
every later event of the account, and at each start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, insert, or_, select, update

from solekey_eventlog.streams import AHEAD_OF_DEVICES
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import ForkError
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, compute_digest

UNREADABLE_SEQ = 0


GAP: Final = "sequence_gap"
REACTION_FAILED: Final = "reaction_failed"
_ADVICE: Final = {
    GAP: "an event before it has not come. It is applied by itself once that does; `check` tells whether the "
    "log has lost it",
    AHEAD_OF_DEVICES: "its author had seen devices events that are on their way. It is applied with them",
    REACTION_FAILED: "a defect of this release, or of its data: the service's log has the reason. Mend it, "
    "then `retry`",
    ForkError.code: "two different events claim one place: somebody else writes to the topic, or the service "
    "that wrote it went back to an older database. Keep the log; run `check` there",
}
_UNVERIFIED: Final = (
    "it does not verify. Where a newer release wrote it: upgrade this service, then `retry`. Otherwise its "
    "writer is not to be trusted: keep the log, and have it audited"
)


def advise(reason: str) -> str:
    """Say what a reason means, and what an operator does about it."""
    return _ADVICE.get(reason, _UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked event; ``seq`` is UNREADABLE_SEQ when its bytes do not say its place."""

    account: AccountId
    stream: Stream
    seq: int
    raw: bytes

    @property
    def digest(self) -> Digest:
        """SHA-256 of the bytes."""
        return compute_digest(self.raw)


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """What an operator sees of a parked event.

    Attributes:
        account: whose event it is; the account is refused.
        stream: the stream that it belongs to.
        seq: its place there, or UNREADABLE_SEQ.
        reason: the code of what is wrong with it.
        parked_at: since when it waits.
    """

    account: AccountId
    stream: Stream
    seq: int
    reason: str
    parked_at: datetime


def park(uow: UnitOfWork, parked: Parked, reason: str) -> bool:
    """Park an event. Returns False when it was parked already; the newest reason is kept."""
    table = uow.tables.parked
    place = (
        table.c.account == parked.account,
        table.c.stream == parked.stream.value,
        table.c.seq == parked.seq,
        table.c.digest == parked.digest,
    )
    if uow.connection.execute(update(table).where(*place).values(reason=reason)).rowcount:
        return False
    row = {
        "account": parked.account,
        "stream": parked.stream.value,
        "seq": parked.seq,
        "digest": parked.digest,
        "raw": parked.raw,
        "reason": reason,
        "parked_at": uow.now,
    }
    uow.connection.execute(insert(table).values(row))
    return True


def read_parked(uow: UnitOfWork, account: AccountId, stream: Stream, seq: int) -> Sequence[Parked]:
    """Read the parked events of one place, and those whose place cannot be read."""
    table = uow.tables.parked
    rows = uow.connection.execute(
        select(table.c.seq, table.c.raw)
        .where(table.c.account == account, table.c.stream == stream.value)
        .where(or_(table.c.seq == seq, table.c.seq == UNREADABLE_SEQ))
        .order_by(table.c.seq.desc())
    )
    return [Parked(account, stream, row.seq, bytes(row.raw)) for row in rows]


def release(uow: UnitOfWork, account: AccountId, stream: Stream, seq: int) -> None:
    """Delete the parked events of a place that is filled, and unreadable ones: none of them was missing."""
    table = uow.tables.parked
    uow.connection.execute(
        delete(table)
        .where(table.c.account == account, table.c.stream == stream.value)
        .where(or_(table.c.seq == seq, table.c.seq == UNREADABLE_SEQ))
    )


def read_parked_accounts(uow: UnitOfWork) -> list[AccountId]:
    """Read which accounts have parked events."""
    table = uow.tables.parked
    rows = uow.connection.execute(select(table.c.account).distinct().order_by(table.c.account))
    return [AccountId(row.account) for row in rows]


def read_parked_entries(uow: UnitOfWork) -> list[ParkedEntry]:
    """Read which events wait, and why."""
    table = uow.tables.parked
    columns = (table.c.account, table.c.stream, table.c.seq, table.c.reason, table.c.parked_at)
    rows = uow.connection.execute(select(*columns).order_by(*columns[:3]))
    return [
        ParkedEntry(AccountId(row.account), Stream(row.stream), row.seq, row.reason, row.parked_at)
        for row in rows
    ]


def is_parked(uow: UnitOfWork, account: AccountId) -> bool:
    """Tell whether the account has parked events."""
    table = uow.tables.parked
    return bool(
        uow.connection.execute(
            select(func.count()).select_from(table).where(table.c.account == account)
        ).scalar_one()
    )
