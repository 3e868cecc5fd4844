"""The database that an index file is: made, opened, deleted, and what goes wrong with it told apart.

Spec: item-index.md §3.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from solekey.errors import DiskFullError, ProfileError
from solekey.files.disk_room import naming_full_disk
from solekey.files.private_folder import open_private

FORMAT_VERSION: Final = 1
IN_MEMORY: Final = ":memory:"
_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_WAIT_S: Final = 30.0
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_READ_ONLY: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
_OUT_OF_REACH: Final = _READ_ONLY | {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY_CODE: Final = 0xFF
_FOLDER_MODE: Final = 0o700
_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may take the last steps, which are followed again
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4096",  # KiB
)
_SCHEMA: Final = (
    """CREATE TABLE state (
  salt BLOB NOT NULL, epoch INTEGER NOT NULL, commitment BLOB NOT NULL, head BLOB NOT NULL
)""",
    """CREATE TABLE items (
  id BLOB NOT NULL UNIQUE, name BLOB, epoch INTEGER NOT NULL, content_in INTEGER NOT NULL,
  sealed BLOB NOT NULL
)""",
    "CREATE INDEX items_name ON items (name) WHERE name IS NOT NULL",
    "CREATE INDEX items_unopened ON items (id) WHERE name IS NULL AND epoch > 0",
    "CREATE INDEX items_content_in ON items (content_in)",
    "CREATE INDEX items_epoch ON items (epoch)",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)


class DamagedFileError(Exception):
    """The file is no database, or not one of this format."""


def delete_index_file(path: Path) -> None:
    """Delete an index file, and what SQLite keeps beside it."""
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextmanager
def naming_failures() -> Iterator[None]:
    """Tell a full disk and a file out of reach from a damaged one.

    Raises:
        DiskFullError: no room.
        ProfileError: the file cannot be used now.
        DamagedFileError: it is not what was written.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _FULL:
            raise DiskFullError(f"the item index cannot be written: {error}") from error
        if code in _OUT_OF_REACH:
            raise ProfileError(f"the item index cannot be used: {error}") from error
        raise DamagedFileError(f"the item index is damaged: {error}") from error


def is_unwritable(error: DiskFullError | ProfileError) -> bool:
    """Whether what `naming_failures` or `open_database` raises says that nothing can be written there now.

    On a full disk SQLite also says so of a file beside the database that it cannot make.
    """
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & _PRIMARY_CODE
    return isinstance(error, DiskFullError) or code in _READ_ONLY


def open_database(path: Path | None) -> sqlite3.Connection:
    """Open the database of a file, or one in memory; what is no database is deleted.

    Raises:
        DiskFullError, ProfileError: it cannot be written.
    """
    if path is None:
        return connect(IN_MEMORY)
    with naming_full_disk(path.parent):
        return _open_file(path)


def _open_file(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    try:
        return connect(_make_private(path))
    except DamagedFileError:
        delete_index_file(path)
    try:
        return connect(_make_private(path))
    except DamagedFileError as error:  # a new one, which a limit on the size of files has cut
        raise DiskFullError(f"{path} cannot be written whole: {error}") from error


def _make_private(path: Path) -> str:
    """Make the file, closed to others: SQLite gives those beside it the same mode."""
    with open_private(path, os.O_RDWR | os.O_CREAT):
        return str(path)


def connect(place: str) -> sqlite3.Connection:
    """Connect to a database and make its tables. Raises DamagedFileError: it is of another format."""
    database = sqlite3.connect(place, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        with naming_failures():
            for setting in _SETTINGS:
                database.execute(setting).fetchall()
            _make_tables(database)
    except BaseException:
        database.close()
        raise
    return database


def _make_tables(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and version != FORMAT_VERSION:
        raise DamagedFileError("another format")
    if not tables:
        for statement in _SCHEMA:
            database.execute(statement)
    database.execute("COMMIT")


def copy_in_memory(path: Path) -> sqlite3.Connection:
    """Copy into memory what can be read of a file that cannot be written; if nothing can, nothing."""
    for address, setting in _list_readers(path):
        memory = connect(IN_MEMORY)
        with suppress(sqlite3.Error, DamagedFileError), closing(_open_to_read(address, setting)) as database:
            _verify_format(database)
            database.backup(memory)
            return memory
        memory.close()
    return connect(IN_MEMORY)


def _list_readers(path: Path) -> Iterator[tuple[str, str]]:
    """List the ways to read a database in write-ahead mode without writing, as address and setting.

    SQLite needs room for its shared memory where nobody has the file open, unless it locks it for itself, or
    is told that nobody writes: which is true of a read-only folder, and right where no log was left.
    """
    if not path.exists():
        return
    address = path.absolute().as_uri()
    yield f"{address}?mode=ro", "PRAGMA query_only = ON"
    yield f"{address}?mode=rw", "PRAGMA locking_mode = EXCLUSIVE"
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or log.stat().st_size == 0:
        yield f"{address}?mode=ro&immutable=1", "PRAGMA query_only = ON"


def _open_to_read(address: str, setting: str) -> sqlite3.Connection:
    database = sqlite3.connect(address, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    database.execute(setting).fetchall()
    return database


def _verify_format(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != FORMAT_VERSION:
        raise DamagedFileError("another format")
