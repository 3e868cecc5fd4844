"""E: the bus. Records are moved, left out or put where nobody looks; settings let the log be forgotten."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from solekey.audit.sources.log import BusPlace, BusState, Extent, Record, TopicState
from solekey_protocol.event import Event
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service, Stream
from tamper.tampering import Exhibit, Family, honest
from tamper.writing import moment

BUS = Family("E", "the bus")
_add = BUS.add
_PARTITIONS = 4
_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True)
class BusLog:
    """An exported bus, in memory."""

    kept: tuple[Record, ...]
    bus: BusState
    name: str = "the bus of a harness"
    objects: None = None
    bundle: None = None
    bundles: tuple[()] = ()

    @property
    def total(self) -> int:
        """How many records it has."""
        return len(self.kept)

    def records(self, ranges: Mapping[tuple[str, int], Extent] | None = None) -> Iterator[Record]:
        """The records, partition by partition; those of some offsets, where they are asked for."""
        for record in self.kept:
            place = record.place
            extent = None if ranges is None or place is None else ranges.get((place.topic, place.partition))
            if ranges is None or (
                extent is not None and place is not None and extent.start <= place.offset < extent.end
            ):
                yield record


@dataclass
class _Topics:
    records: dict[tuple[str, int], list[Record]] = field(default_factory=lambda: defaultdict(list))

    def put(self, topic: str, partition: int, key: bytes, raw: bytes, at_ms: int) -> None:
        own = self.records[topic, partition]
        own.append(Record(raw, BusPlace(topic, partition, len(own)), key, at_ms))


def _milliseconds(event: Event) -> int:
    return int(event.time.datetime.timestamp() * 1000)


@cache
def published() -> BusLog:
    """The honest story, as an honest platform has published it."""
    return publish(honest().events)


def publish(events: Iterable[Event]) -> BusLog:
    """Publish events as an honest platform does."""
    topics = _Topics()
    for event in events:
        topic = TOPICS[event.stream]
        partition = derive_partition(event.account, _PARTITIONS)
        topics.put(topic, partition, event.account.encode(), event.raw, _milliseconds(event))
    beat = encode_heartbeat(Heartbeat(Service.AUTH, moment(1), {0: 0}))
    topics.put(HEARTBEAT_TOPIC, 0, b"auth", beat, int(moment(1).datetime.timestamp() * 1000))
    states = {
        topic: TopicState(
            {n: Extent(0, len(topics.records[topic, n])) for n in range(_PARTITIONS)}, dict(_KEPT)
        )
        for topic in (*TOPICS.values(), HEARTBEAT_TOPIC)
    }
    records = [record for _, own in sorted(topics.records.items()) for record in own]
    return BusLog(tuple(records), BusState("kafka", "cluster", states))


def cut(log: BusLog, at: float) -> BusLog:
    """What a bus held earlier: the same part of each partition."""
    topics = {
        name: replace(
            state,
            partitions={
                number: replace(extent, end=extent.start + round(extent.count * at))
                for number, extent in state.partitions.items()
            },
        )
        for name, state in log.bus.topics.items()
    }
    extents = {
        (name, number): extent
        for name, state in topics.items()
        for number, extent in state.partitions.items()
    }
    kept = tuple(
        record
        for record in log.kept
        if record.place is not None
        and (found := extents.get((record.place.topic, record.place.partition))) is not None
        and record.place.offset < found.end
    )
    return replace(log, kept=kept, bus=replace(log.bus, topics=topics))


def place_of(name: str) -> int:
    """Where a step's record is in the export."""
    raw = honest().find(name).raw
    return next(number for number, record in enumerate(published().kept) if record.raw == raw)


def on(name: str, change: Callable[[Record], Record | None]) -> Callable[[], Exhibit]:
    """Change a step's record on the bus, or leave it out; at fault is its event."""

    def make() -> Exhibit:
        number, log = place_of(name), published()
        changed = change(log.kept[number])
        assert changed != log.kept[number], name
        kept = [*log.kept[:number], *([changed] if changed else []), *log.kept[number + 1 :]]
        return Exhibit(replace(log, kept=tuple(kept)), honest().places[name])

    return make


def missing(name: str) -> Exhibit:
    """A record is deleted from the bus: a hole in the offsets, which is at fault."""
    number, log = place_of(name), published()
    kept = (*log.kept[:number], *log.kept[number + 1 :])
    return Exhibit(replace(log, kept=kept), log.kept[number].place)


def bury() -> Exhibit:
    """An event is replaced by a tombstone, which claims nothing: at fault is its place on the bus."""
    number, log = place_of("ada.codes"), published()
    kept = (*log.kept[:number], replace(log.kept[number], raw=None), *log.kept[number + 1 :])
    return Exhibit(replace(log, kept=kept), log.kept[number].place)


def topics(change: Callable[[dict[str, TopicState]], None]) -> Callable[[], Exhibit]:
    """Change what the bus shows of its topics."""

    def make() -> Exhibit:
        states = dict(published().bus.topics)
        change(states)
        assert states != published().bus.topics
        return Exhibit(replace(published(), bus=replace(published().bus, topics=states)))

    return make


def settings(topic: str, **changed: str) -> Callable[[dict[str, TopicState]], None]:
    """Set a topic's settings."""

    def change(states: dict[str, TopicState]) -> None:
        named = {name.replace("_", "."): value for name, value in changed.items()}
        states[topic] = replace(states[topic], settings={**states[topic].settings, **named})

    return change


