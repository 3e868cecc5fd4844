"""Whether a service's database and the log hold the same, and what an operator does where they do not.

Reads only, and can be run while the service runs. Spec: events.md §8.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import select

from solekey_eventlog.bus import Bus
from solekey_eventlog.log_check import describe_topics, find_topic_fault
from solekey_eventlog.log_comparison import Damage, Tally, compare_followed, compare_own, tally
from solekey_eventlog.log_index import LoggedPlace, LogIndex
from solekey_eventlog.offsets import read_offsets
from solekey_eventlog.parking import read_parked_entries
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import AHEAD_OF_DEVICES
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import TOPICS, WRITERS


class Step(IntEnum):
    """What an operator does about a finding, in the order in which it is done."""

    RESTORE = 1
    RECOVER_OWN = 2
    REPUBLISH = 3
    REBUILD = 4
    LOOK = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it should be.

    Attributes:
        what: in one line, with topic and places.
        step: what is done about it.
        writer: the service that does it: it writes the topic for a REPUBLISH, or is the one that was checked.
    """

    what: str
    step: Step
    writer: str


def check_consistency(
    store: EventStore, followed: tuple[Stream, ...], bus: Bus, progress: Callable[[str], None]
) -> Iterator[Finding]:
    """Compare the database with all topics that the service uses.

    Args:
        store: the service's database.
        followed: the streams that it follows.
        bus: where the log is.
        progress: told in a line how far it is, and what is well.

    Raises:
        BusError, UnavailableError: bus or database do not answer.
    """
    own = str(WRITERS[store.stream])
    for place in describe_topics(TOPICS[store.stream], [TOPICS[stream] for stream in followed]):
        fault = find_topic_fault(store, bus, place, bus.log_id(place.topic))
        if fault is not None:
            yield Finding(fault, Step.REPUBLISH if place.is_own else Step.REBUILD, own)
    yield from _check_own(store, bus, own, progress)
    for stream in followed:
        yield from _check_followed(store, bus, stream, own, progress)
    yield from _check_parked(store, own)


def _check_own(store: EventStore, bus: Bus, own: str, progress: Callable[[str], None]) -> Iterator[Finding]:
    topic, damage = TOPICS[store.stream], Damage()
    partitions = len(bus.end_offsets(topic))
    with compare_own(store, bus, lambda count: progress(f"{topic}: {count} records read"), damage) as index:
        progress("{}: {} records, {} events in the database".format(topic, *index.count()))
        lost = tally((place for place in index.missing() if not place.waits), partitions)
        unknown = _tally_unknown(each for each in index.unknown() if not _has_own(store, each))
        misplaced = _tally_unknown(index.misplaced(lambda key: derive_partition(key, partitions)))
    yield from _describe_damage(damage, f"{topic}: stored events", own)
    if unknown.events:
        yield Finding(f"{topic}: the log has, and the database lacks, {unknown}", Step.RECOVER_OWN, own)
    if lost.events:
        yield Finding(f"{topic}: the log lacks {lost}", Step.REPUBLISH, own)
    if misplaced.events:
        yield Finding(f"{topic}: another partition than the key's holds {misplaced}", Step.LOOK, own)


def _check_followed(
    store: EventStore, bus: Bus, stream: Stream, own: str, progress: Callable[[str], None]
) -> Iterator[Finding]:
    topic, damage = TOPICS[stream], Damage()
    with store.read() as uow:  # before the inbox: what counts as applied is in it
        applied = read_offsets(uow.connection, store.tables.applied, topic)
    partitions = len(bus.end_offsets(topic))
    tell = lambda count: progress(f"{topic}: {count} records read")  # noqa: E731  # said in one line
    with compare_followed(store, bus, stream, tell, damage) as index:
        progress("{}: {} records, {} events applied or parked".format(topic, *index.count()))
        lost = tally(index.missing(), partitions)
        missed, disputed = _judge_unknown(store, bus, stream, index, applied)
    yield from _describe_damage(damage, f"{topic}: events in the inbox", own, Step.REBUILD)
    if lost.events:
        what = f"{topic}: the log lacks what was applied here: {lost}"
        yield Finding(what, Step.REPUBLISH, str(WRITERS[stream]))
        yield Finding(what, Step.REBUILD, own)
    if missed.events:
        yield Finding(f"{topic}: passed over, neither applied nor parked: {missed}", Step.REBUILD, own)
    if disputed.events:
        yield Finding(f"{topic}: other bytes for places that were applied: {disputed}", Step.LOOK, own)


def _judge_unknown(
    store: EventStore, bus: Bus, stream: Stream, index: LogIndex, applied: Mapping[int, int]
) -> tuple[Tally, Tally]:
    """Tell records that were passed over from those whose place has other bytes."""
    missed, disputed = Tally(), Tally()
    for unknown in index.unknown():
        if unknown.offset >= applied.get(unknown.partition, 0) or not _is_account(unknown.account):
            continue  # on its way, or of nobody
        span = {unknown.partition: range(unknown.offset, unknown.offset + 1)}
        (record,) = bus.read(TOPICS[stream], span)
        try:
            seq = parse_event(record.value).seq
        except ProtocolError:
            seq = 0
        inbox = store.tables.inbox
        with store.read() as uow:
            query = select(inbox.c.seq).where(inbox.c.account == unknown.account, inbox.c.seq == seq)
            is_filled = uow.connection.execute(query.where(inbox.c.stream == stream.value)).first()
        (disputed if is_filled or not seq else missed).add(unknown.account, unknown.partition)
    return missed, disputed


def _check_parked(store: EventStore, own: str) -> Iterator[Finding]:
    with store.read() as uow:
        parked = [entry for entry in read_parked_entries(uow) if entry.reason != AHEAD_OF_DEVICES]
    if parked:
        accounts = len({entry.account for entry in parked})
        reasons = ", ".join(sorted({entry.reason for entry in parked}))
        what = f"{accounts} accounts are parked and refused ({reasons}): parked lists them, retry tries again"
        yield Finding(what, Step.LOOK, own)


def _describe_damage(damage: Damage, what: str, own: str, step: Step = Step.RESTORE) -> Iterator[Finding]:
    if damage.count:
        places = ", ".join(damage.found) + (", …" if damage.count > len(damage.found) else "")
        yield Finding(f"{what} are damaged or do not follow each other: {damage.count} ({places})", step, own)


def _tally_unknown(places: Iterable[LoggedPlace]) -> Tally:
    counted = Tally()
    for place in sorted(places):
        counted.add(place.account, place.partition)
    return counted


def _has_own(store: EventStore, place: LoggedPlace) -> bool:
    """Tell whether a record is an event that was appended since the database was read."""
    events = store.tables.events
    with store.read() as uow:
        query = select(events.c.seq).where(events.c.account == place.account, events.c.digest == place.digest)
        return uow.connection.execute(query).first() is not None


def _is_account(key: str) -> bool:
    try:
        AccountId(key)
    except MalformedError:
        return False
    return True
