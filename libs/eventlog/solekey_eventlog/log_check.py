"""Whether the bus still holds what this service has written to it and read from it. Spec: events.md §8.

Offsets never go back. A log that ends before what was published or applied, or that has another record at the
last place, was restored from an older copy, has lost its tail in a power failure, or is another one: what is
missing from it, such as a revocation, would never be heard of again. A log that holds more of a service's own
events than its database shows that the database is the older of the two. This looks at the ends only, and
often; ``log_comparison.py`` compares everything, when an operator asks for it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from solekey_eventlog.bus import Bus, BusConfigurationError, BusError, Record
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.foundations import has_events, note_foundation, read_foundation
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.offsets import Reached, read_reached
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.ids import compute_digest
from solekey_protocol.services import Service

_log = logging.getLogger(__name__)

_WHAT_TO_DO = (
    "Restore the log and the databases from one backup, all of them of the same moment, or stop the services "
    "and run python -m solekey_{service} check, which says by which commands they are brought together, and "
    "in which order; nothing was changed"
)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A topic as a service uses it.

    Attributes:
        topic: its name.
        is_own: whether the service writes it; otherwise it follows it.
    """

    topic: str
    is_own: bool

    @property
    def verb(self) -> str:
        """What the service has done with the records before its offset."""
        return "published" if self.is_own else "applied"


def describe_topics(own: str, followed: Sequence[str]) -> list[LogPlace]:
    """List the topics that a service uses, its own first."""
    return [LogPlace(own, is_own=True), *(LogPlace(topic, is_own=False) for topic in followed)]


def find_log_fault(store: EventStore, bus: Bus, own: str, followed: Sequence[str]) -> str | None:
    """Say what is wrong with the log, and what to do, or nothing; note the ids of topics used first.

    Args:
        store: the service's database.
        bus: where the log is.
        own: the topic that the service writes.
        followed: the topics that it reads.

    Raises:
        BusError, UnavailableError: this cannot be known now.
    """
    for place in describe_topics(own, followed):
        log_id = bus.log_id(place.topic)
        fault = find_topic_fault(store, bus, place, log_id)
        if fault is not None:
            return f"{fault}. {_WHAT_TO_DO.format(service=store.stream)}"
        _note(store, f"log:{place.topic}", log_id)
    return None


def find_topic_fault(store: EventStore, bus: Bus, place: LogPlace, log_id: str) -> str | None:
    """Say what is wrong with one topic, or nothing. Changes nothing.

    Args:
        store: the service's database.
        bus: where the log is.
        place: the topic.
        log_id: the id that the bus says it has.

    Raises:
        BusError, UnavailableError: this cannot be known now.
    """
    topic = place.topic
    table = store.tables.published if place.is_own else store.tables.applied
    with store.read() as uow:
        known_id = read_foundation(uow, f"log:{topic}")
        reached = read_reached(uow.connection, table, topic)
    ends = bus.end_offsets(topic)  # after the offsets: it only grows
    return (
        _compare_ends(place, reached, ends)
        or _compare_ids(topic, known_id, log_id, reached)
        or _compare_tails(bus, place, reached)
        or (_find_unknown(store, bus, topic, reached, ends) if place.is_own else None)
    )


class LogWatch:
    """Looks at the log while the service runs, such as after a broker came back from a backup."""

    def __init__(
        self,
        service: Service,
        find_fault: Callable[[], str | None],
        freshness: Freshness,
        publisher: Publisher,
    ) -> None:
        self._service = service
        self._find_fault = find_fault
        self._freshness = freshness
        self._publisher = publisher

    def look(self) -> None:
        """Refuse what depends on trust while the log has a fault, publish nothing, and report it once."""
        try:
            fault = self._find_fault()
        except BusConfigurationError as error:  # a topic is gone: the broker has lost its disk
            fault = str(error)
        except (BusError, UnavailableError):
            return  # a silent bus makes the feeds stale by itself
        if fault != self._freshness.distrusted:  # otherwise the publisher was first, or the last look
            level = logging.WARNING if fault is None else logging.ERROR
            _log.log(level, "%s: %s", self._service, fault or "the log is whole again")
        self._freshness.distrust(fault)
        self._publisher.halt(fault)


def _compare_ends(place: LogPlace, reached: Mapping[int, Reached], ends: Mapping[int, int]) -> str | None:
    for partition, known in sorted(reached.items()):
        end = ends.get(partition, 0)
        if end < known.next_offset:
            return (
                f"{place.topic} ends at {end} in partition {partition}, but {known.next_offset} was reached "
                f"before: so many records were {place.verb}"
            )
    return None


def _compare_ids(topic: str, known: str | None, present: str, reached: Mapping[int, Reached]) -> str | None:
    if known == present or (known is None and not reached):
        return None
    noted = "none" if known is None else known
    return f"{topic} is not the log that this database was used with: its id is {present}, noted is {noted}"


def _compare_tails(bus: Bus, place: LogPlace, reached: Mapping[int, Reached]) -> str | None:
    """Compare the last record that was published or applied: a log that has grown again has another one."""
    wanted = {partition: known for partition, known in reached.items() if known.tail is not None}
    spans = {p: range(known.next_offset - 1, known.next_offset) for p, known in wanted.items()}
    found = {record.partition: compute_digest(record.value) for record in bus.read(place.topic, spans)}
    for partition, known in sorted(wanted.items()):
        if found.get(partition) != known.tail:
            return (
                f"{place.topic} has another record at offset {known.next_offset - 1} of partition "
                f"{partition} than the one that was {place.verb}: expected {known.tail}, found "
                f"{found.get(partition, 'none')}"
            )
    return None


def _find_unknown(
    store: EventStore, bus: Bus, topic: str, reached: Mapping[int, Reached], ends: Mapping[int, int]
) -> str | None:
    """Look for a record of the service's own topic, beyond what it has published, that is no event of it."""
    spans = {
        partition: range(reached[partition].next_offset if partition in reached else 0, end)
        for partition, end in ends.items()
    }
    for record in bus.read(topic, spans):
        with store.read() as uow:  # after the record: what is published was committed before
            if is_own_event(uow, record):
                continue
            is_empty = not has_events(uow)
        where = f"offset {record.offset} of partition {record.partition}"
        if is_empty:
            return f"{topic} holds {sum(ends.values())} events of this service, but its database has none"
        return f"{topic} holds a record at {where} that the database of this service does not have"
    return None


def is_own_event(uow: UnitOfWork, record: Record) -> bool:
    """Tell whether a record is an event of the service's own, byte for byte, under its account's key."""
    try:
        event = parse_event(record.value)
    except ProtocolError:
        return False
    events = uow.tables.events
    own = select(events.c.raw).where(events.c.account == event.account, events.c.seq == event.seq)
    raw = uow.connection.execute(own).scalar()
    return raw is not None and bytes(raw) == record.value and record.key == event.account


def _note(store: EventStore, name: str, log_id: str) -> None:
    with store.read() as uow:
        if read_foundation(uow, name) is not None:
            return
    try:
        with store.begin() as uow:
            note_foundation(uow, name, log_id)
    except IntegrityError:
        return  # another process of the service was faster; the next look compares
