"""Compares all that a database holds of a topic with all that the log holds of it. Spec: events.md §8.

Both are read once, the database first: what is published was committed before, and what is applied was
published before. So a comparison can be made while the service runs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, select

from solekey_eventlog.bus import Bus, Record
from solekey_eventlog.log_index import LogIndex, StoredPlace
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import compute_digest
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import TOPICS, Stream
from solekey_protocol.statements import EMPTY_HEAD

Progress = Callable[[int], None]
"""Told now and then how many records of the log were read."""

REPORTED_RECORDS: Final = 10_000
_NAMED_ACCOUNTS: Final = 3
_NOTHING: Final[str] = EMPTY_HEAD.digest
_ROWS_AT_ONCE: Final = 500


@dataclass(slots=True)
class Tally:
    """How many events of which accounts and partitions something is the case for.

    Attributes:
        events: how many.
        partitions: how many of each partition.
        accounts: of how many accounts.
        named: some of the accounts.
    """

    events: int = 0
    partitions: Counter[int] = field(default_factory=Counter)
    accounts: int = 0
    named: list[str] = field(default_factory=list)
    _last: str = ""

    def add(self, account: str, partition: int) -> None:
        """Count an event; those of an account come one after the other."""
        self.events += 1
        self.partitions[partition] += 1
        if account != self._last:
            self._last = account
            self.accounts += 1
            if self.accounts <= _NAMED_ACCOUNTS:
                self.named.append(account)

    def __str__(self) -> str:
        """Such as: 3 events of 2 accounts (acc_…, acc_…) in partition 0: 1, 4: 2."""
        where = ", ".join(f"{partition}: {count}" for partition, count in sorted(self.partitions.items()))
        named = ", ".join(self.named) + (", …" if self.accounts > len(self.named) else "")
        return f"{self.events} events of {self.accounts} accounts ({named}) in partition {where}"


def tally(places: Iterable[StoredPlace], partitions: int) -> Tally:
    """Count places by account and partition.

    Args:
        places: by account.
        partitions: how many the topic has.
    """
    counted = Tally()
    for place in places:
        counted.add(place.account, derive_partition(place.account, partitions))
    return counted


class Damage:
    """Looks at stored events, account by account in their order: are they whole, and does each follow?"""

    def __init__(self) -> None:
        self.found: list[str] = []
        """The first places that are damaged."""
        self.count = 0
        self._last: tuple[str, int, str] = ("", 0, _NOTHING)

    def look(self, account: str, seq: int, digest: str, raw: bytes) -> None:
        """Look at the next event."""
        before = self._last if self._last[0] == account else (account, 0, _NOTHING)
        self._last = (account, seq, digest)
        is_whole = compute_digest(raw) == digest
        follows = seq == before[1] + 1 and raw.rfind(b'"prev":"%b"' % before[2].encode()) >= 0
        if is_whole and follows:
            return
        self.count += 1
        if self.count <= _NAMED_ACCOUNTS:
            self.found.append(f"{account} seq {seq}")


@contextmanager
def compare_own(
    store: EventStore, bus: Bus, progress: Progress = lambda _: None, damage: Damage | None = None
) -> Iterator[LogIndex]:
    """Compare the service's own events with its own topic. What is unpublished *waits*.

    Args:
        store: the service's database.
        bus: where the log is.
        progress: told how many records were read.
        damage: looks at each event of the database.

    Raises:
        BusError, UnavailableError: one of the two does not answer.
    """
    with LogIndex() as index:
        with store.read(with_cursor=True) as uow:
            index.add_stored(_read_own(uow, damage or Damage()))
        index.add_logged(count_records(bus.read(TOPICS[store.stream]), progress))
        yield index


@contextmanager
def compare_followed(
    store: EventStore,
    bus: Bus,
    stream: Stream,
    progress: Progress = lambda _: None,
    damage: Damage | None = None,
) -> Iterator[LogIndex]:
    """Compare what a service has of a stream that it follows with its topic. What is parked *waits*.

    Raises:
        BusError, UnavailableError: one of the two does not answer.
    """
    with LogIndex() as index:
        with store.read(with_cursor=True) as uow:
            index.add_stored(_read_parked(uow, stream))  # before the inbox, where they may go meanwhile
            index.add_stored(_read_inbox(uow, stream, damage or Damage()))
        index.add_logged(count_records(bus.read(TOPICS[stream]), progress))
        yield index


def count_records(records: Iterable[Record], progress: Progress) -> Iterator[Record]:
    """Pass records on, and tell now and then how many."""
    for number, record in enumerate(records, start=1):
        yield record
        if number % REPORTED_RECORDS == 0:
            progress(number)


def _read_own(uow: UnitOfWork, damage: Damage) -> Iterator[StoredPlace]:
    events = uow.tables.events
    columns = (events.c.account, events.c.seq, events.c.digest, events.c.raw, events.c.published_at)
    for row in read_rows(uow, select(*columns).order_by(events.c.account, events.c.seq)):
        raw = bytes(row.raw)
        damage.look(row.account, row.seq, row.digest, raw)
        yield StoredPlace(row.account, row.seq, compute_digest(raw), row.published_at is None)


def _read_inbox(uow: UnitOfWork, stream: Stream, damage: Damage) -> Iterator[StoredPlace]:
    inbox = uow.tables.inbox
    columns = (inbox.c.account, inbox.c.seq, inbox.c.digest, inbox.c.raw)
    query = select(*columns).where(inbox.c.stream == stream.value)
    for row in read_rows(uow, query.order_by(inbox.c.account, inbox.c.seq)):
        raw = bytes(row.raw)
        damage.look(row.account, row.seq, row.digest, raw)
        yield StoredPlace(row.account, row.seq, compute_digest(raw), False)


def _read_parked(uow: UnitOfWork, stream: Stream) -> Iterator[StoredPlace]:
    parked = uow.tables.parked
    query = select(parked.c.account, parked.c.seq, parked.c.raw).where(parked.c.stream == stream.value)
    for row in read_rows(uow, query):
        yield StoredPlace(row.account, row.seq, compute_digest(bytes(row.raw)), True)


def read_rows(uow: UnitOfWork, query: Select[Any]) -> Iterator[Any]:
    """Read rows a page at a time, from a cursor of the database where it has one."""
    return iter(uow.connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)))
