"""Change lists that statements name, read before the transaction that decides. Spec: vault.md §5.

What a list must be is known from the statement: a list of another size or count is refused unread. A short
one is parsed in slices; a long one in a process of its own (long_lists.py). The pages of a snapshot are
compared with the items (snapshots.py): the answer holds as of a commit. What was read is remembered under the
digest for the statement's next attempts, until one is taken; the bytes under a digest never change.
"""

import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.store import EventStore
from solekey_protocol.change_list import (
    MIN_CHANGE_BYTES,
    Change,
    Part,
    iter_change_list,
    read_change_count,
)
from solekey_protocol.errors import MalformedError
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_protocol.limits import KIB, MAX_CHANGES, MAX_PAGE_LIST_BYTES
from solekey_protocol.page_list import Page, parse_page_list
from solekey_service.worker_process import WorkerProcess
from solekey_vault.context import SnapshotVerdict
from solekey_vault.domain import refuse_missing
from solekey_vault.item_repository import ItemRepository
from solekey_vault.long_lists import PARSE_ROWS
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.refusals import CommitMismatch
from solekey_vault.snapshots import compare_snapshot

SHORT_BYTES: Final = 128 * KIB
"""A list up to this size is parsed here, in slices: 1,000 changes of one part take 13 ms in all."""
DEADLINE_S: Final = 60.0
_KEPT: Final = 16
_SLICE_ROWS: Final = 250

Read = tuple[Change, ...] | SnapshotVerdict | CommitMismatch
"""What is known of a list: its changes, of a snapshot how it compares, or why it is refused."""

_Row = tuple[str, int, int, str | None, list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class _Key:
    account: AccountId
    digest: Digest
    commit: int  # of a snapshot: the commit that it follows; else 0


class ChangeLists:
    """Reads change lists, each once."""

    def __init__(
        self, store: EventStore, objects: ObjectRepository, worker: WorkerProcess, pause: Callable[[], None]
    ) -> None:
        self._store = store
        self._objects = objects
        self._worker = worker
        self._pause = pause
        """Lets other requests go on: a long list is made into values in slices."""
        self._read: OrderedDict[_Key, Read] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, account: AccountId, body: ItemsCommitted) -> None:
        """Read the list of a commit, if it was uploaded and nobody has read it.

        Raises:
            CommitMismatch: it is not what the commit says of it.
            PartsMissing: pages of a snapshot were not uploaded.
            UnavailableError: the process that reads long lists is busy; nothing was changed.
        """
        key = _make_key(account, body)
        with self._store.read() as uow:
            size = self._objects.find_sizes(uow, account, [body.changes]).get(body.changes)
            if size is None or key in self._read:
                return
            _verify_size(body, size)
            last_commit = ItemRepository(uow.connection).get_last_commit(account)
            if body.commit <= last_commit or (
                body.kind is CommitKind.SNAPSHOT and body.commit != last_commit + 1
            ):
                return  # it was taken before, or the stream says what is wrong with it
            encoded = self._objects.read(uow, account, body.changes)
        if encoded is None:
            return
        try:
            if body.kind is CommitKind.SNAPSHOT:
                known: Read = self._compare(account, body, parse_page_list(encoded))
            else:
                known = self._parse(body, encoded)
        except MalformedError as error:
            known = CommitMismatch(str(error))
        self._remember(key, known)

    def find(self, account: AccountId, body: ItemsCommitted) -> tuple[Change, ...] | SnapshotVerdict | None:
        """Find what ``prepare`` has read; None: the list was not there. Raises CommitMismatch."""
        known = self._read.get(_make_key(account, body))
        if isinstance(known, CommitMismatch):
            raise CommitMismatch(str(known))
        return known

    def forget(self, account: AccountId, body: ItemsCommitted) -> None:
        """Forget the list of a commit that was taken: its statement is not decided again."""
        with self._lock:
            self._read.pop(_make_key(account, body), None)

    def _remember(self, key: _Key, known: Read) -> None:
        with self._lock:
            self._read[key] = known
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)

    def _compare(
        self, account: AccountId, body: ItemsCommitted, pages: Sequence[Page]
    ) -> SnapshotVerdict | CommitMismatch:
        """Compare a snapshot. Raises PartsMissing: there is no verdict before its pages are there."""
        if sum(page.count for page in pages) != body.count:
            return CommitMismatch(f"the pages do not have {body.count} changes")
        digests = [page.digest for page in pages]
        with self._store.read() as uow:
            sizes = self._objects.find_sizes(uow, account, digests)
        refuse_missing([digest for digest in digests if digest not in sizes], "pages")
        return compare_snapshot(self._store, account, body, pages, self._read_page, self._pause)

    def _read_page(self, account: AccountId, digest: Digest) -> bytes | None:
        with self._store.read() as uow:
            return self._objects.read(uow, account, digest)

    def _parse(self, body: ItemsCommitted, encoded: bytes) -> Read:
        if read_change_count(encoded) != body.count:
            return CommitMismatch(f"the change list does not begin as one of {body.count} changes")
        if len(encoded) <= SHORT_BYTES:
            return tuple(self._pause_between(iter_change_list(encoded)))
        rows = marshal.loads(self._worker.call(PARSE_ROWS, encoded))  # noqa: S302  # our own process made it
        return tuple(self._build(rows))

    def _pause_between(self, changes: Iterator[Change]) -> Iterator[Change]:
        for number, change in enumerate(changes, start=1):
            if number % _SLICE_ROWS == 0:
                self._pause()
            yield change

    def _build(self, rows: list[_Row]) -> list[Change]:
        changes, built = [], 0
        for item, version, epoch, header, its_parts in rows:
            parts = []
            for digest, size in its_parts:
                parts.append(Part(Digest(digest), size))
                built += 1
                if built % _SLICE_ROWS == 0:
                    self._pause()
            changes.append(
                Change(ItemId(item), version, epoch, tuple(parts), None if header is None else Digest(header))
            )
        return changes


def _make_key(account: AccountId, body: ItemsCommitted) -> _Key:
    return _Key(account, body.changes, body.commit if body.kind is CommitKind.SNAPSHOT else 0)


def _verify_size(body: ItemsCommitted, size: int) -> int:
    """Verify what can be known of a list before a byte of it is read."""
    if body.kind is CommitKind.SNAPSHOT:
        if size > MAX_PAGE_LIST_BYTES:
            raise CommitMismatch(f"a page list of {size} bytes, limit {MAX_PAGE_LIST_BYTES}")
        return size
    if body.count > MAX_CHANGES:
        raise CommitMismatch(f"{body.count} changes, limit {MAX_CHANGES}")
    if size < body.count * MIN_CHANGE_BYTES:
        raise CommitMismatch(f"{size} bytes cannot hold {body.count} changes")
    return size
