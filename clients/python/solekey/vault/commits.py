"""Commits drafts: seals, uploads, signs; rebases when another device was faster. Never last-write-wins.

::

    a put whose item changed meanwhile     becomes a new item beside it: a conflict copy
    a new item whose name is taken now     becomes a conflict copy
    an exact put of either kind            is refused: nothing of its commit is stored
    a removal whose item changed meanwhile is dropped: the newer version stays
    a re-encrypted item that changed meanwhile is dropped: the newer version is under the new epoch

Spec: vault.md §5, §5.1.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from solekey.crypto import Conflict, ItemMetadata, RandomSource
from solekey.errors import (
    AmbiguousNameError,
    ContentionError,
    DiskFullError,
    ItemChangedError,
    ItemMissingError,
    ServerRefusedError,
    TransportError,
)
from solekey.progress import Progress, ignore_progress
from solekey.streams.author import Author
from solekey.streams.streams import Streams
from solekey.transfer.drafts import Draft, Put, Remove, choose_conflict_name
from solekey.transfer.objects import ObjectStore
from solekey.transfer.parallel import use_ahead
from solekey.transfer.uploader import Uploader
from solekey.vault.directory import Directory
from solekey.vault.index.item_index import ItemIndex
from solekey.vault.index.rows import IndexRow
from solekey.vault.keyring import Keyring
from solekey.vault.snapshot_policy import pays
from solekey_protocol.change_list import Change, encode_change_list
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import RAW_ID_BYTES, DeviceId, Digest, ItemId, compute_digest
from solekey_protocol.limits import MAX_CHANGES
from solekey_protocol.lineage import may_reencrypt
from solekey_protocol.page_list import encode_pages

MAX_DRAFTS: Final = MAX_CHANGES
"""Drafts in one commit."""
OnSealed = Callable[[Digest, Sequence[Change | None]], None]
_log = logging.getLogger(__name__)


def ignore_sealed(digest: Digest, changes: Sequence[Change | None]) -> None:
    """Take no notice of what is about to be signed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a draft. ``change`` None: dropped. ``draft`` differs from the one given for a copy."""

    draft: Draft
    change: Change | None
    conflict: bool


@dataclass(slots=True)
class PendingDraft:
    """A draft on its way, and what it was sealed to, by the epoch."""

    draft: Draft | None
    given: Draft
    sealed: dict[int, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SealedAhead:
    """What was sealed and sent before its turn to be committed has come: the changes, and their list."""

    changes: list[Change]
    digest: Digest
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Committer:
    """Commits for one unlocked account."""

    author: Author
    streams: Streams
    index: ItemIndex
    directory: Directory
    keyring: Keyring
    objects: ObjectStore
    uploader: Uploader
    random: RandomSource
    device: DeviceId
    device_name: str
    on_sealed: OnSealed

    def commit(
        self,
        drafts: Sequence[Draft],
        *,
        progress: Progress = ignore_progress,
        on_sealed: OnSealed | None = None,
        ahead: SealedAhead | None = None,
    ) -> list[Outcome]:
        """Commit drafts in one signed commit; returns what became of each, in order.

        Args:
            drafts: what is to be committed.
            progress: is told how far it has come.
            on_sealed: told, before each attempt is signed, the digest of its change list and the change of
                each draft, None for what is dropped; not given: this committer's is told.
            ahead: what `seal_ahead` made of the drafts; None: they were not sealed yet.

        Raises:
            ContentionError: other devices were faster each time.
            ItemChangedError: what an exact put is based on is not there; nothing was committed.
            SealError, ServerRefusedError, TransportError, EvidenceError
        """
        pending = [PendingDraft(draft, draft) for draft in drafts]
        if ahead is not None:
            for entry, change in zip(pending, ahead.changes, strict=True):
                entry.sealed[change.epoch] = change
        own: dict[Digest, bytes] = {}

        def decide() -> ItemsCommitted | None:
            self.index.catch_up()
            self._rebase_all(pending)
            epoch = self.streams.vault.epoch
            self._seal(pending, epoch, progress)
            changes = [entry.sealed[epoch] for entry in pending if entry.draft is not None]
            if not changes:
                return None
            if ahead is not None and changes == ahead.changes:
                digest, encoded = ahead.digest, ahead.encoded
            else:
                encoded = encode_change_list(changes)
                digest = self.objects.put(encoded)
            own[digest] = encoded
            note = on_sealed or self.on_sealed
            note(digest, [each.sealed[epoch] if each.draft else None for each in pending])
            return self._build(CommitKind.DELTA, epoch, changes, encoded)

        event = self.author.say(decide, signers=self.keyring.find_signers)
        epoch = 0
        if event is not None and isinstance(event.body, ItemsCommitted):
            epoch = event.body.epoch
            self._remember(pending, epoch)
            _log.info("commit %d: %d changes, epoch %d", event.body.commit, event.body.count, epoch)
        self.index.catch_up(own)
        outcomes = [self._conclude(entry, epoch) for entry in pending]
        self._snapshot_where_it_pays()
        return outcomes

    def commit_groups(self, groups: Sequence[Sequence[Put]]) -> Iterator[list[Outcome]]:
        """Commit groups of puts in order, each in one signed commit; yields what became of each group.

        While one is committed, the next are sealed and sent. Where a draft is rebased, or the epoch changes,
        it is sealed again; what was sent in vain is collected by the vault.

        Raises:
            As `commit`. The groups before are committed, none after it is.
        """
        yield from use_ahead(self.seal_ahead, lambda group, ahead: self.commit(group, ahead=ahead), groups)

    def seal_ahead(self, puts: Sequence[Put]) -> SealedAhead | None:
        """Seal puts under the present epoch and send them, while something else is being committed."""
        data_key = self.keyring.data_key(self.streams.vault.epoch)
        changes = self.uploader.upload(puts, data_key, ignore_progress)
        encoded = encode_change_list(changes)
        return SealedAhead(changes, self.objects.put(encoded), encoded)

    def commit_rekeyed(self, changes: Mapping[Change, ItemMetadata]) -> None:
        """Commit what was sealed anew under the newest epoch, and sent; drops what changed meanwhile.

        Raises:
            As `commit`.
        """
        own: dict[Digest, bytes] = {}

        def decide() -> ItemsCommitted | None:
            self.index.catch_up()
            vault, rotation = self.streams.vault, self.streams.rotation
            epoch, rows = vault.epoch, self.index.get_many([each.item for each in changes])
            kept = [change for change in changes if _follows(change, rows.get(change.item), epoch)]
            if not kept or not may_reencrypt(vault, rotation, epoch, rotation.head.seq):
                return None
            encoded = encode_change_list(kept)
            own[self.objects.put(encoded)] = encoded
            return self._build(CommitKind.REKEY, epoch, kept, encoded)

        event = self.author.say(decide, signers=self.keyring.find_signers)
        for change, metadata in changes.items():
            self.directory.remember(change, metadata)
        self.index.catch_up(own)
        if event is not None and isinstance(event.body, ItemsCommitted):
            _log.info("commit %d: %d items re-encrypted", event.body.commit, event.body.count)

    def commit_snapshot(self) -> None:
        """Commit a snapshot of all items, removals included: what a new device begins to read from."""
        self._commit_snapshot(lambda: True)

    def _snapshot_where_it_pays(self) -> None:
        """Commit a snapshot if it pays; what was committed before it stays, whatever becomes of it."""
        if not self._pays():
            return
        try:
            self.streams.sync(Stream.ROTATION)
            self._commit_snapshot(self._pays)
        except (ServerRefusedError, TransportError, ContentionError, DiskFullError) as error:
            _log.warning("no snapshot was committed: %s", error)

    def _pays(self) -> bool:
        is_rotating = self.streams.rotation.open is not None
        return not is_rotating and pays(self.streams.vault, lambda: len(self.index.newest))

    def _commit_snapshot(self, is_wanted: Callable[[], bool]) -> None:
        own: dict[Digest, bytes] = {}

        def decide() -> ItemsCommitted | None:
            self.index.catch_up()
            if not is_wanted():
                return None
            changes = list(self.index.newest.values())
            encoded, pages = encode_pages(changes)
            self.objects.put_many(pages)
            own.update({compute_digest(page): page for page in pages})
            own[self.objects.put(encoded)] = encoded
            return self._build(CommitKind.SNAPSHOT, self.streams.vault.epoch, changes, encoded)

        self.author.say(decide, signers=self.keyring.find_signers)
        self.index.catch_up(own)

    def _build(
        self, kind: CommitKind, epoch: int, changes: Sequence[Change], encoded: bytes
    ) -> ItemsCommitted:
        return ItemsCommitted(
            commit=self.streams.vault.last_commit + 1,
            kind=kind,
            epoch=epoch,
            changes=compute_digest(encoded),
            count=len(changes),
            bytes=sum(change.size for change in changes),
        )

    def _rebase_all(self, pending: Sequence[PendingDraft]) -> None:
        drafts = [entry.draft for entry in pending if entry.draft is not None]
        rows = self.index.get_many([draft.item for draft in drafts])
        new = [draft.metadata.name for draft in drafts if isinstance(draft, Put) and not draft.base_version]
        taken = self.directory.find_taken(new)
        for entry in pending:
            if entry.draft is not None:
                self._rebase(entry, entry.draft, rows.get(entry.draft.item), taken)

    def _rebase(
        self, entry: PendingDraft, draft: Draft, row: IndexRow | None, taken: AbstractSet[str]
    ) -> None:
        current = row.change if row is not None else None
        if (
            row is not None
            and current is not None
            and not current.removed
            and row.content_since <= draft.base_version < current.version
        ):
            draft = entry.draft = replace(draft, base_version=current.version)  # only re-encrypted meanwhile
            entry.sealed.clear()
        unchanged = draft.base_version == (current.version if current else 0)
        if isinstance(draft, Remove):
            entry.draft = draft if unchanged else None
            return
        if unchanged and (draft.base_version or draft.metadata.name not in taken):
            return
        if draft.exact:
            what = "there is one now" if draft.base_version == 0 else "another device was faster"
            raise ItemChangedError(f"{draft.metadata.name!r}: {what}")
        entry.draft, entry.sealed = self._copy_for_conflict(draft, is_copy=draft.item != entry.given.item), {}

    def _copy_for_conflict(self, draft: Put, *, is_copy: bool) -> Put:
        name = draft.metadata.name
        conflict = draft.metadata.conflict if is_copy else None
        if conflict is None:
            conflict = Conflict(self.device, draft.item if draft.base_version else self._find_holder(draft))
        if self.directory.is_taken(name):
            name = choose_conflict_name(name, self.device_name, self.directory.is_taken)
        return draft.copy_for_conflict(ItemId.from_raw(self.random(RAW_ID_BYTES)), name, conflict)

    def _find_holder(self, draft: Put) -> ItemId:
        """Find the item that has the name of a new one."""
        try:
            return self.directory.find(draft.metadata.name).id
        except (AmbiguousNameError, ItemMissingError):
            return draft.item  # several have it; the copy's name says the rest

    def _seal(self, pending: Sequence[PendingDraft], epoch: int, progress: Progress) -> None:
        unsealed = [entry for entry in pending if entry.draft is not None and epoch not in entry.sealed]
        puts: list[tuple[PendingDraft, Put]] = []
        for entry in unsealed:
            if isinstance(entry.draft, Put):
                puts.append((entry, entry.draft))
            elif entry.draft is not None:
                entry.sealed[epoch] = Change(entry.draft.item, entry.draft.base_version + 1, 0, ())
        if puts:
            data_key = self.keyring.data_key(epoch)
            changes = self.uploader.upload([put for _, put in puts], data_key, progress)
            for (entry, _), change in zip(puts, changes, strict=True):
                entry.sealed[epoch] = change

    def _remember(self, pending: Sequence[PendingDraft], epoch: int) -> None:
        """Tell the directory what was sealed, so that it need not be opened when its commit is followed."""
        for entry in pending:
            if isinstance(entry.draft, Put):
                known_size = len(entry.draft.content) if isinstance(entry.draft.content, bytes) else None
                self.directory.remember(entry.sealed[epoch], entry.draft.metadata, known_size)

    def _conclude(self, entry: PendingDraft, epoch: int) -> Outcome:
        if entry.draft is None:
            return Outcome(entry.given, None, conflict=True)
        change = entry.sealed[epoch]
        return Outcome(entry.draft, change, conflict=entry.draft.item != entry.given.item)


def _follows(change: Change, row: IndexRow | None, epoch: int) -> bool:
    """Whether a re-encrypted version is of the newest epoch and follows the live one."""
    return (
        change.epoch == epoch
        and row is not None
        and not row.change.removed
        and row.change.version + 1 == change.version
    )
