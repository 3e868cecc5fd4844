"""A log as it lies on a bus, in memory: to be tampered with record by record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from solekey.audit.sources import BusPlace, BusState, Extent, Ranges, Record, TopicState
from solekey_protocol.event import Event
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, WRITERS

PARTITIONS = 6
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
SECOND_MS = 1000


@dataclass
class MemoryLog:
    """A log that lies on a bus."""

    bus: BusState
    kept: list[Record]
    name: str = "memory"
    objects: object = None
    bundles: tuple = ()

    @property
    def total(self) -> int:
        return len(self.kept)

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        for log, extent in (self.bus.ranges() if ranges is None else ranges).items():
            for record in self.kept:
                place = record.place
                if (place.topic, place.partition) == log and extent.start <= place.offset < extent.end:
                    yield record

    def change(self, number: int, **members: object) -> None:
        """Change members of one record; ``topic``, ``partition`` and ``offset`` move it."""
        record = self.kept[number]
        moved = {name: members.pop(name) for name in ("topic", "partition", "offset") if name in members}
        self.kept[number] = replace(record, place=replace(record.place, **moved), **members)

    def change_topic(self, topic: str, **members: object) -> None:
        """Change what the bus says of a topic."""
        state = replace(self.bus.topics[topic], **members)
        self.bus = replace(self.bus, topics={**self.bus.topics, topic: state})


def put_on_bus(events: Iterable[Event]) -> MemoryLog:
    """Put events on a bus as an honest platform does, one a second, with a heartbeat at the end."""
    kept: list[Record] = []
    ends = {(topic, partition): 0 for topic in TOPICS.values() for partition in range(PARTITIONS)}
    first_ms = at_ms = 0
    for event in events:
        first_ms = first_ms or int(event.time.datetime.timestamp() * 1000)
        at_ms = max(at_ms + SECOND_MS, first_ms)
        log = (TOPICS[event.stream], derive_partition(event.account, PARTITIONS))
        kept.append(Record(event.raw, BusPlace(*log, ends[log]), event.account.encode(), at_ms))
        ends[log] += 1
    beats = [_beat(number, stream, ends, kept[-1].timestamp_ms) for number, stream in enumerate(TOPICS)]
    topics = {
        topic: TopicState({p: Extent(0, ends[topic, p]) for p in range(PARTITIONS)}, KEPT)
        for topic in TOPICS.values()
    }
    topics[HEARTBEAT_TOPIC] = TopicState({0: Extent(0, len(beats))}, {**KEPT, "retention.ms": "3600000"})
    return MemoryLog(BusState("kafka", "cluster", topics), kept + beats)


def _beat(number, stream, ends, at_ms) -> Record:
    positions = {p: ends[TOPICS[stream], p] for p in range(PARTITIONS)}
    at = Timestamp.from_datetime(_moment(at_ms))
    raw = encode_heartbeat(Heartbeat(WRITERS[stream], at, positions))
    return Record(raw, BusPlace(HEARTBEAT_TOPIC, 0, number), stream.encode(), at_ms)


def _moment(ms: int):
    return datetime.fromtimestamp(ms / 1000, UTC)
