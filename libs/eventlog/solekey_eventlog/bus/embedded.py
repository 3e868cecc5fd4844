"""The embedded bus: a partitioned log in one SQLite file, for one machine.

Several processes may share the file, but a consumer group has one member (embedded_consumer.py). A publish is
one write transaction with an fsync; consumers in the same process wake at once, those in other processes look
every 50 ms.
"""

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from solekey_eventlog.bus.config import BusConfig
from solekey_eventlog.bus.embedded_consumer import EmbeddedConsumer
from solekey_eventlog.bus.embedded_store import Store, open_signal, read_page, read_settings
from solekey_eventlog.bus.errors import BusConfigurationError
from solekey_eventlog.bus.interface import Message, Position, Record, TopicPartition, cut_spans
from solekey_eventlog.bus.topics import TopicSettings
from solekey_eventlog.offload import Offload, run_here
from solekey_protocol.partition import derive_partition

_READ_PAGE_RECORDS = 500
_EXPIRED_PER_PUBLISH = 100  # bounds the work that retention adds to one publish


class EmbeddedBus:
    """A Bus on a SQLite file.

    Args:
        path: of the file.
        config: how long to wait for what.
        clock: gives seconds since 1970, for retention.
        offload: runs the commits of what is published.
    """

    def __init__(
        self,
        path: Path,
        config: BusConfig,
        *,
        clock: Callable[[], float] = time.time,
        offload: Offload = run_here,
    ) -> None:
        self._path = path
        self._config = config
        self._clock = clock
        self._signal = open_signal(path)
        self._store = Store(path, config.publish_timeout_s, synchronous="FULL", offload=offload)

    def publish(self, topic: str, key: str, value: bytes) -> Position:
        """See Bus.publish."""
        return self.publish_many([Message(topic, key, value)])[0]

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        """See Bus.publish_many. All or nothing: one transaction."""
        now_ms = int(self._clock() * 1000)
        with self._store.write() as db:
            positions = [_append(db, message, now_ms) for message in messages]
        self._signal.give()
        return positions

    def consumer(self, group: str, topics: Sequence[str], *, from_end: bool = False) -> EmbeddedConsumer:
        """See Bus.consumer."""
        # A lost commit only repeats a record, so consumers do not pay for an fsync each time.
        store = Store(self._path, self._config.request_timeout_s, synchronous="NORMAL")
        return EmbeddedConsumer(store, self._signal, group, tuple(topics), from_end=from_end)

    def read(self, topic: str, spans: Mapping[int, range] | None = None) -> Iterator[Record]:
        """See Bus.read."""
        return self._read_spans(topic, cut_spans(spans, self.end_offsets(topic)))

    def _read_spans(self, topic: str, spans: Mapping[int, range]) -> Iterator[Record]:
        for partition, span in spans.items():
            log = TopicPartition(topic, partition)
            position, end = span.start, span.stop
            while position < end:
                with self._store.read() as db:
                    page = read_page(db, log, position, end=end, limit=_READ_PAGE_RECORDS)
                if not page:  # the rest has expired
                    break
                yield from page
                position = page[-1].offset + 1

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """See Bus.end_offsets."""
        with self._store.read() as db:
            read_settings(db, topic)
            rows = db.execute(
                'SELECT "partition", next_offset FROM partition_ends WHERE topic = ? ORDER BY 1', (topic,)
            )
            return dict(rows.fetchall())

    def log_id(self, topic: str) -> str:
        """See Bus.log_id."""
        with self._store.read() as db:
            read_settings(db, topic)
            return str(db.execute("SELECT log_id FROM topics WHERE name = ?", (topic,)).fetchone()[0])

    def create_topics(self, topics: Sequence[TopicSettings]) -> None:
        """See Bus.create_topics."""
        with self._store.write() as db:
            for topic in topics:
                made = db.execute(
                    "INSERT OR IGNORE INTO topics VALUES (?, ?, ?, ?)",
                    (topic.name, topic.partitions, topic.retention_ms, uuid.uuid4().hex),
                ).rowcount
                if made:
                    db.executemany(
                        "INSERT INTO partition_ends VALUES (?, ?, 0)",
                        [(topic.name, partition) for partition in range(topic.partitions)],
                    )

    def check(self, topics: Sequence[TopicSettings]) -> None:
        """See Bus.check. Replicas do not exist here, and topics are never created by accident."""
        faults = []
        with self._store.read() as db:
            for wanted in topics:
                try:
                    partitions, retention_ms = read_settings(db, wanted.name)
                except BusConfigurationError as error:
                    faults.append(str(error))
                    continue
                if partitions != wanted.partitions:
                    faults.append(
                        f"topic {wanted.name}: {partitions} partitions, configured are {wanted.partitions}: "
                        "configure the number that it was created with"
                    )
                if retention_ms != wanted.retention_ms:
                    faults.append(
                        f"topic {wanted.name}: retention.ms={retention_ms}, expected {wanted.retention_ms}: "
                        "the file was made by other settings; start on a new one"
                    )
        if faults:
            raise BusConfigurationError(f"{self._path}: " + "\n".join(faults))

    def close(self) -> None:
        """See Bus.close."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _append(db: sqlite3.Connection, message: Message, now_ms: int) -> Position:
    partitions, retention_ms = read_settings(db, message.topic)
    partition = derive_partition(message.key, partitions)
    log = (message.topic, partition)
    offset = db.execute(
        'SELECT next_offset FROM partition_ends WHERE topic = ? AND "partition" = ?', log
    ).fetchone()[0]
    db.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", (*log, offset, message.key, message.value, now_ms)
    )
    db.execute(
        'UPDATE partition_ends SET next_offset = ? WHERE topic = ? AND "partition" = ?', (offset + 1, *log)
    )
    if retention_ms >= 0:
        _expire(db, log, now_ms - retention_ms)
    return Position(partition, offset)


def _expire(db: sqlite3.Connection, log: tuple[str, int], before_ms: int) -> None:
    """Delete the oldest records of a partition once they are too old."""
    db.execute(
        'DELETE FROM records WHERE topic = ? AND "partition" = ? AND published_at_ms < ? AND "offset" IN ('
        '  SELECT "offset" FROM records WHERE topic = ? AND "partition" = ? ORDER BY "offset" LIMIT ?)',
        (*log, before_ms, *log, _EXPIRED_PER_PUBLISH),
    )
