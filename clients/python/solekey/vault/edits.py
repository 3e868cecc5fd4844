"""Edits: a put is drafted from what this profile has seen of the item, then sealed and committed.

What an edit is based on, in this order: the version that the caller names; the one that this profile read or
wrote last (`seen`); the one that is known here. What this device has signed it has written, whether or not it
was answered. Spec: vault.md §5.1.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Final

from solekey.crypto import Confidential, ContentSource
from solekey.crypto.inner_plaintext import measure_inner
from solekey.errors import ItemChangedError, ItemMissingError, NameTakenError, SolekeyError
from solekey.garbage import pausing_collection
from solekey.progress import Progress, ignore_progress
from solekey.transfer.drafts import Put, StreamContent
from solekey.transfer.intake import Intake, put_back, read_head
from solekey.transfer.source_file import SourceFile
from solekey.transfer.upload_spool import UploadSpool, clean_uploads, derive_fingerprint
from solekey.vault.commits import MAX_DRAFTS, Outcome
from solekey.vault.item import Stored
from solekey.vault.item_info import ItemInfo
from solekey.vault.names import fold_name, is_item_id
from solekey.vault.new_content import Description, NewContent, verify_base_version
from solekey.vault.seen import Seen
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change
from solekey_protocol.ids import RAW_ID_BYTES, ItemId
from solekey_protocol.limits import MIB

SPOOL_FROM_BYTES: Final = MIB
"""Files from this size are sealed to disk first, so that their upload can be resumed."""


@dataclass(frozen=True, slots=True, repr=False)
class Target(Confidential):
    """What a put goes to.

    Attributes:
        name_or_id: an item's id or name, or the name of a new one.
        description: what describes it, as far as it was given.
        default_type: the type of a new item, where none was given.
        base_version: the version that this is an edit of; 0: there is none; None: not given.
        new_name: what the item is to be called from now on.
        resolved: it is no conflict copy any more.
    """

    name_or_id: str
    description: Description
    default_type: str
    base_version: int | None = None
    new_name: str | None = None
    resolved: bool = False

    def __post_init__(self) -> None:
        verify_base_version(self.base_version)


class Edits:
    """Drafts and commits puts for one unlocked account."""

    def __init__(self, unlocked: UnlockedAccount) -> None:
        self._unlocked = unlocked

    def draft(self, target: Target, content: bytes | StreamContent, *, is_free: bool | None = None) -> Put:
        """Draft a put: of the item that has this id or name, else of a new item.

        Args:
            target: what the put goes to.
            content: what is put.
            is_free: whether no item has this id or name; None: not known yet.

        Raises:
            ItemChangedError: the item is not what the caller's base_version says.
            ItemMissingError: it is an id, and no item has it.
            AmbiguousNameError: several items have this name.
        """
        runtime, directory = self._unlocked.connection.runtime, self._unlocked.directory
        now_ms, name = runtime.now_ms(), target.name_or_id
        if is_free is None:
            is_free = name in directory.find_free([name])
        if is_free:
            if target.base_version:
                raise ItemChangedError(f"there is no item {name!r} any more; it was to be an edit of one")
            if is_item_id(name):
                raise ItemMissingError(f"there is no item {name}")
            metadata = target.description.describe_new(name, target.default_type, now_ms)
            item = ItemId.from_raw(runtime.random(RAW_ID_BYTES))
            return Put(item, 0, metadata, content, exact=target.base_version is not None)
        info = directory.find(name)
        metadata = target.description.describe_edit(info.metadata, now_ms)
        if target.new_name is not None:
            self._verify_free(target.new_name, info)
            metadata = replace(metadata, name=target.new_name)
        if target.resolved:
            metadata = replace(metadata, conflict=None)
        if target.base_version is not None:
            verify_base(info, target.base_version)
            return Put(info.id, info.sealed_version, metadata, content, exact=True)
        return Put(info.id, self._find_base(info), metadata, content)

    def draft_contents(self, contents: Mapping[str, bytes | str | NewContent]) -> list[Put]:
        """Draft puts of what is in memory, by name or id. Raises as `draft`."""
        free = self._unlocked.directory.find_free(list(contents))
        drafts = []
        for name, content in contents.items():
            new = content if isinstance(content, NewContent) else NewContent(content)
            target = Target(name, new.description, new.default_type, new.base_version)
            drafts.append(self.draft(target, new.data, is_free=name in free))
        return drafts

    def put_stream(
        self,
        target: Target,
        opened: AbstractContextManager[ContentSource],
        progress: Progress,
        *,
        claimed: int | None = None,
    ) -> Stored:
        """Put what a source gives until it ends, whatever size it claims; nothing is committed before.

        The chunks of what is spooled are those of content of unknown size. So the padded size decides, and
        not the exact one, whether a source that claims no size, or another one, is spooled.
        """
        with ExitStack() as stack:
            with opened as source:
                head = read_head(source, SPOOL_FROM_BYTES)
                draft = self.draft(target, head)
                is_long = measure_inner(draft.metadata, len(head)) > SPOOL_FROM_BYTES
                if is_long and claimed != len(head):
                    draft = self._take_in(stack, draft, put_back(head, source), progress)
            return self.commit([draft], progress=progress)[0]

    def put_large_file(
        self, target: Target, source: SourceFile, *, restart: bool, progress: Progress
    ) -> Stored:
        """Put a large file through a spool, or go on where an interrupted attempt was."""
        draft = self.draft(target, b"")
        metadata, folder = draft.metadata, self._unlocked.connection.profile.folder
        described: tuple[str | int, ...] = (
            metadata.type,
            len(metadata.tags),
            *metadata.tags,
            *(text for pair in sorted(metadata.attributes.items()) for text in pair),
        )
        state = (*source.state, *described, self._unlocked.streams.vault.epoch)
        fingerprint = derive_fingerprint((str(source.path), target.name_or_id), state)
        clean_uploads(folder, now_s=time.time(), replaced_by=fingerprint)
        spool = UploadSpool(folder, fingerprint)
        with spool.hold():
            if restart:
                spool.delete()
            content = StreamContent(fingerprint, source.size, source.open)
            stored = self._resume(spool, replace(draft, content=content), progress)
            spool.delete()
        return stored

    def commit(self, drafts: Sequence[Put], *, progress: Progress = ignore_progress) -> tuple[Stored, ...]:
        """Commit puts in one signed commit, and note them as seen."""
        return self._note(self._unlocked.committer.commit(drafts, progress=progress))

    def commit_many(self, drafts: Sequence[Put]) -> tuple[Stored, ...]:
        """Commit puts in as many signed commits as they need; an error says what was stored before it."""
        groups = [drafts[start : start + MAX_DRAFTS] for start in range(0, len(drafts), MAX_DRAFTS)]
        stored: list[Stored] = []
        try:
            with pausing_collection():
                for outcomes in self._unlocked.committer.commit_groups(groups):
                    stored += self._note(outcomes)
        except SolekeyError as error:
            if stored:
                error.add_note(
                    f"The first {len(stored)} of {len(drafts)} items are stored; put the others again."
                )
            raise
        return tuple(stored)

    def verify_seen(self, change: Change, base_version: int | None) -> ItemInfo | None:
        """Verify that an item to be removed is in the version that was seen; None: it does not open.

        Raises:
            ItemChangedError: it is in another version.
        """
        seen = self._unlocked.seen.find(change.item)
        expected = base_version if base_version is not None or seen is None else seen.revision
        if expected is None and self._unlocked.directory.get_name(change) is None:
            return None  # nothing to compare with: nothing needs to open
        try:
            info = self._unlocked.directory.find(change.item)
        except UNREADABLE:
            if base_version is not None:
                raise
            return None
        if expected is None or expected == info.version:
            return info
        if base_version is not None or not self._is_own(info):
            verify_base(info, expected)
        return info

    def _note(self, outcomes: Sequence[Outcome]) -> tuple[Stored, ...]:
        """Note committed puts as seen."""
        stored = tuple(map(_describe_outcome, outcomes))
        self._unlocked.seen.note(
            {
                outcome.change.item: Seen(result.version, outcome.change.version)
                for outcome, result in zip(outcomes, stored, strict=True)
                if outcome.change is not None
            }
        )
        return stored

    def _verify_free(self, name: str, info: ItemInfo) -> None:
        """Verify that an item may be called so. Raises NameTakenError."""
        if is_item_id(name):
            raise NameTakenError(f"{name} has the form of an item's id, and would be taken for one")
        if fold_name(name) != fold_name(info.name) and self._unlocked.directory.is_taken(name):
            raise NameTakenError(f"there is another item {name!r}")

    def _find_base(self, info: ItemInfo) -> int:
        """Find the item version that an edit is based on; an older one than the live leads to a copy."""
        seen = self._unlocked.seen.find(info.id)
        if seen is None or seen.revision == info.version or self._is_own(info):
            return info.sealed_version
        return min(seen.version, info.sealed_version)

    def _is_own(self, info: ItemInfo) -> bool:
        """Tell whether this device made what is live: then it has written it, though it was never told so."""
        own = self._unlocked.connection.profile.device_key.device_id
        return self._unlocked.index.find_editor(info.id) == own

    def _take_in(self, stack: ExitStack, draft: Put, source: ContentSource, progress: Progress) -> Put:
        unlocked = self._unlocked
        intake = Intake(unlocked.committer.uploader, unlocked.keyring.data_key)
        spool, epoch = intake.make_spool(), unlocked.streams.vault.epoch
        clean_uploads(spool.folder, now_s=time.time(), replaced_by=spool.fingerprint)
        stack.enter_context(spool.hold())
        stack.callback(spool.delete)
        return intake.seal(spool, draft, epoch, source, progress)

    def _resume(self, spool: UploadSpool, draft: Put, progress: Progress) -> Stored:
        """Commit a draft whose content may have been sealed, sent, or even committed before."""
        sealed = spool.load()
        if sealed is not None and sealed == self._unlocked.index.items.get(sealed.item):
            info = self._unlocked.directory.find(sealed.item)
            return Stored(sealed.item, info.version, info.name, conflict=False)
        if sealed is not None and draft.base_version == 0:
            draft = replace(draft, item=sealed.item)
        return self.commit([draft], progress=progress)[0]


def verify_base(info: ItemInfo, base_version: int) -> None:
    """Verify that an item is still in the version that an edit of it is based on. Raises ItemChangedError."""
    if info.version != base_version:
        expected = f"not {base_version}" if base_version else "and was to be new"
        raise ItemChangedError(f"{info.name!r} is in version {info.version}, {expected}")


def _describe_outcome(outcome: Outcome) -> Stored:
    put, change = outcome.draft, outcome.change
    if not isinstance(put, Put) or change is None:
        raise TypeError("a put is never dropped")
    return Stored(change.item, put.metadata.revision, put.metadata.name, outcome.conflict)
