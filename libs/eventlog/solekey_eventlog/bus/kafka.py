"""The bus on Apache Kafka 4, through kafka-python.

No transactions: an idempotent producer with acks=all, and consumers that ignore repetitions (DESIGN §4).
A producer that has failed once is thrown away, with whatever it had in flight; the next publish makes
a new one.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka import TopicPartition as KafkaTopicPartition

from solekey_eventlog.bus.config import BusConfig, KafkaAddress
from solekey_eventlog.bus.errors import BusUnavailableError
from solekey_eventlog.bus.interface import Message, Position, Record, cut_spans
from solekey_eventlog.bus.kafka_connection import KafkaConnection
from solekey_eventlog.bus.kafka_consumer import GroupConsumer, parse_record
from solekey_eventlog.bus.kafka_kept import KeptClient
from solekey_eventlog.bus.kafka_topics import (
    check_topics,
    count_partitions,
    create_topics,
    find_topic_id,
)
from solekey_eventlog.bus.topics import TopicSettings
from solekey_protocol.partition import derive_partition

T = TypeVar("T")
_READ_SLICE_MS = 500
_MIN_PUBLISH_TIMEOUT_S = 0.5


class KafkaBus:
    """A Bus on Kafka. Connects when first used."""

    def __init__(self, address: KafkaAddress, config: BusConfig) -> None:
        self._config = config
        self._connection = KafkaConnection(address, config)
        self._publish_timeout_s = max(config.publish_timeout_s, _MIN_PUBLISH_TIMEOUT_S)
        self._partition_counts: dict[str, int] = {}
        self._producer: Any = None
        self._admin = KeptClient(lambda: self._connection.open(KafkaAdminClient))
        self._reader = KeptClient(self._open_reader)
        self._lock = threading.Lock()

    def publish(self, topic: str, key: str, value: bytes) -> Position:
        """See Bus.publish."""
        return self.publish_many([Message(topic, key, value)])[0]

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        """See Bus.publish_many."""
        partitions = [derive_partition(one.key, self._count_partitions(one.topic)) for one in messages]
        positions: dict[int, Position] = {}
        with self._publishing() as producer:
            for wave in split_waves(messages):
                futures = [(index, _send(producer, messages[index], partitions[index])) for index in wave]
                deadline = time.monotonic() + self._publish_timeout_s
                for index, future in futures:
                    done = future.get(timeout=max(0.0, deadline - time.monotonic()))
                    positions[index] = Position(done.partition, done.offset)
        return [positions[index] for index in range(len(messages))]

    @contextmanager
    def _publishing(self) -> Iterator[Any]:
        """Give the producer; throw it away when anything goes wrong with it."""
        with self._lock:
            if self._producer is None:
                self._producer = self._open_producer()
            producer = self._producer
        try:
            with self._connection.translated():
                yield producer
        except BaseException:
            with self._lock:
                if self._producer is producer:
                    self._producer = None
            _discard(producer)
            raise

    def _open_producer(self) -> Any:
        timeout_ms = int(self._publish_timeout_s * 1000)
        return self._connection.open(
            KafkaProducer,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=timeout_ms,
            max_block_ms=timeout_ms,
            delivery_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms // 2,
            metrics_enabled=False,
        )

    def _count_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; asked once, because the number is fixed."""
        if topic not in self._partition_counts:
            self._partition_counts[topic] = self._ask_admin(lambda admin: count_partitions(admin, topic))
        return self._partition_counts[topic]

    def consumer(self, group: str, topics: Sequence[str], *, from_end: bool = False) -> GroupConsumer:
        """See Bus.consumer."""
        return GroupConsumer(
            self._connection,
            group,
            tuple(topics),
            session_timeout_ms=int(self._config.session_timeout_s * 1000),
            from_end=from_end,
            require_topic=self._count_partitions,
        )

    def read(self, topic: str, spans: Mapping[int, range] | None = None) -> Iterator[Record]:
        """See Bus.read."""
        if spans is None:
            spans = cut_spans(None, self.end_offsets(topic))
        known = range(self._count_partitions(topic))
        return self._read_spans(
            {KafkaTopicPartition(topic, p): span for p, span in spans.items() if span and p in known}
        )

    def _read_spans(self, wanted: Mapping[KafkaTopicPartition, range]) -> Iterator[Record]:
        """Read on one connection: who stands by for another process has no time for two."""
        if not wanted:
            return
        with self._connection.translated(), self._reader.lend() as reader:
            starts, ends = reader.beginning_offsets(list(wanted)), reader.end_offsets(list(wanted))
            for log, span in wanted.items():
                start, end = max(starts[log], span.start), min(ends[log], span.stop)
                if start < end:
                    yield from self._read_partition(reader, log, start, end)
            reader.unsubscribe()

    def _read_partition(
        self, reader: Any, log: KafkaTopicPartition, start: int, end: int
    ) -> Iterator[Record]:
        reader.assign([log])
        reader.seek(log, start)
        heard_at = time.monotonic()
        position = start
        while position < end:
            for raw in reader.poll(timeout_ms=_READ_SLICE_MS).get(log, ()):
                if raw.offset < end:
                    yield parse_record(raw)
            if reader.position(log) > position:
                position = reader.position(log)
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > self._config.request_timeout_s:
                raise BusUnavailableError(f"{log.topic}/{log.partition}: stopped at {position} before {end}")

    def _open_reader(self) -> Any:
        """Open a consumer outside any group."""
        return self._connection.open(
            KafkaConsumer,
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="earliest",
            metrics_enabled=False,
        )

    def _ask_admin(self, question: Callable[[Any], T]) -> T:
        with self._connection.translated():
            return self._admin.ask(question)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """See Bus.end_offsets."""
        logs = [KafkaTopicPartition(topic, partition) for partition in range(self._count_partitions(topic))]
        with self._connection.translated():
            ends = self._reader.ask(lambda reader: reader.end_offsets(logs))
        return {log.partition: ends[log] for log in logs}

    def log_id(self, topic: str) -> str:
        """See Bus.log_id."""
        return self._ask_admin(lambda admin: find_topic_id(admin, topic))

    def create_topics(self, topics: Sequence[TopicSettings]) -> None:
        """See Bus.create_topics."""
        self._ask_admin(lambda admin: create_topics(admin, topics, self._connection.timeout_ms))

    def check(self, topics: Sequence[TopicSettings]) -> None:
        """See Bus.check."""
        self._ask_admin(lambda admin: check_topics(admin, topics))

    def close(self) -> None:
        """See Bus.close."""
        with self._lock:
            producer, self._producer = self._producer, None
        self._admin.close()
        self._reader.close()
        if producer is not None:
            producer.close(timeout=self._publish_timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def split_waves(messages: Sequence[Message]) -> list[list[int]]:
    """Split into waves of indexes in which each key stands once.

    A wave is sent when the one before it is durable. With two records of a key in flight, the library
    could lose the first and keep the second (it renumbers batches after one has expired).
    """
    waves: list[list[int]] = []
    seen: dict[tuple[str, str], int] = {}
    for index, message in enumerate(messages):
        log = (message.topic, message.key)
        wave = seen[log] = seen.get(log, -1) + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(index)
    return waves


def _send(producer: Any, message: Message, partition: int) -> Any:
    return producer.send(message.topic, message.value, message.key.encode(), partition=partition)


def _discard(producer: Any) -> None:
    """Close a producer without waiting for what it has in flight."""
    try:
        producer.close(timeout=0)
    except errors.KafkaTimeoutError:  # it gives up when something is in flight, and leaves its thread running
        producer._sender.force_close()  # noqa: SLF001  # there is no public way
