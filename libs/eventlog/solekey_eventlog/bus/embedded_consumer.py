"""A member of a consumer group on the embedded bus.

Members hold a lease in ``group_members``. When one joins, leaves or lets its lease lapse, partitions are
dealt out again; each change of owner raises the partition's ``claim``, so that a commit by an owner from
before the change is refused: it could move the group backwards.
"""

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from solekey_eventlog.bus.embedded_store import Signal, Store, read_page, read_settings
from solekey_eventlog.bus.errors import BusUnavailableError, PartitionLostError
from solekey_eventlog.bus.interface import Record, TopicPartition

_log = logging.getLogger(__name__)

_LOOK_S = 0.05  # how often to look for what other processes published
_POLL_RECORDS = 500
_RENEWALS_PER_LEASE = 4


@dataclass(slots=True)
class _Claim:
    """A partition that this member owns: from where on it was delivered, and what comes next."""

    number: int
    first_offset: int
    next_offset: int


class EmbeddedConsumer:
    """A Consumer on a SQLite file, with a connection of its own."""

    def __init__(
        self,
        store: Store,
        signal: Signal,
        group: str,
        topics: tuple[str, ...],
        *,
        lease_s: float,
        from_end: bool,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._signal = signal
        self._group = group
        self._topics = topics
        self._lease_s = lease_s
        self._from_end = from_end
        self._clock = clock
        self._member = uuid.uuid4().hex
        self._claims: dict[TopicPartition, _Claim] = {}
        self._renew_at = 0.0  # monotonic seconds
        self._version: int | None = None
        self._lock = threading.Lock()
        self._closed = False

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """See Consumer.poll."""
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            given = self._signal.count
            with self._lock:
                records = () if self._closed else self._look()
            left_s = deadline - time.monotonic()
            if records or left_s <= 0:
                return records
            self._signal.wait(given, min(left_s, _LOOK_S))
        return ()

    def commit(self, record: Record) -> None:
        """See Consumer.commit."""
        log = TopicPartition(record.topic, record.partition)
        claim = self._require_delivered(record)
        with self._store.write() as db:
            owner = db.execute(
                "SELECT member, claim FROM group_assignments "
                'WHERE group_name = ? AND topic = ? AND "partition" = ?',
                (self._group, *log),
            ).fetchone()
            if owner != (self._member, claim.number):
                raise PartitionLostError(f"{log.topic}/{log.partition}: given to another member")
            db.execute(
                "INSERT OR REPLACE INTO group_offsets VALUES (?, ?, ?, ?)",
                (self._group, *log, record.offset + 1),
            )
            db.execute(
                "UPDATE group_members SET seen_at_ms = ? WHERE group_name = ? AND member = ?",
                (self._now_ms(), self._group, self._member),
            )

    def seek(self, record: Record) -> None:
        """See Consumer.seek."""
        self._require_delivered(record).next_offset = record.offset
        self._version = None

    def committed(self, topic: str, partition: int) -> int | None:
        """See Consumer.committed."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT next_offset FROM group_offsets "
                'WHERE group_name = ? AND topic = ? AND "partition" = ?',
                (self._group, topic, partition),
            ).fetchone()
        return None if row is None else int(row[0])

    def assignment(self) -> frozenset[TopicPartition]:
        """See Consumer.assignment."""
        return frozenset(self._claims)

    def close(self) -> None:
        """See Consumer.close."""
        if self._closed:
            return
        self._closed = True
        self._signal.give()
        with self._lock:
            try:
                with self._store.write() as db:
                    _remove_member(db, self._group, self._member)
                    _deal(db, self._group)
            except BusUnavailableError as error:
                _log.warning("group %s: not left, the lease will lapse: %s", self._group, error)
            self._claims.clear()
            self._store.close()
        self._signal.give()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self) -> Sequence[Record]:
        """Fetch what there is, unless the file has not changed since there was nothing."""
        if time.monotonic() >= self._renew_at:
            self._renew()
        version = self._store.version()
        if version == self._version:
            return ()
        with self._store.read() as db:
            self._claims = self._read_claims(db)
            records = self._fetch(db)
        self._version = None if records else version
        return records

    def _renew(self) -> None:
        """Join or stay in the group; put out members whose lease has lapsed."""
        now_ms = self._now_ms()
        with self._store.write() as db:
            known = db.execute(
                "UPDATE group_members SET seen_at_ms = ? WHERE group_name = ? AND member = ?",
                (now_ms, self._group, self._member),
            ).rowcount
            if not known:
                for topic in self._topics:
                    read_settings(db, topic)
                db.executemany(
                    "INSERT INTO group_members VALUES (?, ?, ?, ?)",
                    [(self._group, self._member, topic, now_ms) for topic in self._topics],
                )
            lapsed = db.execute(
                "DELETE FROM group_members WHERE group_name = ? AND seen_at_ms < ?",
                (self._group, now_ms - int(self._lease_s * 1000)),
            ).rowcount
            if lapsed or not known:
                _deal(db, self._group)
        self._version = None
        self._renew_at = time.monotonic() + self._lease_s / _RENEWALS_PER_LEASE

    def _read_claims(self, db: sqlite3.Connection) -> dict[TopicPartition, _Claim]:
        """Read which partitions are ours; a new one starts where the group has committed."""
        rows = db.execute(
            'SELECT topic, "partition", claim, next_offset FROM group_assignments '
            'LEFT JOIN group_offsets USING (group_name, topic, "partition") '
            "WHERE group_name = ? AND member = ? ORDER BY 1, 2",
            (self._group, self._member),
        )
        claims = {}
        for topic, partition, number, committed in rows.fetchall():
            log = TopicPartition(topic, partition)
            held = self._claims.get(log)
            if held is None or held.number != number:
                start = committed if committed is not None else self._read_start(db, log)
                held = _Claim(number, start, start)
            claims[log] = held
        return claims

    def _read_start(self, db: sqlite3.Connection, log: TopicPartition) -> int:
        if not self._from_end:
            return 0
        row = db.execute('SELECT next_offset FROM partition_ends WHERE topic = ? AND "partition" = ?', log)
        return int(row.fetchone()[0])

    def _fetch(self, db: sqlite3.Connection) -> list[Record]:
        """Fetch an equal share from every partition, so that a long one does not starve the others."""
        records: list[Record] = []
        share = max(1, _POLL_RECORDS // max(1, len(self._claims)))
        for log, claim in self._claims.items():
            page = read_page(db, log, claim.next_offset, limit=share)
            if page:
                claim.next_offset = page[-1].offset + 1
                records += page
        return records

    def _require_delivered(self, record: Record) -> _Claim:
        """Find the claim under which this record was delivered. Raises PartitionLostError."""
        claim = self._claims.get(TopicPartition(record.topic, record.partition))
        if claim is None or not claim.first_offset <= record.offset < claim.next_offset:
            raise PartitionLostError(f"{record.topic}/{record.partition}: record {record.offset} is not held")
        return claim

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _remove_member(db: sqlite3.Connection, group: str, member: str) -> None:
    db.execute("DELETE FROM group_members WHERE group_name = ? AND member = ?", (group, member))


def _deal(db: sqlite3.Connection, group: str) -> None:
    """Deal each topic's partitions out to its members, and raise the claim of those that change hands."""
    members: dict[str, list[str]] = {}
    rows = db.execute(
        "SELECT topic, member FROM group_members WHERE group_name = ? ORDER BY member", (group,)
    )
    for topic, member in rows.fetchall():
        members.setdefault(topic, []).append(member)
    for topic, names in members.items():
        partitions, _ = read_settings(db, topic)
        db.executemany(
            "INSERT INTO group_assignments VALUES (?, ?, ?, ?, 1) "
            'ON CONFLICT (group_name, topic, "partition") DO UPDATE '
            "SET member = excluded.member, claim = claim + 1 WHERE member != excluded.member",
            [(group, topic, partition, names[partition % len(names)]) for partition in range(partitions)],
        )
