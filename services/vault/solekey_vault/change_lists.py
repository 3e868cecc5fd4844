"""Change lists that statements name, read before the transaction that decides. Spec: vault.md §5.

What a list must be is known from the statement: a list of another size or count is refused unread. A short
one is parsed at once; a long one in a process of its own (long_lists.py), and of a snapshot it compares the
items too: the answer holds as of a commit. What was read is remembered under the digest for the statement's
next attempts; the bytes under a digest never change.
"""

import json
import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.store import EventStore
from solekey_protocol.change_list import (
    MIN_CHANGE_BYTES,
    Change,
    Part,
    parse_change_list,
    read_change_count,
)
from solekey_protocol.errors import MalformedError
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import AccountId, Digest, ItemId
from solekey_protocol.limits import KIB, MAX_CHANGES
from solekey_service.worker_process import WorkerProcess
from solekey_vault.context import SnapshotVerdict
from solekey_vault.long_lists import COMPARE_SNAPSHOT, PARSE_ROWS
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.refusals import CommitMismatch

SHORT_BYTES: Final = 32 * KIB
"""A list up to this size is parsed at once: some 500 changes, a few milliseconds."""
DEADLINE_S: Final = 60.0
_KEPT: Final = 16
_SLICE_ROWS: Final = 250

Read = tuple[Change, ...] | SnapshotVerdict | CommitMismatch
"""What is known of a list: its changes, of a long snapshot how it compares, or why it is refused."""

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
            UnavailableError: the process that reads long lists is busy; nothing was changed.
        """
        key = _make_key(account, body)
        with self._store.read() as uow:
            size = self._objects.find_sizes(uow, account, [body.changes]).get(body.changes)
            if size is None or key in self._read:
                return
            _verify_size(body, size)
            encoded = self._objects.read(uow, account, body.changes)
        if encoded is None:
            return
        try:
            known = self._parse(account, body, encoded)
        except MalformedError as error:
            known = CommitMismatch(str(error))
        if isinstance(known, SnapshotVerdict) and known.commit != body.commit - 1:
            raise UnavailableError("the commits before the snapshot have not been applied here; say it again")
        self._remember(key, known)

    def find(self, account: AccountId, body: ItemsCommitted) -> tuple[Change, ...] | SnapshotVerdict | None:
        """Find what ``prepare`` has read; None: the list was not there. Raises CommitMismatch."""
        known = self._read.get(_make_key(account, body))
        if isinstance(known, CommitMismatch):
            raise CommitMismatch(str(known))
        return known

    def _remember(self, key: _Key, known: Read) -> None:
        with self._lock:
            self._read[key] = known
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)

    def _parse(self, account: AccountId, body: ItemsCommitted, encoded: bytes) -> Read:
        if read_change_count(encoded) != body.count:
            return CommitMismatch(f"the change list does not begin as one of {body.count} changes")
        if len(encoded) <= SHORT_BYTES:
            return tuple(parse_change_list(encoded))
        if body.kind is CommitKind.SNAPSHOT:
            told = {
                "database": self._store.engine.url.render_as_string(hide_password=False),
                "account": account,
            }
            argument = json.dumps(told).encode() + b"\n" + encoded
            return SnapshotVerdict(**json.loads(self._worker.call(COMPARE_SNAPSHOT, argument)))
        rows = marshal.loads(self._worker.call(PARSE_ROWS, encoded))  # noqa: S302  # our own process made it
        return tuple(self._build(rows))

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
    if body.kind is not CommitKind.SNAPSHOT and body.count > MAX_CHANGES:
        raise CommitMismatch(f"{body.count} changes, limit {MAX_CHANGES}")
    if size < body.count * MIN_CHANGE_BYTES:
        raise CommitMismatch(f"{size} bytes cannot hold {body.count} changes")
    return size
