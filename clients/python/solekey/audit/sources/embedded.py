"""The embedded bus: one SQLite file. It is evidence: nothing is written to it, and nothing beside it.

SQLite makes files beside a database that it opens with a write-ahead log, also to read. A database without
one is opened as immutable; else a copy of both is read. Only beside a running platform, whose files change
while they are copied, is it opened in place, where these files are already.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from solekey.audit.sources.errors import LogError, LogIncompleteError
from solekey.audit.sources.log import EXPORTED_TOPICS, BusPlace, BusState, Extent, Ranges, Record, TopicState
from solekey.files.scratch import copy_scratch

_SQLITE_HEADER_BYTES: Final = 100
_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_COPY_ATTEMPTS: Final = 5

_State = tuple[tuple[int, int] | None, ...]


class EmbeddedLog:
    """An embedded bus, as of one moment.

    Raises:
        LogError: no bus is there, or it cannot be read.
        LogIncompleteError: it was copied while it was in use, without its write-ahead log.
    """

    objects = None
    bundles = ()

    def __init__(self, path: Path) -> None:
        try:
            is_there = path.is_file()
        except (OSError, ValueError):  # no name that this system can have
            is_there = False
        if not is_there:
            raise LogError(f"{path}: no embedded bus is there")
        self._path = path
        self.name = f"embedded://{path}"
        with self._open() as database:
            self.bus: BusState = _read_state(database)

    @property
    def total(self) -> int:
        """How many records it holds at most."""
        return self.bus.count

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:
        """See Log.records. What was published since it was opened is left out."""
        query = (
            'SELECT "offset", "key", value, published_at_ms FROM records '
            'WHERE topic = ? AND "partition" = ? AND "offset" >= ? AND "offset" < ? ORDER BY "offset"'
        )
        with self._open() as database:
            for (topic, partition), extent in (self.bus.ranges() if ranges is None else ranges).items():
                rows = database.execute(query, (topic, partition, extent.start, extent.end))
                for offset, key, value, at_ms in rows:
                    place = BusPlace(topic, partition, _as_number(offset))
                    yield Record(_as_bytes(value), place, _as_bytes(key), _as_number(at_ms))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the database for the length of the block."""
        with tempfile.TemporaryDirectory(prefix="solekey-audit-") as folder:
            uri = _find_readable(self._path, Path(folder))
            database = None
            try:
                database = sqlite3.connect(uri, uri=True, isolation_level=None)
                database.text_factory = bytes
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
                database.execute("PRAGMA trusted_schema = OFF")  # the operator made the file
                database.execute("BEGIN")
                yield database
            except sqlite3.Error as error:
                raise LogError(f"{self._path}: {error}") from error
            finally:
                if database is not None:
                    database.close()


def _find_readable(path: Path, folder: Path) -> str:
    """Find how to open a database without writing beside it: in place, or as a copy in ``folder``."""
    wal, journal = (path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal"))
    try:
        if not _has_content(wal):
            _verify_whole(path, wal)
            if _has_content(journal):
                raise LogIncompleteError(
                    f"{path} was copied while it was written: {journal.name} is beside it"
                )
            return f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        for _ in range(_COPY_ATTEMPTS):
            before = _look_at(path, wal)
            for source in (path, wal):
                copy_scratch(source, folder)
            if _look_at(path, wal) == before:
                return f"{(folder / path.name).as_uri()}?mode=ro"
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}") from error
    if not path.with_name(f"{path.name}-shm").exists():
        raise LogIncompleteError(f"{path} changed while it was copied")
    return f"{path.absolute().as_uri()}?mode=ro"


def _look_at(*paths: Path) -> _State:
    return tuple((path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else None for path in paths)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _verify_whole(path: Path, wal: Path) -> None:
    """Verify that no records are in a write-ahead log that is not here (SQLite file format §1.3.3)."""
    with path.open("rb") as file:
        header = file.read(_SQLITE_HEADER_BYTES)
    if header[18:20] == b"\x02\x02" and not wal.exists():
        raise LogIncompleteError(f"{path} was copied while it was in use, without {wal.name}")


def _read_state(database: sqlite3.Connection) -> BusState:
    partitions: dict[str, dict[int, Extent]] = {}
    query = (
        'SELECT ends.topic, ends."partition", next_offset, (SELECT min("offset") FROM records AS held '
        'WHERE held.topic = ends.topic AND held."partition" = ends."partition") FROM partition_ends AS ends'
    )
    for topic, partition, end, start in database.execute(query):
        extent = Extent(_as_number(end if start is None else start), _as_number(end))
        partitions.setdefault(_as_text(topic), {})[_as_number(partition)] = extent
    topics = {
        _as_text(name): TopicState(
            partitions.get(_as_text(name), {}),
            {"cleanup.policy": "delete", "retention.ms": str(_as_number(retention_ms))},
            exported=_as_text(name) in EXPORTED_TOPICS,
        )
        for name, retention_ms in database.execute("SELECT name, retention_ms FROM topics")
    }
    for topic, found in partitions.items():
        topics.setdefault(topic, TopicState(found, exported=topic in EXPORTED_TOPICS))
    _add_unlisted(database, topics)
    return BusState("embedded", None, topics)


def _add_unlisted(database: sqlite3.Connection, topics: dict[str, TopicState]) -> None:
    """Add topics whose records lie in the file although its own lists do not name them."""
    query = 'SELECT topic, "partition", min("offset"), max("offset") FROM records GROUP BY topic, "partition"'
    for topic, partition, start, last in database.execute(query):
        name, number = _as_text(topic), _as_number(partition)
        state = topics.get(name, TopicState({}, exported=name in EXPORTED_TOPICS))
        known = state.partitions.get(number, Extent(_as_number(start), 0))
        extent = Extent(known.start, max(known.end, _as_number(last) + 1))
        topics[name] = TopicState({**state.partitions, number: extent}, state.settings, state.exported)


def _as_number(value: object) -> int:
    if not isinstance(value, int):
        raise sqlite3.DataError("expected a number; is this a bus file?")
    return value


def _as_text(value: object) -> str:
    if not isinstance(value, bytes):
        raise sqlite3.DataError("expected a text; is this a bus file?")
    return value.decode(errors="backslashreplace")


def _as_bytes(value: object) -> bytes | None:
    if value is not None and not isinstance(value, bytes):
        raise sqlite3.DataError("expected bytes; is this a bus file?")
    return value
