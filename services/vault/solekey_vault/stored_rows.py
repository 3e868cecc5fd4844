"""What the vault has stored of all accounts: digests, sizes and change lists. Spec: audit-bundle.md §7.

The bytes are read and digested: what a row says of them is not what an auditor wants to know.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, select, tuple_

from solekey_eventlog.store import EventStore
from solekey_protocol.ids import Timestamp
from solekey_service.stored_list import Row
from solekey_vault.blobs import BlobStore
from solekey_vault.objects import ObjectStore, RowStore, pages
from solekey_vault.store_check import MARKER
from solekey_vault.tables import commit_pages, commits, objects, orphans, wraps

_PAGE_ROWS: Final = 64  # of up to 8 MiB each, read one after the other


def list_wraps(store: EventStore) -> Iterator[Row]:
    """Yield a row for each wrap."""
    for page in _pages(store, wraps):
        for row in page:
            yield _describe("wrap", row, bytes(row["body"]))


def list_objects(store: EventStore, blobs: ObjectStore) -> Iterator[Row]:
    """Yield a row for each object, with the content of change lists, page lists and pages."""
    for page in _pages(store, objects):
        with store.read() as uow:
            told = _find_lists(uow.connection, [(row["account"], row["digest"]) for row in page])
        for row in page:
            if row["large"]:
                body = blobs.read([row["name"]]).get(row["name"])
            else:
                with store.read() as uow:
                    body = RowStore(uow.connection).read([row["name"]]).get(row["name"])
            described = _describe("object", row, body)
            if body is not None and (row["account"], row["digest"]) in told:
                described["content"] = b64encode(body).decode()
            yield described


def list_blobs(store: EventStore, blobs: ObjectStore) -> Iterator[Row]:
    """Yield a row for each blob that no row names, also as an orphan that waits for its deletion."""
    if not isinstance(blobs, BlobStore):
        return
    for names in pages(sorted(blobs.sizes().items())):
        listed = [name for name, _ in names]
        known = {MARKER}
        with store.read() as uow:
            for table in (objects, orphans):
                query = select(table.c.name).where(table.c.name.in_(listed))
                known.update(uow.connection.execute(query).scalars())
        for name, size in names:
            if name not in known:
                yield {"kind": "blob", "name": name, "size": size}


def _pages(store: EventStore, table: Table) -> Iterator[list[RowMapping]]:
    last = ("", "")
    while True:
        query = (
            select(table)
            .where(tuple_(table.c.account, table.c.digest) > last)
            .order_by(table.c.account, table.c.digest)
            .limit(_PAGE_ROWS)
        )
        with store.read() as uow:
            rows = list(uow.connection.execute(query).mappings())
        if rows:
            yield rows
            last = (rows[-1]["account"], rows[-1]["digest"])
        if len(rows) < _PAGE_ROWS:
            return


def _find_lists(connection: Connection, keys: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Find which objects are change lists, page lists or pages, by the read model."""
    found: set[tuple[str, str]] = set()
    for table, digest in ((commits, commits.c.changes), (commit_pages, commit_pages.c.digest)):
        query = select(table.c.account, digest).where(tuple_(table.c.account, digest).in_(keys))
        found.update((row[0], row[1]) for row in connection.execute(query))
    return found


def _describe(kind: str, row: RowMapping, body: bytes | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "account": row["account"],
        "digest": row["digest"],
        "found": None if body is None else hashlib.sha256(body).hexdigest(),
        "size": 0 if body is None else len(body),
        "claimed": bool(row["claimed"]),
        "stored_at": Timestamp.from_datetime(row["stored_at"]),
        "dropped": row["dropped_at"] is not None,
    }
