"""Where the bytes of objects lie: rows for small ones, an object store for large ones. Spec: vault.md §3.

A name is used once and its bytes never change. What ``write`` has returned from is durable; what it refused
does not exist. Which account an object belongs to, and whether anybody may see it, is object_repository.py's.
The object store itself: blobs.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection, Integer, LargeBinary, String, bindparam, delete, func, insert, select
from sqlalchemy.exc import OperationalError

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.limits import KIB
from solekey_vault.refusals import StorageFull
from solekey_vault.tables import object_rows

MAX_ROW_BYTES: Final = 64 * KIB
"""The largest object that is kept as a row."""
FULL: Final = re.compile(
    r"No space left|File too large|[Qq]uota|disk is full|could not extend|InsufficientStorage"
)
"""How a disk, a database or a bucket says that it has no room."""
_QUERY_VALUES: Final = 500
_INSERT_ROWS: Final = insert(object_rows)  # built once: SQLAlchemy takes longer for that than to run it
_NAMED: Final = object_rows.c.name.in_(bindparam("names", type_=String, expanding=True))
_ROWS: Final = select(object_rows.c.name, object_rows.c.body).where(_NAMED)
_PIECES: Final = select(  # cut by the database: the rest is never in memory
    object_rows.c.name,
    func.substr(
        object_rows.c.body,
        bindparam("first", type_=Integer),
        bindparam("length", type_=Integer),
        type_=LargeBinary,
    ),
).where(_NAMED)
V = TypeVar("V")


class ObjectStore(Protocol):
    """Keeps bytes under names."""

    def write(self, bodies: Mapping[str, bytes]) -> None:
        """Keep bytes under new names; durable on return (a row: once its transaction is).

        Raises:
            StorageFull: there is no room. UnavailableError: the store does not answer.
        """
        ...

    def read(self, names: Sequence[str], *, start: int = 0, end: int | None = None) -> dict[str, bytes]:
        """Read bytes ``start`` to ``end`` of each; what does not exist, or is a damaged file, is left out.

        Raises:
            UnavailableError: the store does not answer.
        """
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete; a name that does not exist is deleted already. Raises UnavailableError."""
        ...

    def find_free_bytes(self) -> int | None:
        """Find how much room its disk has; None where there is none to look at, such as of a bucket."""
        ...


class RowStore:
    """Rows of the transaction that it was made for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, bodies: Mapping[str, bytes]) -> None:
        """See ObjectStore.write."""
        if bodies:
            rows = [{"name": name, "body": body} for name, body in bodies.items()]
            with storing():
                self._connection.execute(_INSERT_ROWS, rows)

    def read(self, names: Sequence[str], *, start: int = 0, end: int | None = None) -> dict[str, bytes]:
        """See ObjectStore.read."""
        length = MAX_ROW_BYTES if end is None else max(end - start, 0)
        is_whole = start == 0 and length >= MAX_ROW_BYTES
        query, cut = (_ROWS, {}) if is_whole else (_PIECES, {"first": start + 1, "length": length})
        found: dict[str, bytes] = {}
        for page in pages(names):
            rows = self._connection.execute(query, {"names": page, **cut})
            found.update((name, bytes(piece)) for name, piece in rows.all())
        return found

    def delete(self, names: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for page in pages(names):
            self._connection.execute(delete(object_rows).where(object_rows.c.name.in_(page)))

    def find_free_bytes(self) -> int | None:
        """See ObjectStore.find_free_bytes: the database's disk is its server's."""
        return None


@contextmanager
def storing() -> Iterator[None]:
    """Tell a full database from one that does not answer. Raises StorageFull instead of its error."""
    try:
        yield
    except (OperationalError, UnavailableError) as error:
        if FULL.search(f"{error} {error.__cause__}"):
            raise StorageFull("the database has no room") from error
        raise


def pages(values: Sequence[V]) -> list[Sequence[V]]:
    """Cut what goes into a query's IN (…) into pieces that every database takes."""
    return [values[first : first + _QUERY_VALUES] for first in range(0, len(values), _QUERY_VALUES)]
