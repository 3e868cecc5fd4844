"""What a device still holds of what a restored server has lost: queued, and sent as new versions.

::

    before the copies are set back    `queue_held` queues the lost items that this device holds, and lost
                                      removals; what the queue has already is newer, and stays
    before the queue is sent          `rebase_restored` lets each follow what the server has now

    the item is not there             it is put as a new one, under its id
    nobody has edited it since        it follows the live version
    it was edited, to the same        nothing is sent: another device has sent it already
    it was edited, to something else  a conflict copy; a removal is dropped

Spec: hostile-server.md §2.3, offline.md §7.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Final

from solekey.crypto import Confidential, ContentSource, ItemMetadata
from solekey.errors import ItemMissingError, NotKeptError, ProfileError
from solekey.offline.kept_store import KeptStore
from solekey.offline.queue import SMALL_BYTES, DamagedEntry, FindKey, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.progress import ignore_progress
from solekey.transfer.drafts import Put, Remove, StreamContent
from solekey.transfer.sealed_sources import read_pieces
from solekey.vault.index.rows import IndexRow
from solekey.vault.item_version import ItemVersion
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.ids import ItemId

_UNREADABLE: Final = (*UNREADABLE, NotKeptError, ItemMissingError, ProfileError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LostItem(Confidential):
    """An item whose newest version the server has lost.

    Attributes:
        id: which item.
        name: what it is called; None: this device has not opened it, or it was removed.
        is_removal: what was lost is its removal.
        is_held: this device has it, and sends it again.
    """

    id: ItemId
    name: str | None
    is_removal: bool
    is_held: bool

    def __repr__(self) -> str:
        return f"LostItem({self.id}, is_removal={self.is_removal}, is_held={self.is_held}, <redacted>)"


def find_lost_items(unlocked: UnlockedAccount, commit: int) -> list[LostItem]:
    """Find the items that were changed after the last commit that the server has kept.

    Args:
        unlocked: the account as this device had verified it, unlocked without the server.
        commit: the last commit that the server has kept.
    """
    return [_describe(unlocked, row) for row in unlocked.index.find_changed(commit)]


def queue_held(unlocked: UnlockedAccount, queue: Queue, commit: int) -> None:
    """Queue what this device holds of the lost items; note of all that waits that the server was restored.

    Args:
        unlocked: the account as this device had verified it, unlocked without the server.
        queue: the profile's.
        commit: the last commit that the server has kept.

    Raises:
        DiskFullError: there is no room; it can be done again.
    """
    data_key = unlocked.keyring.data_key(unlocked.streams.vault.epoch)
    now_ms = unlocked.connection.runtime.now_ms()
    with queue.lock():
        waiting = {entry.item for entry in queue.read_all(unlocked.keyring.data_key)[0]}
        for row in unlocked.index.find_changed(commit):
            if _describe(unlocked, row).is_held and row.change.item not in waiting:
                try:
                    queue.add(_draft(unlocked, row), data_key, commit=commit, now_ms=now_ms)
                except _UNREADABLE as error:  # what is kept is damaged
                    _log.warning("a lost item that is kept here does not open: %s", error)
        queue.note_restoration(commit)


def _describe(unlocked: UnlockedAccount, row: IndexRow) -> LostItem:
    change, store = row.change, KeptStore(unlocked.connection.profile.folder)
    if change.removed:
        return LostItem(change.item, None, is_removal=True, is_held=True)
    is_held = all(store.has(part.digest) for part in change.parts)
    try:
        name = unlocked.directory.find(change.item).name
    except _UNREADABLE:
        name, is_held = None, False
    return LostItem(change.item, name, is_removal=False, is_held=is_held)


def _draft(unlocked: UnlockedAccount, row: IndexRow) -> Put | Remove:
    change = row.change
    base = change.version - 1
    if change.removed:
        return Remove(change.item, base)
    info = unlocked.directory.find(change.item)
    version = ItemVersion(unlocked, info, change)
    if info.size <= SMALL_BYTES:
        return Put(change.item, base, info.metadata, b"".join(version.iter_parts(ignore_progress)))

    @contextmanager
    def open_again() -> Iterator[ContentSource]:
        yield read_pieces(version.iter_parts(ignore_progress))

    return Put(change.item, base, info.metadata, StreamContent(str(change.header), info.size, open_again))


def rebase_restored(unlocked: UnlockedAccount, queue: Queue, find_key: FindKey) -> None:
    """Let what was made before a restoration follow what the server has now. Call it under the queue's lock.

    It can be repeated: what was rebased is rebased to the same.
    """
    chains: dict[ItemId, list[tuple[QueueEntry, int]]] = {}
    for entry in queue.iter_entries(find_key):
        if isinstance(entry, DamagedEntry):
            continue
        commit = queue.find_restored(entry.number)
        if commit is not None:
            chains.setdefault(entry.item, []).append((entry, commit))
    for chain in chains.values():
        _Rebase(unlocked, queue, find_key, chain[0][1]).run([entry for entry, _ in chain])


@dataclass(frozen=True, slots=True)
class _Rebase:
    """Rebases the changes of one item: each follows the one before it."""

    unlocked: UnlockedAccount
    queue: Queue
    find_key: FindKey
    commit: int

    def run(self, chain: Sequence[QueueEntry]) -> None:
        item = chain[0].item
        row = self.unlocked.index.get(item)
        if row is None:
            self._follow(chain, 0, 0)
        elif row.content_in <= self.commit and not row.change.removed:
            self._follow(chain, row.change.version, self._find_revision(item))
        else:
            for entry in chain:
                self._settle(entry, row)

    def _find_revision(self, item: ItemId) -> int | None:
        """Find which edit of an item is live; None: it does not open."""
        try:
            return self.unlocked.directory.find(item).version
        except _UNREADABLE:
            return None

    def _follow(self, chain: Sequence[QueueEntry], version: int, revision: int | None) -> None:
        """Let the changes follow a version, the last first, so that an interruption does no harm."""
        for place, entry in reversed(list(enumerate(chain))):
            if entry.is_removal and not (version + place):
                self.queue.delete(entry)  # of an item that the server does not have
                continue
            number = None if revision is None else revision + place + 1
            self._move(entry, version + place, self.unlocked.index.commit, number)

    def _settle(self, entry: QueueEntry, row: IndexRow) -> None:
        """Drop what another device has sent already; let the committer keep both of what differs."""
        if entry.is_removal or self._is_the_same(entry, row):
            self.queue.delete(entry)
        else:
            self._move(entry, row.change.version - 1, self.commit, None)

    def _move(self, entry: QueueEntry, base: int, commit: int, revision: int | None) -> None:
        newest = self.unlocked.keyring.data_key(self.unlocked.streams.vault.epoch)
        moved = replace(entry, base_version=base, commit=commit)
        self.queue.move(entry, moved, partial(_renumber, revision), self.find_key, newest)
        self.queue.forget_restoration(entry)

    def _is_the_same(self, entry: QueueEntry, row: IndexRow) -> bool:
        """Tell whether a put is what the server has of its item."""
        if row.change.removed:
            return False
        try:
            info = self.unlocked.directory.find(entry.item)
            theirs = ItemVersion(self.unlocked, info, row.change).iter_parts(ignore_progress)
            with self.queue.open_envelope(entry, self.find_key) as reader:
                if _strip(reader.open_metadata()) != _strip(info.metadata):
                    return False
                if reader.open_content_size() != info.size:
                    return False
                return _are_equal(reader.iter_content(), theirs)
        except _UNREADABLE:
            return False


def _renumber(revision: int | None, metadata: ItemMetadata) -> ItemMetadata:
    return metadata if revision is None else replace(metadata, revision=revision)


def _strip(metadata: ItemMetadata) -> ItemMetadata:
    """A description without the number of the edit, which each device counts from what the server has."""
    return replace(metadata, revision=1)


def _are_equal(ours: Iterable[bytes], theirs: Iterable[bytes]) -> bool:
    """Tell whether two contents are the same, however they are cut into pieces."""
    left, right = b"", b""
    for one, other in zip_longest(ours, theirs, fillvalue=b""):
        left, right = left + one, right + other
        size = min(len(left), len(right))
        if left[:size] != right[:size]:
            return False
        left, right = left[size:], right[size:]
    return left == right
