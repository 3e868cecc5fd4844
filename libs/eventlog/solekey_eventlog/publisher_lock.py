"""One publisher a service: an advisory lock on PostgreSQL, a lock on a file beside an SQLite database."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from solekey_eventlog.engine import is_sqlite, is_unavailable
from solekey_eventlog.errors import UnavailableError


class PublisherLock(Protocol):
    """A lock that is held until it is closed or its process dies."""

    def acquire(self) -> bool:
        """Take the lock, or make sure that it is still held. False when another process holds it."""
        ...


@contextmanager
def open_publisher_lock(engine: Engine) -> Iterator[PublisherLock]:
    """Open the lock, not taken yet; released at the end of the block."""
    if is_sqlite(engine):
        with Path(f"{engine.url.database}.publisher").open("wb") as file:
            yield _FileLock(file)
        return
    lock = _AdvisoryLock(engine)
    try:
        yield lock
    finally:
        lock.close()


class _FileLock:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def acquire(self) -> bool:
        """See PublisherLock.acquire."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class _AdvisoryLock:
    """A session lock on a connection of its own. One a schema: services may share a database.

    Should the connection die unnoticed while a page is being published, another process may publish the same
    page: repetitions, which consumers ignore.
    """

    _KEY = "hashtextextended('solekey publisher ' || current_schema(), 0)"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._held = False

    def acquire(self) -> bool:
        """See PublisherLock.acquire. Raises UnavailableError when the database does not answer."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if self._held:
                self._connection.execute(text("SELECT 1"))
            else:
                taken = self._connection.execute(text(f"SELECT pg_try_advisory_lock({self._KEY})"))
                self._held = bool(taken.scalar_one())
        except SQLAlchemyError as error:
            self.close()
            if is_unavailable(error):  # also when the pool has no connection left
                raise UnavailableError("the database does not answer") from error
            raise
        return self._held

    def close(self) -> None:
        """Give the lock back."""
        connection, held, self._connection, self._held = self._connection, self._held, None, False
        if connection is not None:
            if held:  # not by hanging up alone: the server notices that some time later
                with suppress(SQLAlchemyError):
                    connection.execute(text(f"SELECT pg_advisory_unlock({self._KEY})"))
            connection.invalidate()  # a pooled connection would keep the session, and the lock with it
            connection.close()
