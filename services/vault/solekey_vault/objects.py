"""Where the bytes of objects lie: rows for small ones, an object store for large ones. Spec: vault.md §3.

A name is used once and its bytes never change. What ``write`` has returned from is durable; what it refused
does not exist. Which account an object belongs to, and whether anybody may see it, is object_repository.py's.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as AnyStore
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import OperationalError

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.limits import KIB
from solekey_vault.refusals import StorageFull
from solekey_vault.tables import object_rows

_log = logging.getLogger(__name__)

MAX_ROW_BYTES: Final = 64 * KIB
"""The largest object that is kept as a row."""
_SCHEMES: Final = frozenset({"file", "s3", "gs", "az"})
_FULL: Final = re.compile(
    r"No space left|File too large|[Qq]uota|disk is full|could not extend|InsufficientStorage"
)
_QUERY_VALUES: Final = 500
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


class RowStore:
    """Rows of the transaction that it was made for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, bodies: Mapping[str, bytes]) -> None:
        """See ObjectStore.write."""
        if bodies:
            rows = [{"name": name, "body": body} for name, body in bodies.items()]
            with storing():
                self._connection.execute(insert(object_rows), rows)

    def read(self, names: Sequence[str], *, start: int = 0, end: int | None = None) -> dict[str, bytes]:
        """See ObjectStore.read."""
        found: dict[str, bytes] = {}
        for page in pages(names):
            rows = self._connection.execute(select(object_rows).where(object_rows.c.name.in_(page)))
            found.update((row.name, bytes(row.body)[start:end]) for row in rows)
        return found

    def delete(self, names: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for page in pages(names):
            self._connection.execute(delete(object_rows).where(object_rows.c.name.in_(page)))


class BlobStore:
    """Files of a folder, or objects of a bucket. Blocks its thread while it works."""

    def __init__(self, store: AnyStore, *, reserve_bytes: int = 0) -> None:
        self._store = store
        self._reserve_bytes = reserve_bytes

    def write(self, bodies: Mapping[str, bytes]) -> None:
        """See ObjectStore.write."""
        self._verify_reserve(sum(map(len, bodies.values())))
        for name, body in bodies.items():
            try:
                obstore.put(self._store, name, body)
                self._make_durable(name)
            except (BaseError, OSError) as error:
                if _FULL.search(str(error)):
                    raise StorageFull("the object store has no room") from error
                raise UnavailableError("the object store does not answer") from error

    def read(self, names: Sequence[str], *, start: int = 0, end: int | None = None) -> dict[str, bytes]:
        """See ObjectStore.read."""
        found: dict[str, bytes] = {}
        for name in names:
            try:
                if end is None and not start:
                    found[name] = bytes(obstore.get(self._store, name).bytes())
                else:
                    found[name] = self._read_range(name, start, end)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                if not isinstance(self._store, LocalStore):
                    raise UnavailableError("the object store does not answer") from error
                _log.error("object %s cannot be read: %s", name, type(error).__name__)  # one bad file
        return found

    def delete(self, names: Sequence[str]) -> None:
        """See ObjectStore.delete."""
        for name in names:
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise UnavailableError("the object store does not answer") from error

    def _verify_reserve(self, size: int) -> None:
        """Leave a folder's disk the room that the databases on it need; a bucket has none to share."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            free_bytes = shutil.disk_usage(self._store.prefix).free
            if free_bytes - size < self._reserve_bytes:
                raise StorageFull("the object store has no room but its reserve")

    def _read_range(self, name: str, start: int, end: int | None) -> bytes:
        size = obstore.head(self._store, name)["size"]
        end = size if end is None else min(end, size)
        return bytes(obstore.get_range(self._store, name, start=start, end=end)) if start < end else b""

    def _make_durable(self, name: str) -> None:
        """Flush a file and the folders that name it: obstore does not. A cloud is durable when it answers."""
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return
        root = Path(self._store.prefix)
        path = root / name
        while True:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if path == root:
                return
            path = path.parent


def open_blob_store(url: str, *, reserve_bytes: int = 0) -> BlobStore:
    """Open the store that a URL names; see VaultConfig. A folder is made when absent."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return BlobStore(LocalStore(Path(unquote(parts.path)), mkdir=True), reserve_bytes=reserve_bytes)
    return BlobStore(from_url(url))


def find_object_store_problem(url: str) -> str | None:
    """Say what is wrong with a URL, or nothing."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return "expected file:///folder, s3://bucket, gs://bucket or az://container"
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        return "expected an absolute folder: file:///absolute/folder"
    if parts.scheme != "file" and not parts.netloc:
        return "expected a bucket or container"
    return None


@contextmanager
def storing() -> Iterator[None]:
    """Tell a full database from one that does not answer. Raises StorageFull instead of its error."""
    try:
        yield
    except (OperationalError, UnavailableError) as error:
        if _FULL.search(f"{error} {error.__cause__}"):
            raise StorageFull("the database has no room") from error
        raise


def pages(values: Sequence[V]) -> list[Sequence[V]]:
    """Cut what goes into a query's IN (…) into pieces that every database takes."""
    return [values[first : first + _QUERY_VALUES] for first in range(0, len(values), _QUERY_VALUES)]
