"""The SQLite file of the embedded bus: schema, connections, transactions, and the signal of a new record.

A write waits for its turn in Python and not in SQLite's busy handler, because that one would stop every
green thread of the process. Inside a transaction nothing yields but its commit, which waits for the disk.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from solekey_eventlog.bus.errors import BusConfigurationError, BusUnavailableError
from solekey_eventlog.bus.interface import Record, TopicPartition
from solekey_eventlog.offload import Offload, make_connection_class, run_here

_TURN_WAIT_S = 0.005
_SCHEMA_VERSION = 1
_MAX_OFFSET = 2**63 - 1
_SCHEMA = (
    """CREATE TABLE topics (
        name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention_ms INTEGER NOT NULL,
        log_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE partition_ends (
        topic TEXT NOT NULL, "partition" INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, "partition")
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE records (
        topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
        "key" TEXT NOT NULL, value BLOB NOT NULL, published_at_ms INTEGER NOT NULL,
        PRIMARY KEY (topic, "partition", "offset")
    ) STRICT""",
    """CREATE TABLE group_offsets (
        group_name TEXT NOT NULL, topic TEXT NOT NULL, "partition" INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (group_name, topic, "partition")
    ) STRICT, WITHOUT ROWID""",
)


class Signal:
    """Wakes the consumers of one file in this process; other processes look at the file now and then."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it was given: read it before looking, pass it to ``wait``, and nothing is missed."""
        return self._count

    def give(self) -> None:
        """Wake everyone who waits."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until it was given since ``seen``, or for ``timeout_s``."""
        with self._condition:
            if self._count == seen:
                self._condition.wait(timeout_s)


_signals: WeakValueDictionary[Path, Signal] = WeakValueDictionary()
_signals_lock = threading.Lock()


def open_signal(path: Path) -> Signal:
    """Return the signal that all buses on this file share in this process."""
    path = path.resolve()
    with _signals_lock:
        signal = _signals.get(path)
        if signal is None:
            signal = _signals[path] = Signal()
        return signal


class Store:
    """One connection. Its lock makes it safe to share; a transaction holds the lock from begin to end."""

    def __init__(
        self,
        path: Path,
        timeout_s: float,
        *,
        synchronous: Literal["FULL", "NORMAL"],
        offload: Offload = run_here,
    ) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                factory=make_connection_class(offload),
            )
        self.path = path
        try:
            with _translated(path):
                self._in_turn(lambda: self._db.execute("PRAGMA journal_mode = WAL"))
                self._db.execute(f"PRAGMA synchronous = {synchronous}")
            self._make_schema()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give one consistent view of the file for the length of the block."""
        with self._lock, _translated(self.path):
            self._in_turn(lambda: self._db.execute("BEGIN"))
            try:
                yield self._db
            finally:
                self._db.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the one write transaction; it is committed, durably, when the block ends without an error."""
        with self._lock, _translated(self.path):
            self._in_turn(lambda: self._db.execute("BEGIN IMMEDIATE"))
            try:
                yield self._db
                self._db.commit()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """Return a number that changes when another connection has changed the file."""
        with self._lock, _translated(self.path):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; the last one leaves a file that is whole without a write-ahead log.

        Its header says so: whoever reads a copy can tell it from one that was made while the file was in use.
        """
        with self._lock:
            with suppress(sqlite3.OperationalError, sqlite3.ProgrammingError):  # in use by others; closed
                self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.close()

    def _in_turn(self, begin: Callable[[], object]) -> None:
        """Repeat until SQLite is not busy, for as long as the configuration allows."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                begin()
            except sqlite3.OperationalError as error:
                busy = (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() >= deadline:
                    raise
                time.sleep(_TURN_WAIT_S)
            else:
                return

    def _make_schema(self) -> None:
        with self.read() as db:
            version = _read_schema_version(db)
        if version == 0:
            with self.write() as db:
                if (version := _read_schema_version(db)) == 0:
                    for statement in _SCHEMA:
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                    version = _SCHEMA_VERSION
        if version != _SCHEMA_VERSION:
            raise BusConfigurationError(
                f"{self.path}: schema {version}, this release reads {_SCHEMA_VERSION}"
            )


def read_page(
    db: sqlite3.Connection, log: TopicPartition, start: int, *, limit: int, end: int = _MAX_OFFSET
) -> list[Record]:
    """Read up to ``limit`` records of one partition from ``start`` to before ``end``."""
    rows = db.execute(
        'SELECT topic, "partition", "offset", "key", value FROM records '
        'WHERE topic = ? AND "partition" = ? AND "offset" >= ? AND "offset" < ? ORDER BY "offset" LIMIT ?',
        (*log, start, end, limit),
    )
    return [Record(*row) for row in rows]


def read_settings(db: sqlite3.Connection, topic: str) -> tuple[int, int]:
    """Read a topic's (partitions, retention_ms). Raises BusConfigurationError when there is none."""
    row = db.execute("SELECT partitions, retention_ms FROM topics WHERE name = ?", (topic,)).fetchone()
    if row is None:
        raise BusConfigurationError(f"topic {topic}: does not exist; create_topics makes it")
    return row[0], row[1]


def _read_schema_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into the bus's."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise BusUnavailableError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise BusConfigurationError(f"{path}: {error}; is this a bus file?") from error
