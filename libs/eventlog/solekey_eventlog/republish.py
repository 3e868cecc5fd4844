"""Publishes again what the log has lost, byte for byte, from the service's own events. Spec: events.md §8.

One transaction puts the lost events back into the outbox, in which they are unpublished, and sets
``published`` and the id of the log to what the log is now. From then on nothing is special: the publisher
publishes what waits, this one or that of the service's next start. So the command can be interrupted at any
moment, and repeated. Followers ignore what they had applied, and apply what they had not (``projector.py``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import bindparam, select, update

from solekey_eventlog.bus import Bus
from solekey_eventlog.errors import LogFaultError
from solekey_eventlog.foundations import replace_foundation
from solekey_eventlog.log_comparison import Tally, compare_own, tally
from solekey_eventlog.log_index import LogIndex
from solekey_eventlog.offsets import Reached, replace_offsets
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import Digest
from solekey_protocol.services import TOPICS

_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Republished:
    """What the log lacked, and how much of it was published.

    Attributes:
        topic: the service's own.
        lacking: the events that the log did not have, those that waited for their first publishing included.
        published: how many events were published; 0 for a dry run.
    """

    topic: str
    lacking: Tally
    published: int


def republish(
    store: EventStore,
    bus: Bus,
    publisher: Publisher,
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> Republished:
    """Publish again what the service's own topic lacks.

    No process of the service may run: hold the publisher's lock.

    Args:
        store: the service's database.
        bus: where the log is.
        publisher: the service's.
        dry_run: only find what is lacking.
        progress: told how many records of the log were read.

    Raises:
        LogFaultError: the log has records that the database does not have; nothing was changed.
        BusError, UnavailableError: bus or database stopped answering. Repeat the command.
    """
    topic = TOPICS[store.stream]
    log_id = bus.log_id(topic)
    with compare_own(store, bus, progress) as index:
        if (unknown := next(index.unknown(), None)) is not None:
            raise LogFaultError(
                f"{topic} holds a record at offset {unknown.offset} of partition {unknown.partition} that "
                "the database of this service does not have; nothing was changed. First: "
                f"python -m solekey_{store.stream} recover-own"
            )
        lacking = tally(index.missing(), len(bus.end_offsets(topic)))
        if dry_run:
            return Republished(topic, lacking, 0)
        with store.begin() as uow:
            _set_to_the_truth(uow, index, topic, log_id)
    publisher.halt(None)
    return Republished(topic, lacking, publisher.publish_waiting())


def _set_to_the_truth(uow: UnitOfWork, index: LogIndex, topic: str, log_id: str) -> None:
    _mark(uow, ((place.account, place.seq) for place in index.missing()), is_published=False)
    events = uow.tables.events
    waiting = select(events.c.account, events.c.seq, events.c.digest).where(events.c.published_at.is_(None))
    confirmed = [
        (row.account, row.seq)
        for row in uow.connection.execute(waiting).all()
        if index.has_logged(row.account, row.digest)
    ]
    _mark(uow, confirmed, is_published=True)  # published by a process that ended before it could say so
    tails = index.tails()
    reached = {p: Reached(tail.offset + 1, Digest(tail.digest)) for p, tail in tails.items()}
    replace_offsets(uow.connection, uow.tables.published, topic, reached)
    replace_foundation(uow, f"log:{topic}", log_id)


def _mark(uow: UnitOfWork, places: Iterable[tuple[str, int]], *, is_published: bool) -> None:
    events = uow.tables.events
    mark = (
        update(events)
        .where(events.c.account == bindparam("its_account"), events.c.seq == bindparam("its_seq"))
        .values(published_at=uow.now if is_published else None)
    )
    rows = ({"its_account": account, "its_seq": seq} for account, seq in places)
    while page := list(islice(rows, _ROWS_AT_ONCE)):
        uow.connection.execute(mark, page)
