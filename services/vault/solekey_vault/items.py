"""The read model of the items: their versions, and the parts of each one's ciphertext. Spec: vault.md §7.

It follows from the events and the change lists that they name, and from nothing else: ``rebuild_items`` makes
it from zero.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, func, insert, select, update

from solekey_protocol.change_list import Change, Part, parse_change_list
from solekey_protocol.event import Event
from solekey_protocol.events import vault as events
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_vault.objects import pages
from solekey_vault.tables import commits, item_parts, item_versions

ReadChanges = Callable[[AccountId, Digest], bytes]
"""Gives the bytes of a change list that a commit names."""

_NEWEST = item_versions.c.superseded_by.is_(None)


def read_current(connection: Connection, account: AccountId, items: Sequence[ItemId]) -> dict[ItemId, Change]:
    """Read the newest version of some items, removals included; those never seen are left out."""
    current: dict[ItemId, Change] = {}
    for page in pages(items):
        query = _select_current(account).where(item_versions.c.item.in_(page))
        current.update(_gather(connection.execute(query)))
    return current


def read_all(connection: Connection, account: AccountId) -> dict[ItemId, Change]:
    """Read the newest version of every item, removals included: what a snapshot must state."""
    return _gather(connection.execute(_select_current(account)))


def read_last_commit(connection: Connection, account: AccountId) -> int:
    """Read the number of the last commit; 0 before the first."""
    query = select(func.max(commits.c.commit)).where(commits.c.account == account)
    return connection.execute(query).scalar() or 0


def read_sealed_epochs(connection: Connection, account: AccountId) -> frozenset[int]:
    """Read the epochs that live items are sealed under."""
    query = (
        select(item_versions.c.epoch)
        .where(item_versions.c.account == account, _NEWEST, item_versions.c.epoch > 0)
        .distinct()
    )
    return frozenset(connection.execute(query).scalars())


def record_commit(
    connection: Connection, account: AccountId, body: events.ItemsCommitted, changes: Sequence[Change]
) -> None:
    """Follow a commit. A snapshot changes no item."""
    connection.execute(
        insert(commits).values(
            account=account, commit=body.commit, kind=body.kind.value, changes=body.changes
        )
    )
    if body.kind is events.CommitKind.SNAPSHOT or not changes:
        return
    supersede = (
        update(item_versions)
        .where(item_versions.c.account == account, item_versions.c.item == bindparam("its_item"), _NEWEST)
        .values(superseded_by=body.commit)
    )
    connection.execute(supersede, [{"its_item": change.item} for change in changes])
    connection.execute(
        insert(item_versions), [_version_row(account, body.commit, change) for change in changes]
    )
    parts = [row for change in changes for row in _part_rows(account, change)]
    if parts:
        connection.execute(insert(item_parts), parts)


def record_purge(connection: Connection, account: AccountId, body: events.ObjectsPurged) -> list[Digest]:
    """Follow a purge: forget versions superseded by then. Returns the digests that nothing names any more."""
    doomed = (item_versions.c.account == account, item_versions.c.superseded_by <= body.through_commit)
    of_doomed = exists().where(
        *doomed, item_versions.c.item == item_parts.c.item, item_versions.c.version == item_parts.c.version
    )
    query = select(item_parts.c.digest).where(item_parts.c.account == account, of_doomed).distinct()
    digests = list(connection.execute(query).scalars())
    connection.execute(delete(item_parts).where(item_parts.c.account == account, of_doomed))
    connection.execute(delete(item_versions).where(*doomed))
    needed: set[str] = set()
    for page in pages(digests):
        for column in (item_parts.c.digest, commits.c.changes):
            still = select(column).where(column.table.c.account == account, column.in_(page))
            needed.update(connection.execute(still).scalars())
    return [Digest(digest) for digest in digests if digest not in needed]


def rebuild_items(connection: Connection, history: Iterable[Event], read_changes: ReadChanges) -> None:
    """Make the read model from zero, from every event of the vault's streams, each in its order.

    Raises:
        MalformedError, LookupError: a change list is damaged or gone.
    """
    for table in (item_parts, item_versions, commits):
        connection.execute(delete(table))
    for event in history:
        match event.body:
            case events.ItemsCommitted() as body:
                changes = parse_change_list(read_changes(event.account, body.changes))
                record_commit(connection, event.account, body, changes)
            case events.ObjectsPurged() as body:
                record_purge(connection, event.account, body)
            case _:
                pass


def _select_current(account: AccountId) -> Select[Any]:
    parts = item_versions.outerjoin(
        item_parts,
        (item_parts.c.account == item_versions.c.account)
        & (item_parts.c.item == item_versions.c.item)
        & (item_parts.c.version == item_versions.c.version),
    )
    versions = (
        item_versions.c.item,
        item_versions.c.version,
        item_versions.c.epoch,
        item_versions.c.header,
    )
    return (
        select(*versions, item_parts.c.digest, item_parts.c.size)
        .select_from(parts)
        .where(item_versions.c.account == account, _NEWEST)
        .order_by(item_versions.c.item, item_parts.c.place)
    )


def _gather(rows: Iterable[Any]) -> dict[ItemId, Change]:
    versions: dict[ItemId, tuple[int, int, Digest | None]] = {}
    parts: dict[ItemId, list[Part]] = {}
    for row in rows:
        item = ItemId(row.item)
        header = None if row.header is None else Digest(row.header)
        versions[item] = (row.version, row.epoch, header)
        of_item = parts.setdefault(item, [])
        if row.digest is not None:
            of_item.append(Part(Digest(row.digest), row.size))
    return {
        item: Change(item, version, epoch, tuple(parts[item]), header)
        for item, (version, epoch, header) in versions.items()
    }


def _version_row(account: AccountId, commit: int, change: Change) -> dict[str, object]:
    return {
        "account": account,
        "item": change.item,
        "version": change.version,
        "epoch": change.epoch,
        "size": change.size,
        "header": change.header,
        "commit": commit,
        "superseded_by": None,
    }


def _part_rows(account: AccountId, change: Change) -> list[dict[str, object]]:
    return [
        {
            "account": account,
            "item": change.item,
            "version": change.version,
            "place": place,
            "digest": part.digest,
            "size": part.size,
        }
        for place, part in enumerate(change.parts)
    ]
