"""The read model of the items: their versions, and which objects they name. Spec: vault.md §7.

It follows from the events and the change lists that they name, and from nothing else: ``rebuild_items`` makes
it from zero. A version is kept as the bytes that every change list has to state of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from solekey_protocol.change_list import Change, encode_change, parse_change, parse_change_list
from solekey_protocol.event import Event
from solekey_protocol.events import vault as events
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_protocol.page_list import Page, parse_page_list
from solekey_vault.objects import pages
from solekey_vault.tables import commit_pages, commits, item_parts, item_versions

ReadObject = Callable[[AccountId, Digest], bytes]
"""Gives the bytes of a change list or page list that a commit names."""

_PURGED_AT_ONCE: Final = 500
_NEWEST = item_versions.c.superseded_by.is_(None)


@dataclass(frozen=True, slots=True)
class StoredChange:
    """An item's newest version as change lists state it."""

    item: bytes  # the raw id
    size: int  # bytes
    encoded: bytes


class ItemRepository:
    """The items of all accounts, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_current(self, account: AccountId, items: Sequence[ItemId]) -> dict[ItemId, Change]:
        """Find the newest version of some items, removals included; those never seen are left out."""
        changes = item_versions.c.change
        current: dict[ItemId, Change] = {}
        for page in pages([item.raw for item in items]):
            query = select(changes).where(
                item_versions.c.account == account, item_versions.c.item.in_(page), _NEWEST
            )
            for encoded in self._connection.execute(query).scalars():
                change = parse_change(bytes(encoded))
                current[change.item] = change
        return current

    def read_newest(self, account: AccountId, *, after: bytes = b"", limit: int) -> list[StoredChange]:
        """Read the newest versions, removals included, in the order of their items, from behind one."""
        query = (
            select(item_versions.c.item, item_versions.c.size, item_versions.c.change)
            .where(item_versions.c.account == account, item_versions.c.item > after, _NEWEST)
            .order_by(item_versions.c.item)
            .limit(limit)
        )
        rows = self._connection.execute(query)
        return [StoredChange(bytes(row.item), row.size, bytes(row.change)) for row in rows]

    def get_last_commit(self, account: AccountId) -> int:
        """Get the number of the last commit; 0 before the first."""
        query = select(func.max(commits.c.commit)).where(commits.c.account == account)
        return self._connection.execute(query).scalar() or 0

    def find_sealed_epochs(self, account: AccountId) -> frozenset[int]:
        """Find the epochs that live items are sealed under."""
        query = (
            select(item_versions.c.epoch)
            .where(item_versions.c.account == account, _NEWEST, item_versions.c.epoch > 0)
            .distinct()
        )
        return frozenset(self._connection.execute(query).scalars())

    def record_changes(
        self,
        account: AccountId,
        body: events.ItemsCommitted,
        changes: Sequence[Change],
        at: datetime,
    ) -> None:
        """Follow a delta or a rekey that was recorded at a moment."""
        self._record_commit(account, body)
        of_account = (item_versions.c.account == account, _NEWEST)
        replaced: dict[bytes, dict[str, object]] = {}
        told = (item_versions.c.item, item_versions.c.replaced, item_versions.c.replaced_since)
        for page in pages([change.item.raw for change in changes if change.version > 1]):
            supersede = update(item_versions).where(*of_account, item_versions.c.item.in_(page))
            supersede = supersede.values(superseded_by=body.commit, superseded_at=at)
            for row in self._connection.execute(supersede.returning(*told)):
                since = row.replaced_since if row.replaced else at
                replaced[bytes(row.item)] = {"replaced": row.replaced + 1, "replaced_since": since}
        rows = [
            _encode_version(account, body.commit, change) | replaced.get(change.item.raw, {})
            for change in changes
        ]
        self._insert(insert(item_versions), rows)
        parts = [row for change in changes for row in _encode_parts(account, change)]
        parts.sort(key=itemgetter("digest"))  # neighbours lie on one page of the database
        self._insert(insert(item_parts), parts)

    def record_snapshot(
        self, account: AccountId, body: events.ItemsCommitted, its_pages: Sequence[Page]
    ) -> None:
        """Follow a snapshot, which changes no item."""
        self._record_commit(account, body)
        rows = [
            {"account": account, "digest": digest, "commit": body.commit}
            for digest in dict.fromkeys(page.digest for page in its_pages)
        ]
        self._insert(insert(commit_pages), rows)

    def record_purge(self, account: AccountId, body: events.ObjectsPurged) -> Iterator[list[Digest]]:
        """Follow a purge: forget versions superseded by then, some at a time.

        Yields the digests that nothing names any more, as they come; the caller takes them all.
        """
        doomed = (item_versions.c.account == account, item_versions.c.superseded_by <= body.through_commit)
        query = select(item_versions.c.change).where(*doomed).order_by(item_versions.c.superseded_by)
        while rows := self._connection.execute(query.limit(_PURGED_AT_ONCE)).scalars().all():
            yield self.forget(account, [parse_change(bytes(encoded)) for encoded in rows])

    def forget(self, account: AccountId, versions: Sequence[Change]) -> list[Digest]:
        """Forget versions that were superseded; return the objects that nothing names any more."""
        for table, columns, keys in (
            (item_parts, ("account", "digest", "item", "version"), _list_parts(account, versions)),
            (item_versions, ("account", "item", "version"), _list_versions(account, versions)),
        ):
            if keys:
                places = [table.c[column] == bindparam(f"its_{column}") for column in columns]
                self._connection.execute(delete(table).where(*places), keys)
        digests = list(dict.fromkeys(part.digest for change in versions for part in change.parts))
        named = self._find_named(account, digests)
        return [digest for digest in digests if digest not in named]

    def delete_all(self) -> None:
        """Delete the whole read model."""
        for table in (item_parts, item_versions, commit_pages, commits):
            self._connection.execute(delete(table))

    def _record_commit(self, account: AccountId, body: events.ItemsCommitted) -> None:
        row = {"account": account, "commit": body.commit, "kind": body.kind.value, "changes": body.changes}
        self._connection.execute(insert(commits).values(row))

    def _insert(self, query: Any, rows: list[dict[str, object]]) -> None:
        if rows:
            self._connection.execute(query, rows)

    def _find_named(self, account: AccountId, digests: Sequence[Digest]) -> set[str]:
        """Find which of some objects a version, a commit or a snapshot still names."""
        named: set[str] = set()
        for page in pages(digests):
            for column in (item_parts.c.digest, commits.c.changes, commit_pages.c.digest):
                query = select(column).where(column.table.c.account == account, column.in_(page))
                named.update(self._connection.execute(query).scalars())
        return named


def rebuild_items(connection: Connection, history: Iterable[Event], read_object: ReadObject) -> None:
    """Make the read model from zero, from every event of the vault's streams, each in its order.

    Raises:
        MalformedError, LookupError: a change list is damaged or gone.
    """
    items = ItemRepository(connection)
    items.delete_all()
    for event in history:
        match event.body:
            case events.ItemsCommitted(kind=events.CommitKind.SNAPSHOT) as body:
                page_list = parse_page_list(read_object(event.account, body.changes))
                items.record_snapshot(event.account, body, page_list)
            case events.ItemsCommitted() as body:
                changes = parse_change_list(read_object(event.account, body.changes))
                items.record_changes(event.account, body, changes, event.time.datetime)
            case events.ObjectsPurged() as body:
                deque(items.record_purge(event.account, body), maxlen=0)
            case _:
                pass


def _encode_version(account: AccountId, commit: int, change: Change) -> dict[str, object]:
    return {
        "account": account,
        "item": change.item.raw,
        "version": change.version,
        "epoch": change.epoch,
        "size": change.size,
        "change": encode_change(change),
        "commit": commit,
        "superseded_by": None,
        "replaced": 0,
        "replaced_since": None,
    }


def _encode_parts(account: AccountId, change: Change) -> list[dict[str, Any]]:
    """Encode which objects a version names; one that it names twice is noted once."""
    return [
        {"account": account, "digest": digest, "item": change.item.raw, "version": change.version}
        for digest in dict.fromkeys(part.digest for part in change.parts)
    ]


def _list_parts(account: AccountId, changes: Sequence[Change]) -> list[dict[str, object]]:
    return [_bind(row) for change in changes for row in _encode_parts(account, change)]


def _list_versions(account: AccountId, changes: Sequence[Change]) -> list[dict[str, object]]:
    return [
        _bind({"account": account, "item": change.item.raw, "version": change.version}) for change in changes
    ]


def _bind(row: Mapping[str, object]) -> dict[str, object]:
    return {f"its_{column}": value for column, value in row.items()}
