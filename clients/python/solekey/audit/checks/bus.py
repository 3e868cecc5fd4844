"""The log is what the bus holds: BUS-01 to BUS-07. Spec: audit.md §3, events.md §2, §7.

Each record is seen once, in the pass that reads the log; what is kept is one number a stream, partition and
minute. Nothing here is verified by the chains: a record is judged by what it claims to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from solekey.audit.bounds import Bounds
from solekey.audit.checks.bus_heartbeats import check_heartbeat
from solekey.audit.checks.bus_times import PublishTimes
from solekey.audit.checks.claims import Claims
from solekey.audit.report import Tally
from solekey.audit.sources.log import EXPORTED_TOPICS, BusPlace, BusState, Record, TopicState
from solekey_protocol.ids import AccountId
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Stream

KEPT_SETTINGS: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
}
"""What keeps every event for ever. The embedded bus has no bound by bytes, and says none."""
_STREAMS: Final = {topic: stream for stream, topic in TOPICS.items()}


@dataclass(frozen=True, slots=True)
class BusMemory:
    """What the records up to some moment leave for those that follow.

    Attributes:
        next: of each partition, the offset that is expected next.
        last: of each stream, the last seq that was published.
        last_ms: of each partition, the latest moment at which a record was published.
        minutes: of each partition, one such moment a minute, in order.
        tally: what was looked at and found in these records; not what only the whole bus shows.
    """

    next: dict[tuple[str, int], int] = field(default_factory=dict)
    last: dict[tuple[AccountId, Stream], int] = field(default_factory=dict)
    last_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    minutes: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


class BusChecks:
    """Holds the records of a log against the bus that they lie on.

    Args:
        bus: the bus, as its export shows it; None where the source does not say.
        bounds: what an honest operator keeps.
        memory: what the records before leave; it is gone on with, and its tally is what is added to.
    """

    def __init__(self, bus: BusState | None, bounds: Bounds, memory: BusMemory) -> None:
        self._bus = bus or BusState("", None, {})
        self._bounds = bounds
        self._tally = memory.tally
        self._next = memory.next
        self._last = memory.last
        self._times = PublishTimes(bounds, memory.tally, memory.last_ms, memory.minutes)
        self._derive_partition = lru_cache(maxsize=65536)(derive_partition)

    def see(self, record: Record) -> bool:
        """Look at a record; return whether it is part of the log."""
        if record.is_heartbeat:
            self._follow_offsets(record.place, Claims())
            check_heartbeat(record, self._bus, self._bounds, self._tally)
            return False
        if record.place is None:
            return True
        claims = Claims.parse(record.raw)
        self._follow_offsets(record.place, claims)
        self._check_place(record, record.place, claims)
        is_new = self._check_order(record.place, claims)
        self._times.see(record, record.place, claims, is_new=is_new)
        return True

    def finish(self) -> None:
        """Conclude: topics, settings, and partitions that end too early."""
        if not self._bus.topics:
            return
        for topic in EXPORTED_TOPICS:
            self._tally.look("BUS-01")
            if topic not in self._bus.topics:
                self._find_topic("BUS-01", "topic_missing", topic, "the bus does not show this topic")
        for name, state in sorted(self._bus.topics.items()):
            if name in EXPORTED_TOPICS:
                self._check_settings(name, state)
                self._check_ends(name, state)
            else:
                self._check_other(name, state)

    def _check_other(self, name: str, state: TopicState) -> None:
        """BUS-01: no other topic: its records may be deleted since, and its name alone says something."""
        self._tally.look("BUS-01")
        if name not in self._bounds.other_topics:
            ended = sum(extent.end for extent in state.partitions.values())
            detail = f"no topic of Solekey's; it holds up to {state.count} records, and has had {ended}"
            self._find_topic("BUS-01", "topic_unknown", name, detail)

    def _check_settings(self, name: str, state: TopicState) -> None:
        """BUS-02: the settings keep every event."""
        if name == HEARTBEAT_TOPIC or not state.settings:
            return
        for setting, wanted in KEPT_SETTINGS.items():
            # the embedded bus has fewer; Kafka tells all of a topic's settings, or none
            found = state.settings.get(setting, wanted if self._bus.kind != "kafka" else "not told")
            self._tally.look("BUS-02")
            if found != wanted:
                detail = f"{setting}={found}, expected {wanted}: the topic may lose what it was given"
                self._find_topic("BUS-02", "setting_wrong", name, detail)

    def _check_ends(self, name: str, state: TopicState) -> None:
        """BUS-03: each partition was read to its end."""
        for partition, extent in sorted(state.partitions.items()):
            start = extent.start if name == HEARTBEAT_TOPIC else 0
            position = self._next.get((name, partition), start)
            # retention deletes heartbeats also while they are read
            if position < extent.end and not (name == HEARTBEAT_TOPIC and position == start):
                detail = f"offsets {position} to {extent.end - 1} are missing"
                self._find_offset("offset_missing", BusPlace(name, partition, position), Claims(), detail)
            elif position > max(extent.end, start):
                detail = f"the bus ends before it, and records up to offset {position - 1} were read"
                self._find_offset(
                    "partition_shorter", BusPlace(name, partition, extent.end), Claims(), detail
                )

    def _follow_offsets(self, place: BusPlace | None, claims: Claims) -> None:
        """BUS-03: the offsets of a partition run on from 0 without a hole."""
        if place is None:
            return
        self._tally.look("BUS-03")
        log = (place.topic, place.partition)
        state = self._bus.topics.get(place.topic)
        if state is None or place.partition not in state.partitions:
            detail = "the export holds a record of a partition that the bus did not show"
            self._find_offset("partition_unknown", place, claims, detail)
        first = place.offset if place.topic == HEARTBEAT_TOPIC else 0
        expected = self._next.get(log, first)
        if place.offset > expected:
            detail = f"offsets {expected} to {place.offset - 1} are missing before this record"
            self._find_offset("offset_missing", replace(place, offset=expected), Claims(), detail)
        elif place.offset < expected:
            self._find_offset("offset_repeated", place, claims, f"expected offset {expected}")
        self._next[log] = max(expected, place.offset + 1)

    def _check_place(self, record: Record, place: BusPlace, claims: Claims) -> None:
        """BUS-04: topic, key and partition follow from the event; nothing stands beside it."""
        self._tally.look("BUS-04")
        stream = _STREAMS.get(place.topic)
        if claims.stream is not None and claims.stream is not stream:
            detail = f"an event of the stream {claims.stream} lies on {place.topic}"
            self._tally.find("BUS-04", "topic_wrong", *_place(claims), detail, place)
        if claims.account is not None:
            key = claims.account.encode()
            if record.key != key:
                detail = f"its key is {record.key!r}, not its account"
                self._tally.find("BUS-04", "key_wrong", *_place(claims), detail, place)
            state = self._bus.topics.get(place.topic)
            count = len(state.partitions) if state else 0
            wanted = self._derive_partition(claims.account, count) if count else place.partition
            if place.partition != wanted:
                detail = f"its account belongs to partition {wanted} of {count}"
                self._tally.find("BUS-04", "partition_wrong", *_place(claims), detail, place)
        if record.headers:
            detail = f"it has headers, which no record of Solekey's has: {sorted(dict(record.headers))[:5]}"
            self._tally.find("BUS-04", "headers_present", *_place(claims), detail, place)

    def _check_order(self, place: BusPlace, claims: Claims) -> bool:
        """BUS-05: the first copy of each event of a stream comes in the order of the stream."""
        if claims.account is None or claims.stream is None or claims.seq is None:
            return False
        self._tally.look("BUS-05")
        last = self._last.get((claims.account, claims.stream), 0)
        if claims.seq > last + 1:
            detail = f"it follows seq {last} on the bus" if last else "it is the stream's first on the bus"
            self._tally.find("BUS-05", "order_wrong", *_place(claims), detail, place)
        self._last[claims.account, claims.stream] = max(last, claims.seq)
        return claims.seq > last

    def _find_offset(self, code: str, place: BusPlace, claims: Claims, detail: str) -> None:
        self._tally.find("BUS-03", code, *_place(claims, _STREAMS.get(place.topic)), detail, place)

    def _find_topic(self, check: str, code: str, topic: str, detail: str) -> None:
        stream = _STREAMS.get(topic)
        self._tally.find(check, code, None, stream or "bus", None, f"{topic}: {detail}")


def _place(claims: Claims, stream: Stream | None = None) -> tuple[AccountId | None, str, int | None]:
    return claims.account, claims.stream or stream or "?", claims.seq
