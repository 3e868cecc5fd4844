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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from solekey.crypto import DataKey, ItemMetadata
from solekey.errors import (
    OpenError,
    ProfileError,
    SwappedObjectError,
)
from solekey.offline.attempts import Attempts, Place, TakenError
from solekey.offline.pushed import Pushed, PushedPut
from solekey.offline.queue import DamagedEntry, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.progress import Progress, ignore_progress
from solekey.transfer.drafts import Draft, Put, Remove
from solekey.transfer.objects import verify_object
from solekey.vault.commits import MAX_DRAFTS, Outcome
from solekey.vault.names import fold_name
from solekey.vault.seen import Seen
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.change_list import Change, parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import MIB

BATCH_BYTES: Final = 8 * MIB
_log = logging.getLogger(__name__)
_UNREADABLE: Final = (OpenError, SwappedObjectError, ProfileError)


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
        self._edited: dict[int, frozenset[ItemId] | None] = {}

    def run(self, progress: Progress = ignore_progress) -> Pushed:
        """Send all that can be sent.

        Raises:
            ServerRefusedError, TransportError, EvidenceError: what was sent before is done, the rest stays.
        """
        with self._queue.lock():
            self._conclude_sent()
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
        entries, self._pushed.damaged = self._queue.read_all(self.find_key)
        batch: list[tuple[QueueEntry, Draft]] = []
        size = 0
        for entry in entries:
            if len(batch) == MAX_DRAFTS or any(entry.item == taken.item for taken, _ in batch):
                break
            if batch and size + entry.change.size > BATCH_BYTES:
                break
            try:
                batch.append((entry, self._draft(entry)))
            except _UNREADABLE as error:
                self._pushed.damaged.append(DamagedEntry(entry.number, error))
                continue
            size += entry.change.size
        return batch

    def _draft(self, entry: QueueEntry) -> Draft:
        base = self._find_base(entry)
        if entry.is_removal:
            return Remove(entry.item, base)
        with self._queue.open_envelope(entry, self.find_key) as reader:
            metadata = reader.open_metadata()
        content = self._queue.read_content(entry, self.find_key)
        return Put(entry.item, base, metadata, content)

    def _find_base(self, entry: QueueEntry) -> int:
        """Find the version that an entry follows: the live one, if it was only re-encrypted meanwhile."""
        live = self._unlocked.index.items.get(entry.item)
        if live is None or live.version <= entry.base_version:
            return entry.base_version
        if entry.commit not in self._edited:
            self._edited[entry.commit] = find_edited(self._unlocked, entry.commit)
        edited = self._edited[entry.commit]
        return entry.base_version if edited is None or entry.item in edited else live.version

    def _commit(self, batch: Sequence[tuple[QueueEntry, Draft]]) -> None:
        def note(digest: Digest, changes: Sequence[Change | None]) -> None:
            rows = zip((entry for entry, _ in batch), changes, strict=True)
            self._attempts.note(
                digest, {entry.number: change for entry, change in rows if change is not None}
            )

        try:
            self._edited.clear()
            outcomes = self._unlocked.committer.commit([draft for _, draft in batch], on_sealed=note)
        except TakenError:
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
        elif change is not None:
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
        for entry, place in done:
            if place is not None:
                self._move_later(entry, place)
            self._queue.delete(entry)
        self._attempts.forget()

    def _move_later(self, entry: QueueEntry, place: Place) -> None:
        """Move what follows an entry to where it has gone, the last first: a crash does no harm."""
        moves: dict[Place, Place] = {(entry.item, entry.base_version + 1): place}
        moved: list[tuple[QueueEntry, Place]] = []
        for later in self._queue.read_all(self.find_key)[0]:
            target = moves.get((later.item, later.base_version))
            if later.number > entry.number and target is not None:
                if target != (later.item, later.base_version):
                    moved.append((later, target))
                moves[later.item, later.base_version + 1] = (target[0], target[1] + 1)
        if not moved:
            return
        newest = self._unlocked.keyring.data_key(self._unlocked.streams.vault.epoch)
        original = self._find_name(entry)
        for later, (item, version) in reversed(moved):
            new = replace(later, item=item, base_version=version, commit=self._unlocked.index.commit)
            describe = partial(self._describe, place, original, version)
            keep = later.item == item
            self._queue.move(later, new, _keep_description if keep else describe, self.find_key, newest)

    def _find_name(self, entry: QueueEntry) -> str:
        if entry.is_removal:
            return ""
        with self._queue.open_envelope(entry, self.find_key) as reader:
            return reader.open_metadata().name

    def _describe(self, place: Place, original: str, base: int, metadata: ItemMetadata) -> ItemMetadata:
        """Describe a later edit of what has become a conflict copy: it is an edit of the copy."""
        copy = self._unlocked.directory.find(place[0]).metadata
        return replace(
            metadata,
            name=copy.name if fold_name(metadata.name) == fold_name(original) else metadata.name,
            created_ms=copy.created_ms,
            revision=copy.revision + base + 1 - place[1],
            conflict=copy.conflict,
        )

    def _conclude_sent(self) -> None:
        """Conclude what was sent before an interruption, if the server took it."""
        places = self._attempts.find_taken()
        entries = [entry for entry in self._queue.read_all(self.find_key)[0] if entry.number in places]
        self._pushed.known += len(entries)
        if entries:
            _log.info("%d queued changes had been sent before", len(entries))
        self._conclude((entry, places[entry.number]) for entry in entries)


def _keep_description(metadata: ItemMetadata) -> ItemMetadata:
    return metadata


def find_edited(unlocked: UnlockedAccount, commit: int) -> frozenset[ItemId] | None:
    """Find the items that were edited or removed after a commit; None: a change list cannot be read."""
    events, lists = unlocked.streams.events(Stream.VAULT), list[Digest]()
    for at in range(len(events) - 1, -1, -1):
        body = events[at].body
        if isinstance(body, ItemsCommitted):
            if body.commit <= commit:
                break
            if body.kind is CommitKind.DELTA:
                lists.append(body.changes)
    found: set[ItemId] = set()
    try:
        for digest, data in zip(lists, unlocked.objects.fetch_each(lists), strict=True):
            found |= {change.item for change in parse_change_list(verify_object(digest, data))}
    except (SwappedObjectError, MalformedError):
        return None
    return frozenset(found)
