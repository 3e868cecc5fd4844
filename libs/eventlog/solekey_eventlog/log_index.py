"""What a topic and a database hold, by digest, in a scratch file: millions of events in flat memory.

SQLite keeps the file where temporary files are, under no name, and it is gone once the index is closed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from solekey_eventlog.bus import Record
from solekey_eventlog.scratch import open_scratch
from solekey_protocol.ids import compute_digest

_CACHE_KIB: Final = 16 * 1024
_SCHEMA: Final = (
    'CREATE TABLE logged (account TEXT, digest TEXT, "partition" INTEGER, "offset" INTEGER)',
    "CREATE TABLE stored (account TEXT, seq INTEGER, digest TEXT, waits INTEGER)",
)
_INDEXES: Final = (
    "CREATE INDEX logged_digests ON logged (digest, account)",
    "CREATE INDEX stored_digests ON stored (digest, account)",
)
_OF_LOG: Final = "logged.digest = stored.digest AND logged.account = stored.account"


class StoredPlace(NamedTuple):
    """An event that the database has; ``waits``: it is parked, or not published yet."""

    account: str
    seq: int
    digest: str
    waits: bool


class LoggedPlace(NamedTuple):
    """A record that the topic has; ``account`` is its key."""

    account: str
    digest: str
    partition: int
    offset: int


class LogIndex:
    """Fill it with ``add_stored`` first and ``add_logged`` then, as what is published was stored before."""

    def __init__(self) -> None:
        self._db = open_scratch(_SCHEMA, cache_kib=_CACHE_KIB)

    def add_stored(self, places: Iterable[StoredPlace]) -> None:
        """Add events of the database."""
        with self._filling():
            self._db.executemany("INSERT INTO stored VALUES (?, ?, ?, ?)", places)

    def add_logged(self, records: Iterable[Record]) -> None:
        """Add records of the topic, and be ready to be asked."""
        rows = ((each.key, compute_digest(each.value), each.partition, each.offset) for each in records)
        with self._filling():
            self._db.executemany("INSERT INTO logged VALUES (?, ?, ?, ?)", rows)
        for statement in _INDEXES:
            self._db.execute(statement)

    def count(self) -> tuple[int, int]:
        """Count the records of the topic, and the events of the database."""
        query = "SELECT (SELECT count(*) FROM logged), (SELECT count(*) FROM stored)"
        logged, stored = self._db.execute(query).fetchone()
        return logged, stored

    def missing(self) -> Iterator[StoredPlace]:
        """Yield the events that the topic does not have, by account and place."""
        query = f"""SELECT account, seq, digest, waits FROM stored
            WHERE NOT EXISTS (SELECT 1 FROM logged WHERE {_OF_LOG}) ORDER BY account, seq"""  # noqa: S608  # our own names
        return (StoredPlace(account, *rest) for account, *rest in self._db.execute(query))

    def unknown(self) -> Iterator[LoggedPlace]:
        """Yield the records that the database does not have, in the order of the log."""
        query = f"""SELECT account, digest, "partition", "offset" FROM logged
            WHERE NOT EXISTS (SELECT 1 FROM stored WHERE {_OF_LOG}) ORDER BY 3, 4"""  # noqa: S608  # our own names
        return (LoggedPlace(*row) for row in self._db.execute(query))

    def misplaced(self, derive: Callable[[str], int]) -> Iterator[LoggedPlace]:
        """Yield the records that are not in the partition that ``derive`` gives for their key."""
        query = 'SELECT DISTINCT account, "partition" FROM logged'
        wrong = [row for row in self._db.execute(query) if derive(row[0]) != row[1]]
        for account, partition in wrong:
            place = 'account = ? AND "partition" = ?'
            query = f'SELECT account, digest, "partition", "offset" FROM logged WHERE {place}'  # noqa: S608  # our own names
            yield from (LoggedPlace(*row) for row in self._db.execute(query, (account, partition)))

    def has_logged(self, account: str, digest: str) -> bool:
        """Tell whether the topic has an event."""
        found = self._db.execute("SELECT 1 FROM logged WHERE digest = ? AND account = ?", (digest, account))
        return found.fetchone() is not None

    def tails(self) -> dict[int, LoggedPlace]:
        """Return the last record of each partition that has one."""
        query = 'SELECT account, digest, "partition", max("offset") FROM logged GROUP BY "partition"'
        return {row[2]: LoggedPlace(*row) for row in self._db.execute(query)}

    def close(self) -> None:
        """Delete the scratch file."""
        self._db.close()

    def _filling(self) -> "_Transaction":
        return _Transaction(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Transaction:
    """One transaction of the scratch file; after an error nobody reads it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        self._db.execute("COMMIT")
