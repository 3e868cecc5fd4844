"""What every bus offers, whatever carries it; tests/unit/eventlog/bus/test_contract.py holds both to it.

Delivery is at least once. Within one key the first delivery of each record is in the order of publishing;
repetitions may come later, and a consumer must ignore what it has already applied (DESIGN §4).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from solekey_eventlog.bus.topics import TopicSettings
from solekey_protocol.limits import MAX_EVENT_BYTES

MAX_KEY_CHARS = 128


@dataclass(frozen=True, slots=True)
class Message:
    """A record to be published: what the producer decides."""

    topic: str
    key: str
    value: bytes

    def __post_init__(self) -> None:
        """Refuse what the log could not hold, whichever adapter carries it. Raises ValueError."""
        if not 0 < len(self.key) <= MAX_KEY_CHARS:
            raise ValueError(f"{self.topic}: expected a key of 1 to {MAX_KEY_CHARS} characters")
        if len(self.value) > MAX_EVENT_BYTES:
            raise ValueError(f"{self.topic}: expected at most {MAX_EVENT_BYTES} bytes, got {len(self.value)}")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a published record lies in its topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as delivered. ``value`` is byte for byte what was published."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes


class TopicPartition(NamedTuple):
    """One ordered log."""

    topic: str
    partition: int


def cut_spans(spans: Mapping[int, range] | None, ends: Mapping[int, int]) -> dict[int, range]:
    """Cut spans of offsets down to what a topic holds; by default everything (``Bus.read``)."""
    wanted = {partition: range(end) for partition, end in ends.items()} if spans is None else spans
    return {
        partition: range(span.start, min(span.stop, ends.get(partition, 0)))
        for partition, span in wanted.items()
    }


class Consumer(Protocol):
    """One member of a consumer group. Not for use from several threads at once, except ``close``."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Return the next records, or none after ``timeout_s``. Order holds within a partition.

        Joins the group at the first call, which may take longer; a member that stays away for long loses
        its partitions.

        Raises:
            BusUnavailableError: the bus does not answer; poll again.
        """
        ...

    def commit(self, *records: Record) -> None:
        """Mark everything up to and including these records as done, one of each partition.

        Call only when their effects are durable.

        Raises:
            PartitionLostError: a partition is another member's now, or is being dealt out again. Poll on:
                its record comes again, here or there, unless a later commit covers it. What is still held
                is committed all the same.
            BusUnavailableError: not committed in the time allowed; the record may be delivered again.
        """
        ...

    def seek(self, record: Record) -> None:
        """Deliver from this record on, again. Drop later records of its partition that you still hold.

        Raises:
            PartitionLostError: another member owns the partition now, or an earlier record was sought since.
        """
        ...

    def close(self) -> None:
        """Leave the group, so that others take over at once. Commits nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Bus(Protocol):
    """Publishes to and reads from topics. Safe to share between threads, or eventlet green threads."""

    def publish(self, topic: str, key: str, value: bytes) -> Position:
        """Write one record and return once it is durable.

        Raises:
            ValueError: the value is longer than MAX_EVENT_BYTES, or there is no key.
            BusUnavailableError: not confirmed within the configured time; publish it again.
            BusConfigurationError: the topic does not exist, or may not be written.
        """
        ...

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        """Write records, several in flight, and return once all are durable: one position each, in order.

        A record is sent only when all earlier ones of its key are durable, so that a failure can repeat
        records but never turn their order round. Fails whole: after an error publish all of them again.

        Raises:
            BusUnavailableError: at least one was not confirmed within the configured time.
            BusConfigurationError: a topic does not exist, or may not be written.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str], *, from_end: bool = False) -> Consumer:
        """Make a member of a group.

        Where the group never committed it starts at the beginning, or with ``from_end`` at what is
        published once it has joined (heartbeats: a fresh group name a process, never commit). On the
        embedded bus a group has one member.
        """
        ...

    def read(self, topic: str, spans: Mapping[int, range] | None = None) -> Iterator[Record]:
        """Yield records that the topic holds at the time of the call, outside any group.

        Partition after partition; the order holds within each.

        Args:
            topic: of which topic.
            spans: which offsets of which partitions; what a span names and the log has not is left out. By
                default everything.

        Raises:
            BusUnavailableError: the bus stopped answering before the end was reached.
            BusConfigurationError: the topic does not exist, or may not be read.
        """
        ...

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """Return the offset that the next record will get, for each partition."""
        ...

    def log_id(self, topic: str) -> str:
        """Return the random id that the topic got when it was created: another log has another one.

        Raises:
            BusUnavailableError: the bus does not answer.
            BusConfigurationError: the topic does not exist.
        """
        ...

    def create_topics(self, topics: Sequence[TopicSettings]) -> None:
        """Create the topics that do not exist yet. Existing ones stay as they are: ``check`` judges them."""
        ...

    def check(self, topics: Sequence[TopicSettings]) -> None:
        """Compare the topics with their settings, and demand that topics are not created by accident.

        Raises:
            BusConfigurationError: lists everything that is wrong and the commands that put it right.
            BusUnavailableError: the bus does not answer.
        """
        ...

    def close(self) -> None:
        """Close connections. Consumers of this bus must be closed first."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
