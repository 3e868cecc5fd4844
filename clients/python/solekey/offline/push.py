"""Sends the queue: in its order, rebased by the committer, each entry once, whatever was interrupted.

::

    before a commit is signed     its change list's digest, and which entry became what, go into queue/sent
    killed before it was taken    nothing of it is in the stream: its entries are sent again
    killed after it was taken     its digest is in the stream: its entries are concluded, not sent again
    concluding an entry           later entries of its place follow what it became; then it is deleted
    all of them concluded         queue/sent is deleted

Spec: offline.md §7.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from solekey.crypto import DataKey, ItemMetadata
from solekey.errors import OpenError, ProfileError, SwappedObjectError
from solekey.offline.attempts import Attempts, Place, TakenError
from solekey.offline.pushed import Pushed, PushedPut
from solekey.offline.queue import DamagedEntry, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.offline.queued_drafts import QueuedDrafts, carry_over
from solekey.offline.restored_queue import rebase_restored
from solekey.progress import Progress, ignore_progress
from solekey.transfer.drafts import Draft, Put
from solekey.vault.commits import MAX_DRAFTS, Outcome
from solekey.vault.seen import Seen
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import MIB

BATCH_BYTES: Final = 8 * MIB
Followers = dict[Place, list[QueueEntry]]
"""Entries by the place that they follow."""
_log = logging.getLogger(__name__)
_UNREADABLE: Final = (OpenError, SwappedObjectError, ProfileError)


class OutdatedError(Exception):
    """A commit of this device, late, has come between the drafts and their commit."""


class Push:
    """One attempt to send a queue. Use it under the account's lock, while it is unlocked with the server."""

    def __init__(
        self, unlocked: UnlockedAccount, queue: Queue, earlier: Mapping[int, DataKey] | None = None
    ) -> None:
        self._unlocked = unlocked
        self._queue = queue
        self._earlier = earlier or {}
        self._pushed = Pushed()
        self._attempts = Attempts(unlocked, queue, self.find_key)
        self._drafts = QueuedDrafts(unlocked, queue, self.find_key)

    def run(self, progress: Progress = ignore_progress) -> Pushed:
        """Send all that can be sent.

        Raises:
            ServerRefusedError, TransportError, EvidenceError: what was sent before is done, the rest stays.
        """
        with self._queue.lock():
            self._conclude_sent()
            rebase_restored(self._unlocked, self._queue, self.find_key)
            total = len(self._queue)
            while batch := self._take_batch():
                self._commit(batch)
                progress(self._pushed.count, total)
        return self._pushed

    def find_key(self, epoch: int) -> DataKey:
        """Find the data key of an epoch, old ones too. Raises EpochKeyMissingError, TamperedWrapError."""
        return self._earlier[epoch] if epoch in self._earlier else self._unlocked.keyring.any_data_key(epoch)

    def _take_batch(self) -> list[tuple[QueueEntry, Draft]]:
        """Take the first entries that one commit can hold; what cannot be read is passed over and named."""
        self._pushed.damaged = []
        self._drafts.begin()
        batch: list[tuple[QueueEntry, Draft]] = []
        taken: set[ItemId] = set()
        size = 0
        for entry in self._queue.iter_entries(self.find_key):
            if isinstance(entry, DamagedEntry):
                self._pushed.damaged.append(entry)
                continue
            size += entry.change.size
            if len(batch) == MAX_DRAFTS or entry.item in taken or (batch and size > BATCH_BYTES):
                break
            try:
                draft = self._drafts.draft(entry)
            except _UNREADABLE as error:
                self._pushed.damaged.append(DamagedEntry(entry.number, error))
                size -= entry.change.size
                continue
            if draft.item in taken:
                break
            batch.append((entry, draft))
            taken |= {entry.item, draft.item}
        return batch

    def _commit(self, batch: Sequence[tuple[QueueEntry, Draft]]) -> None:
        def note(digest: Digest, changes: Sequence[Change | None]) -> None:
            if self._drafts.are_outdated():
                raise OutdatedError
            rows = zip((entry for entry, _ in batch), changes, strict=True)
            self._attempts.note(
                digest, {entry.number: change for entry, change in rows if change is not None}
            )

        try:
            outcomes = self._unlocked.committer.commit([draft for _, draft in batch], on_sealed=note)
        except (TakenError, OutdatedError):
            self._conclude_sent()
            return
        for (entry, _), outcome in zip(batch, outcomes, strict=True):
            self._tell(entry, outcome)
        self._conclude(
            (entry, (outcome.change.item, outcome.change.version) if outcome.change else None)
            for (entry, _), outcome in zip(batch, outcomes, strict=True)
        )

    def _tell(self, entry: QueueEntry, outcome: Outcome) -> None:
        put, change = outcome.draft, outcome.change
        if isinstance(put, Put) and change is not None:
            self._note_seen(entry, put, outcome)
            self._pushed.puts.append(
                PushedPut(change.item, change.version, put.metadata.name, outcome.conflict)
            )
        elif change is not None or entry.item not in self._unlocked.index.items:
            self._pushed.removed.append(entry.item)
        else:
            self._pushed.dropped.append(entry.item)

    def _note_seen(self, entry: QueueEntry, put: Put, outcome: Outcome) -> None:
        """Note what this device has written; of an item that another device has changed, what it had read."""
        if outcome.change is None:
            return
        seen = {outcome.change.item: Seen(put.metadata.revision, outcome.change.version)}
        if outcome.conflict and entry.base_version:
            seen[entry.item] = Seen(0, entry.base_version)
        self._unlocked.seen.note(seen)

    def _conclude(self, done: "Iterable[tuple[QueueEntry, Place | None]]") -> None:
        """Let later entries follow what was sent, delete what was sent, forget that it was."""
        followers: Followers | None = None
        for entry, place in done:
            if place is not None and place != (entry.item, entry.base_version + 1):
                followers = self._read_followers() if followers is None else followers
                self._move_later(entry, place, followers)
            self._queue.delete(entry)
        self._attempts.forget()

    def _read_followers(self) -> "Followers":
        """Read what waits, by the place that it follows."""
        followers: Followers = {}
        for entry in self._queue.read_all(self.find_key)[0]:
            followers.setdefault((entry.item, entry.base_version), []).append(entry)
        return followers

    def _move_later(self, entry: QueueEntry, place: Place, followers: "Followers") -> None:
        """Move what follows an entry to where it has gone, the last first: a crash does no harm."""
        moved: list[tuple[QueueEntry, Place]] = []
        before, after = (entry.item, entry.base_version + 1), place
        while later := [each for each in followers.get(before, ()) if each.number > entry.number]:
            moved += [(each, after) for each in later]
            before, after = (before[0], before[1] + 1), (after[0], after[1] + 1)
        if not moved:
            return
        newest = self._unlocked.keyring.data_key(self._unlocked.streams.vault.epoch)
        describe = self._describe_in(entry, place)
        for later_one, (item, version) in reversed(moved):
            new = replace(later_one, item=item, base_version=version, commit=self._unlocked.index.commit)
            shift = version + 1 - place[1]
            sealed = self._queue.move(later_one, new, partial(describe, shift), self.find_key, newest)
            followers[later_one.item, later_one.base_version].remove(later_one)
            followers.setdefault((item, version), []).append(sealed)

    def _describe_in(self, entry: QueueEntry, place: Place) -> Callable[[int, ItemMetadata], ItemMetadata]:
        """Find how edits that follow an entry are described where it has gone: as edits of what is there."""
        live = self._unlocked.index.items.get(place[0])
        if entry.is_removal or live is None or (place[0] == entry.item and live.version != place[1]):
            return _keep_description
        try:
            before = self._drafts.open_metadata(entry)
            there = self._unlocked.directory.find(place[0]).metadata
        except (*UNREADABLE, ProfileError):
            return _keep_description

        def describe(shift: int, metadata: ItemMetadata) -> ItemMetadata:
            return replace(carry_over(metadata, before, there), revision=there.revision + shift)

        return describe

    def _conclude_sent(self) -> None:
        """Conclude what was sent before an interruption, if the server took it."""
        places = self._attempts.find_taken()
        entries = [entry for entry in self._queue.read_all(self.find_key)[0] if entry.number in places]
        self._pushed.known += len(entries)
        if entries:
            _log.info("%d queued changes had been sent before", len(entries))
        self._conclude((entry, places[entry.number]) for entry in entries)


def _keep_description(shift: int, metadata: ItemMetadata) -> ItemMetadata:  # noqa: ARG001  # the shape of others
    return metadata
