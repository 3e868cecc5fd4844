"""A copy of topics in a scratch file, sorted by account, beside what the database has of them.

The log has the events of an account far apart, and memory is too small to wait for them all. SQLite keeps the
file where temporary files are, under no name, and it is gone once the copy is closed.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from solekey_eventlog.bus import Record
from solekey_eventlog.scratch import open_scratch

UNREADABLE: Final = 0
_CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = (
    "CREATE TABLE records (account TEXT, stream INTEGER, seq INTEGER, value BLOB, place TEXT)",
    """CREATE TABLE live (account TEXT, stream INTEGER, seq INTEGER, digest TEXT, noted TEXT,
        PRIMARY KEY (account, stream, seq)) WITHOUT ROWID""",
    "CREATE TABLE parked (account TEXT, stream INTEGER, digest TEXT)",
    "CREATE TABLE differing (account TEXT PRIMARY KEY) WITHOUT ROWID",
)
_SEQ: Final = b'"seq":'


class CopiedRecord(NamedTuple):
    """A record, and the digest of the live event at its place.

    Attributes:
        account: its key.
        stream: the index of its stream.
        seq: the place that its bytes seem to name; UNREADABLE when they name none.
        value: its bytes.
        live: the digest that the database has at the place; None: it has no event there, or damage.
    """

    account: str
    stream: int
    seq: int
    value: bytes
    live: str | None


class LogCopy:
    """Fill it, ``sort`` it, then read it."""

    def __init__(self) -> None:
        self._db = open_scratch(_SCHEMA, cache_kib=_CACHE_KIB)

    def add_records(self, stream: int, records: Iterable[Record]) -> None:
        """Add the records of a topic, in the order of the log."""
        rows = (
            (record.key, stream, find_seq(record.value), record.value, f"{record.partition}/{record.offset}")
            for record in records
        )
        self._fill("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)

    def add_live(self, rows: Iterable[tuple[str, int, int, str, str]]) -> None:
        """Add events of the inbox: account, stream, seq, the digest of the bytes, and the one beside them."""
        self._fill("INSERT INTO live VALUES (?, ?, ?, ?, ?)", rows)

    def add_parked(self, rows: Iterable[tuple[str, int, str]]) -> None:
        """Add parked events: account, stream, digest."""
        self._fill("INSERT INTO parked VALUES (?, ?, ?)", rows)

    def sort(self) -> None:
        """Sort what was added, once, and note the accounts that differ at first sight.

        These are the accounts with parked events, and those with events that the log does not have at all.
        """
        self._db.execute("CREATE INDEX records_sorted ON records (account, stream, seq)")
        self._db.execute("CREATE INDEX parked_sorted ON parked (account)")
        self._db.execute("INSERT INTO differing SELECT DISTINCT account FROM parked")
        self._db.execute(
            """INSERT OR IGNORE INTO differing SELECT DISTINCT account FROM live WHERE NOT EXISTS (
                SELECT 1 FROM records AS r
                WHERE r.account = live.account AND r.stream = live.stream AND r.seq = live.seq)"""
        )

    def read(self) -> Iterator[CopiedRecord]:
        """Yield all records by account, stream and place; those of one place in the order of the log."""
        rows = self._db.execute(
            """SELECT r.account, r.stream, r.seq, r.value, live.digest FROM records AS r
            LEFT JOIN live ON live.account = r.account AND live.stream = r.stream AND live.seq = r.seq
                AND live.digest = live.noted
            ORDER BY r.account, r.stream, r.seq, r.rowid"""
        )
        return (CopiedRecord(*row) for row in rows)

    def note_differing(self, accounts: Iterable[str]) -> None:
        """Note accounts whose events are not what the log amounts to."""
        self._db.executemany("INSERT OR IGNORE INTO differing VALUES (?)", [(each,) for each in accounts])

    def differing(self) -> Iterator[str]:
        """Yield the accounts that differ."""
        return (account for (account,) in self._db.execute("SELECT account FROM differing ORDER BY 1"))

    def records_of(self, account: str) -> Iterator[tuple[int, bytes, str]]:
        """Yield stream, bytes and place of an account's records: stream by stream, in the log's order."""
        query = "SELECT stream, value, place FROM records WHERE account = ? ORDER BY stream, rowid"
        return iter(self._db.execute(query, (account,)))

    def stored_of(self, account: str) -> list[tuple[int, str, str]]:
        """List all that the database has of an account, parked events included: stream, and both digests.

        They differ where the row is damaged; either may name the event that it was.
        """
        query = """SELECT stream, digest, noted FROM live WHERE account = ?1
            UNION ALL SELECT stream, digest, digest FROM parked WHERE account = ?1"""
        return self._db.execute(query, (account,)).fetchall()

    def heads_of(self, account: str) -> dict[int, int]:
        """Return how far the inbox has applied each stream of an account, by the stream's index."""
        query = "SELECT stream, max(seq) FROM live WHERE account = ? GROUP BY stream"
        return dict(self._db.execute(query, (account,)))

    def close(self) -> None:
        """Delete the scratch file."""
        self._db.close()

    def _fill(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_seq(value: bytes) -> int:
    """Find the place that a record names, without parsing it: a hint to sort by; the parser confirms it."""
    start = value.rfind(_SEQ) + len(_SEQ)
    digits = value[start : value.find(b",", start)]
    if start < len(_SEQ) or not digits.isdigit() or len(digits) > 15:
        return UNREADABLE
    return int(digits)
