"""A member of a consumer group on Kafka."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, errors
from kafka import TopicPartition as KafkaTopicPartition

from solekey_eventlog.bus.errors import PartitionLostError
from solekey_eventlog.bus.interface import Record, TopicPartition
from solekey_eventlog.bus.kafka_connection import KafkaConnection

_SLICE_S = 0.2  # close() waits for at most one slice of a poll
_JOIN_S = 0.1  # with less at a time the library does not get into the group
_METADATA_AGE_MS = 10_000  # the library's five minutes are too long to be without a partition
_HEARTBEATS_PER_SESSION = 10  # also how soon a member learns that the group is dealt out again
_POLL_RECORDS = 500

_OUT_OF_GROUP = (
    errors.CommitFailedError,
    errors.FencedInstanceIdError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)


class GroupConsumer:
    """A Consumer on Kafka. Connects at the first poll."""

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: tuple[str, ...],
        *,
        session_timeout_ms: int,
        from_end: bool,
        require_topic: Callable[[str], object],
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = topics
        self._session_timeout_ms = session_timeout_ms
        self._from_end = from_end
        self._require_topic = require_topic
        self._consumer: Any = None
        self._held = _HeldRecords()
        self._lock = threading.Lock()
        self._closed = False

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """See Consumer.poll."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if self._closed:
                    return ()
                left_s = max(0.0, deadline - time.monotonic())
                records = self._poll_slice(min(left_s, _SLICE_S))
            if records or left_s <= _SLICE_S:
                return records

    def _poll_slice(self, timeout_s: float) -> Sequence[Record]:
        consumer = self._connect()
        with self._connection.translated():
            if not consumer.assignment():
                timeout_s = max(timeout_s, _JOIN_S)
            self._fix_positions(consumer)
            batches = consumer.poll(timeout_ms=timeout_s * 1000)
            if not batches:  # an error here would lose them: the library has moved on
                self._fix_positions(consumer)
        records = [parse_record(one) for batch in batches.values() for one in batch]
        for record in records:
            self._held.add(record)
        return records

    def _connect(self) -> Any:
        if self._consumer is None:
            for topic in self._topics:
                self._require_topic(topic)
            consumer = self._connection.open(
                KafkaConsumer,
                group_id=self._group,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                auto_offset_reset="latest" if self._from_end else "earliest",
                session_timeout_ms=self._session_timeout_ms,
                heartbeat_interval_ms=self._session_timeout_ms // _HEARTBEATS_PER_SESSION,
                max_poll_records=_POLL_RECORDS,
                metadata_max_age_ms=_METADATA_AGE_MS,
                metrics_enabled=False,
            )
            try:
                with self._connection.translated():
                    self._subscribe(consumer)
            except BaseException:
                consumer.close(autocommit=False)
                raise
            self._consumer = consumer
        return self._consumer

    def _subscribe(self, consumer: Any) -> None:
        """Subscribe, and return when the client knows the topics.

        An answer that was under way when it subscribes lacks them, and makes the library forget that it
        wanted to ask again: it would join the group and be given nothing until its metadata is too old.
        """
        consumer.subscribe(topics=list(self._topics), listener=self._held)
        deadline = time.monotonic() + self._connection.timeout_ms / 1000
        while not consumer.topics().issuperset(self._topics):  # asks the broker each time
            if time.monotonic() > deadline:
                raise errors.KafkaTimeoutError(f"topics are not known in time: {', '.join(self._topics)}")

    def _fix_positions(self, consumer: Any) -> None:
        """Find now where new partitions start.

        The library would look for the end of a topic at some later time; and with polls of a few
        milliseconds it never gets round to asking what the group has committed.
        """
        for partition in consumer.assignment() - self._held.fixed:
            consumer.position(partition, timeout_ms=self._connection.timeout_ms)
            self._held.fixed.add(partition)

    def commit(self, *records: Record) -> None:
        """See Consumer.commit. One request for all."""
        with self._lock, self._connection.translated():
            held = [record for record in records if self._held.has(record)]
            offsets = {
                KafkaTopicPartition(record.topic, record.partition): OffsetAndMetadata(
                    record.offset + 1, "", -1
                )
                for record in held
            }
            try:
                if offsets:
                    self._consumer.commit(offsets, timeout_ms=self._connection.timeout_ms)
            except _OUT_OF_GROUP as error:
                places = ", ".join(f"{log.topic}/{log.partition}" for log in offsets)
                raise PartitionLostError(f"{places}: {type(error).__name__}") from error
            for record in records:
                self._held.require(record)

    def seek(self, record: Record) -> None:
        """See Consumer.seek."""
        with self._lock:
            log = self._held.require(record)
            self._consumer.seek(KafkaTopicPartition(*log), record.offset)
            self._held.forget_from(record)

    def close(self) -> None:
        """See Consumer.close."""
        self._closed = True
        with self._lock:
            if self._consumer is not None:
                with self._connection.translated():
                    self._consumer.close(autocommit=False, timeout_ms=self._connection.timeout_ms)
                self._consumer = None
            self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _HeldRecords(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python publishes no types
    """What was delivered from the partitions that this member still owns.

    The library keeps the position of a partition that stays ours when the group is dealt out again, so
    what was delivered from it stays valid; it is called only within ``poll``.
    """

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, range] = {}
        self.fixed: set[Any] = set()

    def add(self, record: Record) -> None:
        """Remember that a record was delivered."""
        log = TopicPartition(record.topic, record.partition)
        first = self._offsets[log].start if log in self._offsets else record.offset
        self._offsets[log] = range(first, record.offset + 1)

    def has(self, record: Record) -> bool:
        """Tell whether a record is held."""
        return record.offset in self._offsets.get(TopicPartition(record.topic, record.partition), ())

    def require(self, record: Record) -> TopicPartition:
        """Return the log of a record that is held. Raises PartitionLostError for any other."""
        log = TopicPartition(record.topic, record.partition)
        if not self.has(record):
            raise PartitionLostError(f"{log.topic}/{log.partition}: record {record.offset} is not held")
        return log

    def forget_from(self, record: Record) -> None:
        """Forget this record and those after it."""
        log = TopicPartition(record.topic, record.partition)
        self._offsets[log] = range(self._offsets[log].start, record.offset)

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Wait for the new assignment: most partitions stay."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Forget the partitions that others own now."""
        kept = {TopicPartition(*one) for one in assigned}
        self._offsets = {log: offsets for log, offsets in self._offsets.items() if log in kept}
        self.fixed &= set(assigned)

    def on_partitions_lost(self, lost: Any) -> None:  # noqa: ARG002  # the library passes it
        """Forget everything: others may have gone on since."""
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._offsets.clear()
        self.fixed.clear()


def parse_record(raw: Any) -> Record:
    """Turn the library's record into ours.

    One that a stranger wrote, without key or value, passes too: the reader judges it, nobody skips it.
    """
    key = (raw.key or b"").decode(errors="replace")
    return Record(raw.topic, raw.partition, raw.offset, key, raw.value or b"")
