"""The file of sealed rows: SQLite, one transaction a step, and what is in it opens only while unlocked.

In clear stand what the server knows too (item ids, epochs, commit numbers), how many items there are, and for
each name a tag that only the key can make. What is damaged, of another account or of another key is dropped:
everything in it can be had again. Spec: item-index.md §3, ADR 0080.
"""

import hmac
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from struct import Struct
from typing import Any, Final, Self, TypeVar

from solekey.crypto.index_key import IndexKey
from solekey.errors import OpenError, WipedSecretError
from solekey.vault.index.index_database import (
    IN_MEMORY,
    DamagedFileError,
    connect,
    copy_in_memory,
    delete_index_file,
    naming_failures,
    open_database,
)
from solekey.vault.index.index_writer import TAG_MODULUS, IndexWriter
from solekey.vault.index.rows import (
    IndexHead,
    IndexRow,
    StoredRow,
    parse_index_head,
    parse_index_row,
    read_tag,
)
from solekey.vault.names import fold_name
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import ItemId

T = TypeVar("T")
DAMAGED: Final = (DamagedFileError, OpenError, MalformedError)
"""What says that the file is not what was written: it is dropped, and folded anew."""

PAGE_ROWS: Final = 512
_RECENT_ROWS: Final = 16_384
"""Rows that stay open in memory, about 1 KiB each: a commit looks at each of its items several times."""
_HEAD_PLACE: Final = b""
_PLACE: Final = Struct(">16sIQ")
_SELECT: Final = "SELECT id, name, epoch, content_in, sealed FROM items"
_PUT: Final = """
INSERT INTO items (id, name, epoch, content_in, sealed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, epoch = excluded.epoch,
  content_in = excluded.content_in, sealed = excluded.sealed
"""