def shadow(states: dict[str, TopicState]) -> None:
    """A topic beside Solekey's, with something in it."""
    states["solekey.vault.plain"] = TopicState({0: Extent(0, 7)}, {}, exported=False)


def forget(states: dict[str, TopicState]) -> None:
    """A topic beside Solekey's, whose records were deleted since."""
    states["solekey.vault.plain"] = TopicState({0: Extent(7, 7)}, {}, exported=False)


def name(states: dict[str, TopicState]) -> None:
    """A topic that never held a record: its name says something."""
    states["the-spare-key-is-under-the-pot"] = TopicState({0: Extent(0, 0)}, {}, exported=False)


def withhold(states: dict[str, TopicState]) -> None:
    """A setting is not told."""
    kept = {name: value for name, value in _KEPT.items() if name != "retention.ms"}
    states[_AUTH] = replace(states[_AUTH], settings=kept)


def swap(first: str, second: str) -> Exhibit:
    """Two records of one partition change places."""
    log, one, other = published(), place_of(first), place_of(second)
    kept = list(log.kept)
    kept[one], kept[other] = (
        replace(log.kept[other], place=log.kept[one].place),
        replace(log.kept[one], place=log.kept[other].place),
    )
    return Exhibit(replace(log, kept=tuple(kept)), honest().places[second])


def move(name: str, topic: str, partition: int) -> Callable[[Record], Record]:
    """Move a record to the end of another partition."""
    del name

    def change(record: Record) -> Record:
        end = sum(
            each.place is not None and (each.place.topic, each.place.partition) == (topic, partition)
            for each in published().kept
        )
        return replace(record, place=BusPlace(topic, partition, end))

    return change


def heartbeat(raw: bytes | None = None, **changed: Any) -> Callable[[], Exhibit]:
    """Something else in the place of a heartbeat, or beside it."""

    def make() -> Exhibit:
        log = published()
        changes = changed if raw is None else {"raw": raw, **changed}
        kept = [replace(each, **changes) if each.is_heartbeat else each for each in log.kept]
        return Exhibit(replace(log, kept=tuple(kept)), BusPlace(HEARTBEAT_TOPIC, 0, 0))

    return make


def _other_partition(name: str) -> int:
    account = honest().places[name][0]
    return (derive_partition(account, _PARTITIONS) + 1) % _PARTITIONS


_AUTH = TOPICS[Stream.AUTH]
_UNNAMED = {"named": False, "reason": "a topic, or its settings, is no event"}
_add("a record is deleted from a partition", lambda: missing("ada.codes"), "BUS-03")
_add("the last record of a partition is deleted", lambda: missing("ben.tablet commit"), "BUS-03")
_add("a record on another topic", on("ada.codes", move("ada.codes", TOPICS[Stream.VAULT], 0)), "BUS-04")
_add(
    "a record in another partition",
    on("ada.codes", move("ada.codes", _AUTH, _other_partition("ada.codes"))),
    "BUS-04",
)
_add("a record under another key", on("ada.codes", lambda each: replace(each, key=b"acc_other")), "BUS-04")
_add("a record without a key", on("ada.codes", lambda each: replace(each, key=None)), "BUS-04")
_add(
    "plaintext in a header",
    on("ada.codes", lambda each: replace(each, headers=(("x", b"the spare key"),))),
    "BUS-04",
)
_add("two records change places", lambda: swap("ada.codes", "ada.phone login"), "BUS-05")
_add(
    "published an hour before it was written",
    on("ada.codes", lambda each: replace(each, timestamp_ms=(each.timestamp_ms or 0) - 3_600_000)),
    "BUS-06",
)
_add("a tombstone in the place of an event", bury, "REC-01")
_add("plaintext in the place of a heartbeat", heartbeat(b"the spare key is under the pot"), "BUS-07")
_add(
    "a member more in a heartbeat",
    heartbeat(b'{"at":"2026-11-20T12:00:01.000Z","key":"c2VjcmV0","positions":{},"service":"auth"}'),
    "BUS-07",
)
_add("a topic beside Solekey's", topics(shadow), "BUS-01", **_UNNAMED)
_add("a topic is not shown", topics(lambda states: states.__delitem__(HEARTBEAT_TOPIC)), "BUS-01", **_UNNAMED)
_add(
    "events are forgotten after a day", topics(settings(_AUTH, retention_ms="86400000")), "BUS-02", **_UNNAMED
)
_add(
    "events are forgotten after a gigabyte",
    topics(settings(_AUTH, retention_bytes="1073741824")),
    "BUS-02",
    **_UNNAMED,
)
_add(
    "only the last event of an account is kept",
    topics(settings(_AUTH, cleanup_policy="compact")),
    "BUS-02",
    **_UNNAMED,
)
_add("a topic beside Solekey's, whose records were deleted since", topics(forget), "BUS-01", **_UNNAMED)
_add("a plaintext in the name of an empty topic", topics(name), "BUS-01", **_UNNAMED)
_add("a setting is not told", topics(withhold), "BUS-02", **_UNNAMED)
_add(
    "a partition's number with leading zeros in a heartbeat",
    heartbeat(b'{"at":"2026-11-20T12:00:01.000Z","positions":{"000":0},"service":"auth"}'),
    "BUS-07",
)
_add("plaintext as the key of a heartbeat", heartbeat(key=b"the spare key"), "BUS-07")
_add("plaintext in a heartbeat's header", heartbeat(headers=(("x", b"the spare key"),)), "BUS-07")
