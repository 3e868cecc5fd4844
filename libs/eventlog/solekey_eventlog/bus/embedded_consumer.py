"""The one member of a consumer group on the embedded bus.

The platform that this bus is for is one process, so a group has one member, which reads all partitions of its
topics; the file keeps how far the group is. A second member is refused. Decision: docs/decisions/0056.
"""

import fcntl
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from solekey_eventlog.bus.embedded_store import Signal, Store, read_page, read_settings
from solekey_eventlog.bus.errors import BusConfigurationError, BusUnavailableError, PartitionLostError
from solekey_eventlog.bus.interface import Record, TopicPartition

_POLL_S = 0.05  # how often to look for what other processes published
_POLL_RECORDS = 500


@dataclass(slots=True)
class _Progress:
    """How far a partition was delivered to this member: from where on, and what comes next."""

    first_offset: int
    next_offset: int


class EmbeddedConsumer:
    """A Consumer on a SQLite file, with a connection of its own."""

    def __init__(
        self, store: Store, signal: Signal, group: str, topics: tuple[str, ...], *, from_end: bool
    ) -> None:
        self._store = store
        self._signal = signal
        self._group = group
        self._topics = topics
        self._from_end = from_end
        self._member_lock: IO[bytes] | None = None
        self._progress: dict[TopicPartition, _Progress] = {}
        self._version: int | None = None
        self._lock = threading.Lock()
        self._closed = False

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """See Consumer.poll. Raises BusConfigurationError when the group has a member already."""
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            given = self._signal.count
            with self._lock:
                records = () if self._closed else self._fetch_news()
            left_s = deadline - time.monotonic()
            if records or left_s <= 0:
                return records
            self._signal.wait(given, min(left_s, _POLL_S))
        return ()

    def commit(self, *records: Record) -> None:
        """See Consumer.commit."""
        held = [record for record in records if self._is_delivered(record)]
        if held:
            with self._store.write() as db:
                db.executemany(
                    "INSERT OR REPLACE INTO group_offsets VALUES (?, ?, ?, ?)",
                    [(self._group, one.topic, one.partition, one.offset + 1) for one in held],
                )
        for record in records:
            self._require_delivered(record)

    def seek(self, record: Record) -> None:
        """See Consumer.seek."""
        self._require_delivered(record).next_offset = record.offset
        self._version = None

    def close(self) -> None:
        """See Consumer.close."""
        if self._closed:
            return
        self._closed = True
        self._signal.give()
        with self._lock:
            self._progress.clear()
            self._store.close()
            if self._member_lock is not None:
                self._member_lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetch_news(self) -> Sequence[Record]:
        """Fetch what there is, unless the file has not changed since there was nothing."""
        if not self._progress:
            self._join()
        version = self._store.version()
        if version == self._version:
            return ()
        with self._store.read() as db:
            records = self._fetch(db)
        self._version = None if records else version
        return records

    def _join(self) -> None:
        """Become the group's member, and start where the group has committed."""
        if not self._from_end and self._member_lock is None:  # whoever reads from the end commits nothing
            self._member_lock = _lock_group(self._store.path, self._group)
        with self._store.read() as db:
            self._progress = {
                TopicPartition(topic, partition): self._read_progress(db, TopicPartition(topic, partition))
                for topic in self._topics
                for partition in range(read_settings(db, topic)[0])
            }

    def _read_progress(self, db: sqlite3.Connection, log: TopicPartition) -> _Progress:
        if self._from_end:
            query = 'SELECT next_offset FROM partition_ends WHERE topic = ? AND "partition" = ?'
            row = db.execute(query, log).fetchone()
        else:
            row = db.execute(
                "SELECT next_offset FROM group_offsets "
                'WHERE group_name = ? AND topic = ? AND "partition" = ?',
                (self._group, *log),
            ).fetchone()
        start = 0 if row is None else int(row[0])
        return _Progress(start, start)

    def _fetch(self, db: sqlite3.Connection) -> list[Record]:
        """Fetch an equal share from every partition, so that a long one does not starve the others."""
        records: list[Record] = []
        share = max(1, _POLL_RECORDS // max(1, len(self._progress)))
        for log, progress in self._progress.items():
            page = read_page(db, log, progress.next_offset, limit=share)
            if page:
                progress.next_offset = page[-1].offset + 1
                records += page
        return records

    def _is_delivered(self, record: Record) -> bool:
        progress = self._progress.get(TopicPartition(record.topic, record.partition))
        return progress is not None and progress.first_offset <= record.offset < progress.next_offset

    def _require_delivered(self, record: Record) -> _Progress:
        """Find the partition's progress if this record was delivered. Raises PartitionLostError."""
        if not self._is_delivered(record):
            raise PartitionLostError(f"{record.topic}/{record.partition}: record {record.offset} is not held")
        return self._progress[TopicPartition(record.topic, record.partition)]


def _lock_group(bus: Path, group: str) -> IO[bytes]:
    """Take the lock of a group, a file beside the bus. It is free again when closed, or its process ends."""
    try:
        file = Path(f"{bus}.{group}.lock").open("ab")  # noqa: SIM115 - the consumer closes it
    except OSError as error:
        raise BusUnavailableError(f"{bus}: {error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise BusConfigurationError(
            f"{bus}: group {group} has a member already. The embedded bus gives a group to one member: "
            "end the other process, or run the services on Kafka"
        ) from error
    return file
