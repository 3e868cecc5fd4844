"""A list of what is stored, by account, in a file: it may be far larger than memory."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from solekey.audit.bundle.stored import StoredRow
from solekey.audit.sources.errors import LogError
from solekey.audit.sources.log import StoredObjects
from solekey_protocol.ids import AccountId, Timestamp
from solekey_protocol.services import Stream


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """Finds what is stored for an account. Pickles: processes open the file by its path.

    Attributes:
        path: the file, in the audit's own folder.
        services: the services whose lists these are, and when each was made.
    """

    path: Path
    services: Mapping[str, Timestamp]

    @classmethod
    def make(cls, stored: StoredObjects, path: Path) -> "StoredIndex":
        """Sort a list by account. Raises LogError for one that is none."""
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute(
                "CREATE TABLE rows (account TEXT, kind TEXT, digest TEXT, found TEXT, size INTEGER, "
                "claimed INTEGER, stored_at TEXT, dropped INTEGER, content BLOB, stream TEXT, seq INTEGER)"
            )
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_flatten, stored.rows())
            )
            _index(database)
            database.execute("COMMIT")
        return cls(path, dict(stored.services()))

    def find(self, account: AccountId) -> dict[tuple[str, str], StoredRow]:
        """Find what is stored for an account, by kind and digest; of an event, by kind and place."""
        rows: dict[tuple[str, str], StoredRow] = {}
        for row in self._query("SELECT * FROM rows WHERE account = ?", str(account)):
            kind, stream, seq = str(row[1]), row[9], row[10]
            name = f"{stream}:{seq}" if kind == "event" else str(row[2])
            rows[kind, name] = StoredRow(
                kind,
                account,
                row[2],
                row[3],
                row[4],
                bool(row[5]),
                None if row[6] is None else Timestamp(row[6]),
                bool(row[7]),
                row[8],
                None if stream is None else Stream(stream),
                seq,
            )
        return rows

    def accounts(self) -> list[AccountId]:
        """The accounts that something is stored for."""
        query = "SELECT DISTINCT account FROM rows WHERE account IS NOT NULL ORDER BY 1"
        return [AccountId(row[0]) for row in self._query(query)]

    def blobs(self) -> list[tuple[str, int]]:
        """Bytes that no row names: their names and sizes."""
        return [(row[0], row[1]) for row in self._query("SELECT digest, size FROM rows WHERE kind = 'blob'")]

    def _query(self, query: str, *values: str) -> Iterator[tuple]:  # type: ignore[type-arg]  # as SQLite has it
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as database:
            yield from database.execute(query, values).fetchall()


def _index(database: sqlite3.Connection) -> None:
    """Index the rows; one that is there twice could say two things. Raises LogError."""
    database.execute("CREATE INDEX by_account ON rows (account)")
    name = "account, kind, CASE kind WHEN 'event' THEN stream || ':' || seq ELSE digest END"
    twice = database.execute(f"SELECT {name} FROM rows GROUP BY {name} HAVING count(*) > 1").fetchone()  # noqa: S608  # no value is in it
    if twice is not None:
        raise LogError(f"the list of what is stored names {' '.join(map(str, twice))} twice")


def _flatten(row: StoredRow) -> tuple[object, ...]:
    return (
        row.account,
        row.kind,
        row.digest,
        row.found,
        row.size,
        row.claimed,
        row.stored_at,
        row.dropped,
        row.content,
        row.stream.value if row.stream else None,
        row.seq,
    )