class IndexFile:
    """An open file, with the key that its rows are sealed under. Closed, nothing can be read any more.

    Args:
        path: the file; None: in memory only.
        database: what is open already; None: the file's.
    """

    def __init__(self, path: Path | None, database: sqlite3.Connection | None = None) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = database or open_database(path)
        self._key: IndexKey | None = None
        self._recent: dict[StoredRow, IndexRow] = {}  # sealed, opened

    @classmethod
    def copy(cls, path: Path) -> Self:
        """Open a copy in memory of a file that cannot be written, as far as it can be read."""
        return cls(None, copy_in_memory(path))

    @property
    def is_in_memory(self) -> bool:
        """Whether nothing of it is written to a disk."""
        return self._path is None

    def close(self) -> None:
        """Close the file and wipe its key."""
        self._recent.clear()
        if self._key is not None:
            self._key.wipe()
        if self._database is not None:
            self._database.close()
            self._database = None

    @property
    def key(self) -> IndexKey | None:
        """The key in use."""
        return self._key

    def find_key(self) -> tuple[bytes, int, bytes] | None:
        """Find what the file says of its key: salt, epoch and commitment; None: it is empty."""
        with naming_failures():
            rows = self._sql("SELECT salt, epoch, commitment FROM state").fetchall()
        match rows:
            case []:
                return None
            case [(bytes(salt), int(epoch), bytes(commitment))]:
                return salt, epoch, commitment
            case _:
                raise DamagedFileError("expected one key")

    def use(self, key: IndexKey) -> None:
        """Take a key up. Raises OpenError: it is not the file's."""
        stored = self.find_key()
        if stored is None or stored[:2] != (key.salt, key.epoch):
            raise OpenError("commitment")
        if not hmac.compare_digest(stored[2], key.commitment):
            raise OpenError("commitment")
        self._key = key

    def start(self, key: IndexKey) -> None:
        """Empty the file, and begin anew under a key."""
        with self._transaction("IMMEDIATE"):
            self._sql("DELETE FROM items")
            self._sql("DELETE FROM state")
            head = key.seal(IndexHead().encode(), _HEAD_PLACE)
            self._sql("INSERT INTO state VALUES (?, ?, ?, ?)", (key.salt, key.epoch, key.commitment, head))
        self._key = key

    def detach(self) -> None:
        """Go on with a copy in memory: what is written from now on is not kept."""
        if self._path is None:
            return
        memory = connect(IN_MEMORY)
        with naming_failures():
            self._connection.backup(memory)
        self._take(memory, None)

    def attach(self, path: Path) -> None:
        """Go on with a file in the place of the copy in memory. Raises as `open_database`."""
        self._take(open_database(path), path)

    def drop(self) -> None:
        """Delete the file, whatever it holds, and begin an empty one; in memory, if that cannot be done."""
        if self._database is not None:
            self._database.close()
        try:
            if self._path is not None:
                delete_index_file(self._path)
            self._database = open_database(self._path)
        except BaseException:
            self._database, self._path = connect(IN_MEMORY), None
            raise

    def _take(self, database: sqlite3.Connection, path: Path | None) -> None:
        if self._database is not None:
            self._database.close()
        self._database, self._path = database, path

    def seal_again(self, key: IndexKey) -> None:
        """Seal all rows under another key; nothing of the old one's stays in the file."""
        with self._transaction("IMMEDIATE"):
            head, total = self.read_head(), 0
            for page in self._iter_pages():
                new = [self._seal(key, self._open_row(stored)) for stored in page]
                total += sum(read_tag(stored) for stored in new)
                self._connection.executemany(_PUT, new)
            sealed = key.seal(replace(head, total=total % TAG_MODULUS).encode(), _HEAD_PLACE)
            self._sql(
                "UPDATE state SET salt = ?, epoch = ?, commitment = ?, head = ?",
                (key.salt, key.epoch, key.commitment, sealed),
            )
        self._key = key
        with naming_failures():
            self._sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def read_head(self) -> IndexHead:
        """Read what the index is as of."""
        with naming_failures():
            (sealed,) = self._sql("SELECT head FROM state").fetchone() or (b"",)
        return parse_index_head(self._in_use.open(sealed, _HEAD_PLACE))

    def get(self, item: ItemId) -> IndexRow | None:
        """Get an item's row."""
        with naming_failures():
            stored = self._sql(f"{_SELECT} WHERE id = ?", (item.raw,)).fetchone()
        return None if stored is None else self._open_row(stored)

    def get_many(self, items: Sequence[ItemId]) -> dict[ItemId, IndexRow]:
        """Get the rows of some items; those without one are left out."""
        rows = self._find_in("id", [item.raw for item in items])
        return {row.change.item: row for row in rows}

    def find(self, condition: str, *values: object) -> list[IndexRow]:
        """Find the rows of a condition in SQL, by id."""
        with naming_failures():
            found = self._sql(f"{_SELECT} WHERE {condition} ORDER BY id", values).fetchall()
        return [self._open_row(stored) for stored in found]

    def find_named(self, folded_name: str) -> list[IndexRow]:
        """Find the items of a name."""
        return self.find("name = ?", self._in_use.derive_name_tag(folded_name))

    def find_all_named(self, folded_names: Iterable[str]) -> list[IndexRow]:
        """Find the items of several names."""
        return self._find_in("name", list(map(self._in_use.derive_name_tag, folded_names)))

    def read_all(self, take: Callable[[IndexRow], T], known: Mapping[int, T]) -> list[T]:
        """Read all rows by id, and take each.

        Args:
            take: makes of a row what is wanted.
            known: what would be taken of rows by their tags: these are not opened again.

        Raises:
            DamagedFileError: one is missing, or older than the head.
        """
        with self._transaction("DEFERRED"):
            head, total, found = self.read_head(), 0, list[T]()
            for page in self._iter_pages():
                tags = [read_tag(stored) for stored in page]
                total += sum(tags)
                found += [
                    known[tag] if tag in known else take(self._open_row(stored))
                    for tag, stored in zip(tags, page, strict=True)
                ]
            if (len(found), total % TAG_MODULUS) != (head.newest, head.total):
                raise DamagedFileError("rows are missing, or older than the head")
        return found

    def read_page(self, after: bytes, condition: str = "epoch > 0", *values: object) -> list[IndexRow]:
        """Read the first rows of a condition in SQL that follow an id; by default of the live items."""
        with naming_failures():
            found = self._sql(
                f"{_SELECT} WHERE id > ? AND {condition} ORDER BY id LIMIT {PAGE_ROWS}", (after, *values)
            ).fetchall()
        return [self._open_row(stored) for stored in found]

    @contextmanager
    def writing(self) -> Iterator[IndexWriter]:
        """Write in one transaction: all of it, or nothing. Raises DiskFullError."""
        with self._transaction("IMMEDIATE"):
            writer = IndexWriter(self, self.read_head())
            yield writer
            writer.flush()
            sealed = self._in_use.seal(writer.make_head().encode(), _HEAD_PLACE)
            self._sql("UPDATE state SET head = ?", (sealed,))

    def seal(self, row: IndexRow) -> StoredRow:
        """Seal a row as it is stored."""
        return self._seal(self._in_use, row)

    def _seal(self, key: IndexKey, row: IndexRow) -> StoredRow:
        stored = _seal_row(key, row)
        self._keep(stored, row.with_tag(read_tag(stored)))
        return stored

    def store(self, rows: Sequence[StoredRow]) -> None:
        """Store rows within `writing`."""
        self._connection.executemany(_PUT, rows)

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with naming_failures():
            self._sql(f"BEGIN {kind}")
            try:
                yield
                self._sql("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._sql("ROLLBACK")
                raise

    def _find_in(self, column: str, values: Sequence[bytes]) -> list[IndexRow]:
        found: list[IndexRow] = []
        for start in range(0, len(values), PAGE_ROWS):
            page = values[start : start + PAGE_ROWS]
            found += self.find(f"{column} IN ({', '.join('?' * len(page))})", *page)
        return found

    def _iter_pages(self) -> Iterator[list[StoredRow]]:
        after = b""
        while page := self._sql(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT {PAGE_ROWS}", (after,)).fetchall():
            yield page
            after = page[-1][0]

    def _open_row(self, stored: StoredRow) -> IndexRow:
        """Open a row; the very bytes that were opened or sealed a moment ago are not opened again."""
        return self._recent.get(stored) or self._keep(stored, self._open_sealed(stored))

    def _keep(self, stored: StoredRow, row: IndexRow) -> IndexRow:
        if len(self._recent) >= _RECENT_ROWS:
            self._recent.clear()
        self._recent[stored] = row
        return row

    def _open_sealed(self, stored: StoredRow) -> IndexRow:
        raw, name, epoch, content_in, sealed = stored
        plaintext = self._in_use.open(sealed, _place_row(raw, name, epoch, content_in))
        return parse_index_row(ItemId.from_raw(raw), plaintext, read_tag(stored))

    @property
    def _in_use(self) -> IndexKey:
        if self._key is None:
            raise DamagedFileError("no key was taken up")
        return self._key

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise WipedSecretError("the account is locked again")
        return self._database

    def _sql(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, tuple(values))


def _seal_row(key: IndexKey, row: IndexRow) -> StoredRow:
    change = row.change
    raw = change.item.raw
    name = key.derive_name_tag(fold_name(row.open_name())) if row.metadata else None
    place = _place_row(raw, name, change.epoch, row.content_in)
    return raw, name, change.epoch, row.content_in, key.seal(row.encode(), place)


def _place_row(raw: bytes, name: bytes | None, epoch: int, content_in: int) -> bytes:
    return _PLACE.pack(raw, epoch, content_in) + (name or b"")
