"""The vault: put, get, list and remove items while the account is unlocked. Spec: vault.md.

Names, types, tags and times stand inside the ciphertext. A put never overwrites what this vault object has
not seen: when another device was faster, both versions are kept, and the outcome says so.
"""

import io
import mimetypes
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from solekey.crypto import Confidential, ContentSource, ItemMetadata
from solekey.errors import ItemChangedError, LostObjectError, MetadataError
from solekey.files.any_path import AnyPath
from solekey.progress import Progress, ignore_progress
from solekey.streams.exclusive import AccountLock, exclusive, iterate_exclusively
from solekey.transfer.download import download, iter_content
from solekey.transfer.download_spool import clean_downloads
from solekey.transfer.drafts import Put, Remove, StreamContent
from solekey.transfer.intake import Intake, put_back, read_head
from solekey.transfer.sealed_sources import read_pieces
from solekey.transfer.source_file import SourceFile
from solekey.transfer.upload_spool import UploadSpool, clean_uploads, derive_fingerprint
from solekey.vault.commits import MAX_DRAFTS, Outcome
from solekey.vault.directory import ItemInfo, Listing
from solekey.vault.item_file import BUFFER_BYTES, ItemFile, ItemRanges
from solekey.vault.item_version import ItemVersion
from solekey.vault.names import fold_name
from solekey.vault.new_content import BYTES_TYPE, NewContent, verify_attributes, verify_tags
from solekey.vault.removed import RemovedItem, find_removed, list_removed
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.events import Stream
from solekey_protocol.ids import RAW_ID_BYTES, ItemId
from solekey_protocol.limits import MIB

SPOOL_FROM_BYTES: Final = MIB
"""Files from this size are sealed to disk first, so that their upload can be resumed."""


@dataclass(frozen=True, slots=True)
class Item(Confidential):
    """An item with its content."""

    info: ItemInfo
    content: bytes

    def __repr__(self) -> str:
        return f"Item({self.info.id}, version={self.info.version}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Stored(Confidential):
    """What a put has led to. ``conflict``: another device was faster; this is the copy beside its version."""

    id: ItemId
    version: int
    name: str
    conflict: bool

    def __repr__(self) -> str:
        return f"Stored({self.id}, version={self.version}, conflict={self.conflict}, <redacted>)"


@dataclass(frozen=True, slots=True)
class Removed(Confidential):
    """What was removed. ``version`` is the last one; ``name`` None: it was not opened for that."""

    id: ItemId
    version: int
    name: str | None

    def __repr__(self) -> str:
        return f"Removed({self.id}, version={self.version}, <redacted>)"


