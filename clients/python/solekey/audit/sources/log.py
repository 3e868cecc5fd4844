"""What every source of a log gives: records with their places, and the state of the bus they lie on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from solekey_protocol.ids import Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS

EXPORTED_TOPICS: Final = (*TOPICS.values(), HEARTBEAT_TOPIC)
"""The topics whose records an export holds, in its order."""


@dataclass(frozen=True, slots=True, order=True)
class BusPlace:
    """Where a record lies on the bus."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """As Kafka's own tools write it."""
        return f"{self.topic}-{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Record:
    """One record, exact bytes.

    Attributes:
        raw: its value; None for a tombstone.
        place: where it lies on the bus; None where the source does not say.
        key: its key; None where it has none, or the source does not say.
        timestamp_ms: when it was published, in milliseconds since 1970, as the bus says.
        headers: its headers, which Solekey's records do not have.
    """

    raw: bytes | None
    place: BusPlace | None = None
    key: bytes | None = None
    timestamp_ms: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def is_heartbeat(self) -> bool:
        """Whether it lies on the topic of heartbeats, which is no part of the log (events.md §7)."""
        return self.place is not None and self.place.topic == HEARTBEAT_TOPIC


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition held: from its first offset to before ``end``."""

    start: int
    end: int

    @property
    def count(self) -> int:
        """How many records fit into it."""
        return max(0, self.end - self.start)


Ranges = Mapping[tuple[str, int], Extent]
"""Offsets by topic and partition."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic, when its records were exported.

    Attributes:
        partitions: what each partition held.
        settings: the effective settings; empty where the bus did not tell them.
        exported: whether its records are in the log.
    """

    partitions: Mapping[int, Extent]
    settings: Mapping[str, str] = field(default_factory=dict)
    exported: bool = True

    @property
    def count(self) -> int:
        """How many records it can hold at most."""
        return sum(extent.count for extent in self.partitions.values())


@dataclass(frozen=True, slots=True)
class BusState:
    """The bus, when its records were exported.

    Attributes:
        kind: ``kafka`` or ``embedded``.
        cluster: the cluster's id; None for the embedded bus, which has none.
        topics: every topic that it shows, its own internal ones left out.
    """

    kind: str
    cluster: str | None
    topics: Mapping[str, TopicState]

    @property
    def count(self) -> int:
        """How many records an export of it can hold at most."""
        return sum(extent.count for extent in self.ranges().values())

    def ranges(self) -> Ranges:
        """Return the offsets that an export holds, in its order."""
        return {
            (name, partition): extent
            for name in EXPORTED_TOPICS
            if name in self.topics
            for partition, extent in sorted(self.topics[name].partitions.items())
        }


class StoredObjects(Protocol):
    """What services have stored, beside the log, as their operator lists it."""

    def rows(self) -> Iterator[Any]:
        """Yield what is stored (``solekey.audit.bundle.stored.StoredRow``). Raises LogError."""
        ...

    def services(self) -> dict[str, Timestamp]:
        """The services whose lists these are, and when each was made. Raises LogError."""
        ...


@dataclass(frozen=True, slots=True)
class BundleState:
    """How a bundle was made, and whether its files are what its manifest states.

    Attributes:
        name: SHA-256 of its manifest.
        manifest: the manifest's exact bytes.
        signature: the file beside it; None where there is none.
        prev: the name of the bundle that it continues.
        files: how many files the manifest states.
        records: how many records it states.
        ranges: the offsets that it states.
        bus: the bus that it was exported from.
        damaged: files that are not what it states, and what is wrong with each.
        unlisted: files that it does not state; nobody reads them.
        has_own_schemas: whether the event schemas in it are this release's; None where there are none.
    """

    name: str
    manifest: bytes
    signature: bytes | None
    prev: str | None
    files: int
    records: int
    ranges: Ranges
    bus: BusState
    damaged: Mapping[str, str]
    unlisted: tuple[str, ...]
    has_own_schemas: bool | None


class Log(Protocol):
    """A log that was opened."""

    @property
    def name(self) -> str:
        """What it was opened by."""
        ...

    @property
    def total(self) -> int | None:
        """About how many records it holds, for a progress bar; None where that is not known."""
        ...

    @property
    def bus(self) -> BusState | None:
        """The bus that the records lie on; None where the source does not say."""
        ...

    @property
    def objects(self) -> StoredObjects | None:
        """What the vault has stored; None where the source does not say."""
        ...

    @property
    def bundles(self) -> Sequence[BundleState]:
        """The bundles that the log is read from, once it was read; none for other sources."""
        ...

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        """Yield every record, heartbeats too; of each partition in the order of its offsets.

        Args:
            ranges: only these offsets of these partitions, where the source knows places.

        Raises:
            LogError: it cannot be read to its end.
        """
        ...
