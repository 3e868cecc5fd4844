"""Drafts queued changes when they are sent: on the live version, where nobody else has edited it since.

::

    nobody has edited the item, or it was only re-encrypted    follows the live version
    this device alone has, before the change was queued        follows the live version, described as that is
                                                               but for what the change says itself
    another device has, or this one later                      follows what it followed: the committer makes
                                                               a copy, or drops a removal

Spec: offline.md §7.
"""

from collections.abc import Mapping
from dataclasses import replace

from solekey.crypto import ItemMetadata
from solekey.errors import AmbiguousNameError, ItemMissingError, SwappedObjectError, VersionMissingError
from solekey.offline.queue import FindKey, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.progress import ignore_progress
from solekey.transfer.drafts import Draft, Put, Remove
from solekey.transfer.objects import verify_object
from solekey.vault.item_info import ItemInfo
from solekey.vault.names import fold_name
from solekey.vault.past import find_past_version
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import RAW_ID_BYTES, DeviceId, ItemId

Editors = Mapping[ItemId, set[DeviceId | None]]
"""Which devices have edited or removed each item."""


class QueuedDrafts:
    """Drafts the changes of one queue."""

    def __init__(self, unlocked: UnlockedAccount, queue: Queue, find_key: FindKey) -> None:
        self._unlocked = unlocked
        self._queue = queue
        self._find_key = find_key
        self._editors: dict[int, Editors | None] = {}
        self._drafted_at = 0

    def begin(self) -> None:
        """Begin drafts that are committed together: look anew who has edited what."""
        self._editors.clear()
        self._drafted_at = self._unlocked.streams.vault.last_commit

    def are_outdated(self) -> bool:
        """Tell whether a commit of this device has arrived since they were begun: it is no other's edit."""
        editors = find_editors(self._unlocked, self._drafted_at) or {}
        return any(self._queue.device in devices for devices in editors.values())

    def draft(self, entry: QueueEntry) -> Draft:
        """Draft an entry.

        Raises:
            OpenError, SwappedObjectError, ProfileError: its ciphertext cannot be read.
        """
        if entry.is_removal:
            return Remove(entry.item, self._find_base(entry))
        metadata = self.open_metadata(entry)
        put = Put(entry.item, entry.base_version, metadata, self._queue.read_content(entry, self._find_key))
        newest = self._unlocked.index.newest.get(entry.item)
        if newest is not None and newest.removed:
            return self._make_new(put) if self._is_edited_here(entry, entry.item) else put
        try:
            live = self._find_live(entry, metadata)
        except (ItemMissingError, AmbiguousNameError, *UNREADABLE):
            return put  # it is not known what the live version is called: the committer decides
        if live is None:
            return put
        is_moved = (live.id, live.sealed_version) != (entry.item, entry.base_version)
        if is_moved and self._is_edited_here(entry, live.id):
            metadata = self._describe(entry, metadata, live)
        return replace(
            put,
            item=live.id,
            base_version=live.sealed_version,
            metadata=replace(metadata, revision=live.version + 1),
        )

    def open_metadata(self, entry: QueueEntry) -> ItemMetadata:
        """Open what describes a put. Raises OpenError, SwappedObjectError, ProfileError."""
        with self._queue.open_envelope(entry, self._find_key) as reader:
            return reader.open_metadata()

    def _find_live(self, entry: QueueEntry, metadata: ItemMetadata) -> ItemInfo | None:
        """Find the live version that a put follows; None: it follows none."""
        directory = self._unlocked.directory
        if entry.base_version == 0:
            if not directory.is_taken(metadata.name):
                return None
            holder = directory.find(metadata.name)
            return holder if self._is_edited_here(entry, holder.id) else None
        live = directory.find(entry.item)
        return live if live.sealed_version == self._find_base(entry) else None

    def _find_base(self, entry: QueueEntry) -> int:
        """Find the version that an entry follows: the live one, if nobody else has edited it meanwhile."""
        live = self._unlocked.index.items.get(entry.item)
        if live is None or live.version <= entry.base_version:
            return entry.base_version
        editors = self._find_editors(entry)
        if editors is None or (entry.item in editors and not self._is_edited_here(entry, entry.item)):
            return entry.base_version
        return live.version

    def _is_edited_here(self, entry: QueueEntry, item: ItemId) -> bool:
        """Tell whether this device alone has edited an item meanwhile, and before it queued the entry."""
        editors = self._find_editors(entry)
        return editors is not None and editors.get(item) == {entry.device} and not self._queue.is_older(entry)

    def _find_editors(self, entry: QueueEntry) -> Editors | None:
        if entry.commit not in self._editors:
            self._editors[entry.commit] = find_editors(self._unlocked, entry.commit)
        return self._editors[entry.commit]

    def _make_new(self, put: Put) -> Put:
        """Make a new item of a put: this device had removed the item."""
        item = ItemId.from_raw(self._unlocked.connection.runtime.random(RAW_ID_BYTES))
        return replace(put, item=item, base_version=0, metadata=replace(put.metadata, revision=1))

    def _describe(self, entry: QueueEntry, metadata: ItemMetadata, live: ItemInfo) -> ItemMetadata:
        """Describe a put as an edit of the live version: what it says itself counts."""
        if live.id != entry.item:
            unsaid = replace(metadata, tags=(), attributes={})
            return replace(carry_over(metadata, unsaid, live.metadata), type=metadata.type)
        if _describe_alike(metadata, live.metadata):
            return carry_over(metadata, metadata, live.metadata)
        try:
            before = find_past_version(self._unlocked, live.id, metadata.revision - 1, ignore_progress)
        except (VersionMissingError, ItemMissingError, *UNREADABLE):
            return carry_over(metadata, live.metadata, live.metadata)  # all that it says counts
        return carry_over(metadata, before.info.metadata, live.metadata)


def _describe_alike(one: ItemMetadata, other: ItemMetadata) -> bool:
    return (one.name, one.type, one.tags, one.attributes) == (
        other.name,
        other.type,
        other.tags,
        other.attributes,
    )


def carry_over(edit: ItemMetadata, before: ItemMetadata, live: ItemMetadata) -> ItemMetadata:
    """Describe an edit of one version as an edit of another: what it does not change is as it is there."""
    return replace(
        edit,
        name=edit.name if fold_name(edit.name) != fold_name(before.name) else live.name,
        type=edit.type if edit.type != before.type else live.type,
        tags=edit.tags if edit.tags != before.tags else live.tags,
        attributes=edit.attributes if edit.attributes != before.attributes else live.attributes,
        created_ms=live.created_ms,
        conflict=edit.conflict if edit.conflict != before.conflict else live.conflict,
    )


def find_editors(unlocked: UnlockedAccount, commit: int) -> Editors | None:
    """Find who has edited or removed items after a commit; None: a change list cannot be read."""
    events, commits = unlocked.streams.events(Stream.VAULT), list[tuple[ItemsCommitted, DeviceId | None]]()
    for at in range(len(events) - 1, -1, -1):
        event = events[at]
        if isinstance(event.body, ItemsCommitted):
            if event.body.commit <= commit:
                break
            if event.body.kind is CommitKind.DELTA:
                commits.append((event.body, event.signed.statement.device if event.signed else None))
    editors: dict[ItemId, set[DeviceId | None]] = {}
    lists = unlocked.objects.fetch_each([body.changes for body, _ in commits])
    try:
        for (body, device), data in zip(commits, lists, strict=True):
            for change in parse_change_list(verify_object(body.changes, data)):
                editors.setdefault(change.item, set()).add(device)
    except (SwappedObjectError, MalformedError):
        return None
    return editors