class Vault:
    """The items of an unlocked account; it ends with the block that unlocked it. Threads may share it."""

    def __init__(self, unlocked: UnlockedAccount) -> None:
        self.unlocked = unlocked
        self._seen: dict[ItemId, int] = {}

    @property
    def _lock(self) -> AccountLock:
        return self.unlocked.streams.lock

    @exclusive
    def refresh(self) -> None:
        """Verify and follow what other devices have done meanwhile. Raises EvidenceError."""
        self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
        self.unlocked.index.catch_up()

    @exclusive
    def list(self) -> Listing:
        """List the items by name; fetches only the beginnings of their ciphertexts.

        Items that do not open are not in it; the listing's ``unreadable`` names them, one by one.
        """
        self.refresh()
        listing = self.unlocked.directory.list()
        if any(isinstance(item.error, LostObjectError) for item in listing.unreadable):
            self.refresh()  # another device may have replaced the item meanwhile, and purged this version
            listing = self.unlocked.directory.list()
        return listing

    @exclusive
    def find(self, name_or_id: str) -> ItemInfo:
        """Find one item, as the list shows it. By id, only this item is opened.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            OpenError, SwappedObjectError: the item of this id cannot be read.
        """
        self.refresh()
        return self.unlocked.directory.find(name_or_id)

    @exclusive
    def get(self, name_or_id: str, *, progress: Progress = ignore_progress) -> Item:
        """Get an item with its content in memory.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            OpenError, SwappedObjectError: the server's ciphertext is not what was committed.
            VersionGoneError: another device replaced it meanwhile.
        """
        version = self._find_version(name_or_id)
        pieces = list(version.iter_parts(progress))
        self._note_seen(version)
        return Item(version.info, b"".join(pieces))

    def get_file(self, name_or_id: str, path: AnyPath, *, progress: Progress = ignore_progress) -> ItemInfo:
        """Get an item into a file, in constant memory. The file appears only when all of it is authentic.

        Call it again after an interruption: what was fetched is kept, as ciphertext, in the profile.

        Raises:
            As `get`, and TargetError, DiskFullError: the file cannot be written; the old one is untouched.
            TransferBusyError: another program of this profile gets the same item.
        """
        version, folder = self._find_version(name_or_id), self.unlocked.connection.profile.folder
        with self._lock:
            clean_downloads(folder, self.unlocked.index.items, now_s=time.time())
        download(version, folder, Path(path), progress)
        self._note_seen(version)
        return version.info

    def iter_content(self, name_or_id: str, *, progress: Progress = ignore_progress) -> Iterator[bytes]:
        """Get an item piece by piece, in constant memory, for pipes.

        Each piece is authentic, and the end is known to be there before the first; a later one may fail
        nevertheless, so that a consumer must wait for the end before it relies on the whole.

        Raises:
            As `get`.
        """
        version = self._find_version(name_or_id)
        yield from iterate_exclusively(self._lock, version.iter_parts(progress))
        self._note_seen(version)

    def get_range(self, name_or_id: str, start: int, size: int) -> bytes:
        """Get at most `size` bytes of an item's content from `start`: fetches and decrypts their chunks only.

        Raises:
            As `get`; ValueError: a negative start or size.
        """
        if start < 0 or size < 0:
            raise ValueError("a range starts at 0 or later and has a size of 0 or more")
        return ItemRanges(self._find_version(name_or_id)).read(start, size)

    @exclusive
    def open(self, name_or_id: str) -> io.BufferedReader:
        """Open an item as a read-only, seekable binary file, which fetches only what is read.

        It stays on the version that it was opened at, and ends with the unlocked block.

        Raises:
            As `get`; later, while reading, VersionGoneError: another device replaced it, and it is purged.
        """
        return io.BufferedReader(ItemFile(self._find_version(name_or_id)), BUFFER_BYTES)

    @exclusive
    def put(
        self,
        name: str,
        content: bytes | str,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> Stored:
        """Put an item: a new version where this vault knows one of this name, else a new item.

        Raises:
            AmbiguousNameError: several items have this name; put by id.
            MetadataError: a name, tag or attribute outside the limits.
        """
        new = NewContent(content, type=type, tags=tags, attributes=attributes or {})
        return self._commit([self._draft_content(name, new)])[0]

    @exclusive
    def put_many(self, contents: Mapping[str, bytes | str | NewContent]) -> tuple[Stored, ...]:
        """Put many small items at once: few requests, one commit for each few thousand.

        Args:
            contents: what to put, by name: the content alone, or with type, tags and attributes.

        Raises:
            MetadataError: a name outside the limits, or two that are the same in NFC.
        """
        if len({fold_name(name) for name in contents}) != len(contents):
            raise MetadataError("two of the names are the same, spelt with other code points")
        drafts = [self._draft_content(name, content) for name, content in contents.items()]
        stored: tuple[Stored, ...] = ()
        for start in range(0, len(drafts), MAX_DRAFTS):
            stored += self._commit(drafts[start : start + MAX_DRAFTS])
        return stored

    @exclusive
    def put_file(
        self,
        path: AnyPath,
        name: str | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        restart: bool = False,
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Put a file, in constant memory. Call it again after an interruption: it goes on where it was.

        Args:
            path: the file.
            name: the item's name; the file's if not given.
            type: what the content is; guessed from the file's name if not given.
            tags: the item's tags.
            attributes: the item's attributes.
            restart: seal the file anew, also when an interrupted upload could go on.
            progress: is told how far it has come.

        Raises:
            SourceError: not a file, or not readable. ContentSizeError: it changed while it was read.
            DiskFullError: no room for the sealed file in the profile.
            TransferBusyError: another program of this profile puts the same file.
        """
        path = Path(path)
        source, chosen = SourceFile.look_at(path), name or path.name
        kind = type or mimetypes.guess_type(path.name)[0] or BYTES_TYPE
        labels, extra = verify_tags(tags), verify_attributes(attributes)
        if source.size < SPOOL_FROM_BYTES:
            return self._put_once(chosen, source.open(), kind, labels, progress, extra)
        described: tuple[str | int, ...] = (
            kind,
            len(labels),
            *labels,
            *(text for pair in sorted(extra.items()) for text in pair),
        )
        state = (*source.state, *described, self.unlocked.streams.vault.epoch)
        fingerprint = derive_fingerprint((str(source.path), chosen), state)
        folder = self.unlocked.connection.profile.folder
        clean_uploads(folder, now_s=time.time(), replaced_by=fingerprint)
        spool = UploadSpool(folder, fingerprint)
        with spool.hold():
            if restart:
                spool.delete()
            content = StreamContent(fingerprint, source.size, source.open)
            stored = self._resume(spool, self._draft(chosen, content, kind, labels, extra), progress)
            spool.delete()
        return stored

    @exclusive
    def put_stream(
        self,
        name: str,
        source: ContentSource,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Put what a source gives until it ends, of any size, in constant memory. It cannot be resumed.

        Args:
            name: the item's name.
            source: the `read` of a binary file such as standard input.
            type: what the content is.
            tags: the item's tags.
            attributes: the item's attributes.
            progress: is told how far it has come; the total is 0 until the source has ended.

        Raises:
            As `put_file`.
        """
        labels, extra = verify_tags(tags), verify_attributes(attributes)
        return self._put_once(name, nullcontext(source), type or BYTES_TYPE, labels, progress, extra)

    @exclusive
    def remove(self, name_or_id: str) -> Removed:
        """Remove an item. By id, nothing is opened: what cannot be read can be removed.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            ItemChangedError: another device changed it after this vault had seen it.
        """
        self.refresh()
        directory = self.unlocked.directory
        change = directory.find_id(name_or_id)
        if change is None:
            change = self.unlocked.index.items[directory.find(name_or_id).id]
        removed = Removed(change.item, change.version, directory.get_name(change))
        draft = Remove(removed.id, self._seen.get(removed.id, removed.version))
        outcome = self.unlocked.committer.commit([draft])[0]
        if outcome.change is None:
            raise ItemChangedError(f"{removed.id} was changed by another device")
        return removed

    @exclusive
    def list_removed(self) -> "Sequence[RemovedItem]":
        """List the removed items, the newest removal first. Reads the change list of every commit."""
        self.refresh()
        return list_removed(self.unlocked)

    @exclusive
    def restore(self, name_or_id: str, *, progress: Progress = ignore_progress) -> Stored:
        """Bring a removed item back, as a new item of its name and content; of several, the newest removal.

        The server keeps what was removed for a grace time, which its operator has set.

        Raises:
            ItemMissingError: no removed item has this name or id.
            OpenError, LostObjectError, EpochKeyMissingError: its grace time is over, or it never opened.
        """
        self.refresh()
        metadata, reader = find_removed(self.unlocked, name_or_id)
        return self.put_stream(
            metadata.name,
            read_pieces(iter_content(reader, progress)),
            type=metadata.type,
            tags=metadata.tags,
            attributes=metadata.attributes,
        )

    @exclusive
    def _find_version(self, name_or_id: str) -> ItemVersion:
        info = self.find(name_or_id)
        return ItemVersion(self.unlocked, info, self.unlocked.index.items[info.id])

    @exclusive
    def _note_seen(self, version: ItemVersion) -> None:
        self._seen[version.info.id] = version.info.version

    def _put_once(
        self,
        name: str,
        opened: AbstractContextManager[ContentSource],
        kind: str,
        tags: tuple[str, ...],
        progress: Progress,
        attributes: Mapping[str, str],
    ) -> Stored:
        """Put what a source gives until it ends, whatever size it claims; nothing is committed before."""
        with ExitStack() as stack:
            with opened as source:
                head = read_head(source, SPOOL_FROM_BYTES)
                draft = self._draft(name, head, kind, tags, attributes)
                if len(head) >= SPOOL_FROM_BYTES:
                    unlocked = self.unlocked
                    intake = Intake(unlocked.committer.uploader, unlocked.keyring.data_key)
                    spool, epoch = intake.make_spool(), unlocked.streams.vault.epoch
                    clean_uploads(spool.folder, now_s=time.time(), replaced_by=spool.fingerprint)
                    stack.enter_context(spool.hold())
                    stack.callback(spool.delete)
                    draft = intake.seal(spool, draft, epoch, put_back(head, source), progress)
            return self._commit([draft], progress=progress)[0]

    def _resume(self, spool: UploadSpool, draft: Put, progress: Progress) -> Stored:
        """Commit a draft whose content may have been sealed, sent, or even committed before."""
        sealed = spool.load()
        if sealed is not None and sealed == self.unlocked.index.items.get(sealed.item):
            return Stored(sealed.item, sealed.version, draft.metadata.name, conflict=False)
        if sealed is not None and draft.base_version == 0:
            draft = replace(draft, item=sealed.item)
        return self._commit([draft], progress=progress)[0]

    def _draft_content(self, name: str, content: bytes | str | NewContent) -> Put:
        new = content if isinstance(content, NewContent) else NewContent(content)
        return self._draft(name, new.data, new.chosen_type, tuple(new.tags), new.attributes)

    def _draft(
        self,
        name: str,
        content: bytes | StreamContent,
        kind: str,
        tags: tuple[str, ...],
        attributes: Mapping[str, str],
    ) -> Put:
        runtime = self.unlocked.connection.runtime
        now_ms = runtime.now_ms()
        directory = self.unlocked.directory
        if directory.find_id(name) is None and not directory.is_taken(name):
            item = ItemId.from_raw(runtime.random(RAW_ID_BYTES))
            return Put(item, 0, ItemMetadata(name, kind, now_ms, now_ms, tags, attributes), content)
        info = directory.find(name)
        created_ms = info.metadata.created_ms
        metadata = ItemMetadata(info.name, kind, created_ms, now_ms, tags, attributes)
        return Put(info.id, self._seen.get(info.id, info.version), metadata, content)

    def _commit(self, drafts: Sequence[Put], *, progress: Progress = ignore_progress) -> tuple[Stored, ...]:
        return tuple(map(self._note, self.unlocked.committer.commit(drafts, progress=progress)))

    def _note(self, outcome: Outcome) -> Stored:
        put, change = outcome.draft, outcome.change
        if not isinstance(put, Put) or change is None:
            raise TypeError("a put is never dropped")
        self._seen[change.item] = change.version
        return Stored(change.item, change.version, put.metadata.name, outcome.conflict)
