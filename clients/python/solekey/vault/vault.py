"""The vault: put, get, list and remove items while the account is unlocked. Spec: vault.md.

Names, types, tags and times stand inside the ciphertext. A put never overwrites what this vault object has
not seen: when another device was faster, both versions are kept. What only reads is in `reading_vault`.
"""

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from solekey.crypto import ContentSource, ItemMetadata
from solekey.errors import ItemChangedError, MetadataError, NoConflictError
from solekey.files.any_path import AnyPath
from solekey.progress import Progress, ignore_progress
from solekey.streams.exclusive import exclusive
from solekey.transfer.download import iter_content
from solekey.transfer.drafts import Remove
from solekey.transfer.sealed_sources import read_pieces
from solekey.transfer.source_file import SourceFile
from solekey.vault.conflicts import Keep
from solekey.vault.edits import SPOOL_FROM_BYTES, Edits, Target, verify_base
from solekey.vault.item import Item, Removed, Stored
from solekey.vault.names import choose_free_name, fold_name
from solekey.vault.new_content import BYTES_TYPE, Description, NewContent, verify_base_version
from solekey.vault.past import find_past_version
from solekey.vault.prune import prune
from solekey.vault.reading_vault import ReadingVault
from solekey.vault.removed import find_removed
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.ids import ItemId


class Vault(ReadingVault):
    """The items of an unlocked account; it ends with the block that unlocked it. Threads may share it."""

    def __init__(self, unlocked: UnlockedAccount) -> None:
        super().__init__(unlocked)
        self._edits = Edits(unlocked)

    @exclusive
    def put(
        self,
        name: str,
        content: bytes | str,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
        base_version: int | None = None,
    ) -> Stored:
        """Put an item: a new version where there is one of this name or id, else a new item.

        What is not given is kept: ``tags=()`` and ``attributes={}`` clear them. An edit replaces nothing that
        its author has not seen. With ``base_version`` it is stored if that is the item's version, and refused
        otherwise. Without, it is based on the version that this profile has read or written last, in whatever
        session, else on the one that is known here; when another device has made a newer one, this becomes a
        conflict copy beside it.

        Args:
            name: the item's name or id.
            content: bytes, or text, which is stored as UTF-8.
            type: what the content is; of a new item told from the content if not given.
            tags: all tags that the item is to have.
            attributes: all attributes that the item is to have.
            base_version: the version that this is an edit of, such as ``item.version``; 0: a new item.

        Raises:
            ItemChangedError: the item is not in the version that ``base_version`` says; nothing was stored.
            AmbiguousNameError: several items have this name; put by id.
            ItemMissingError: an id that no item has.
            MetadataError: a name, tag or attribute outside the limits.
        """
        self._look_if_due(base_version)
        new = NewContent(content, type, tags, attributes, base_version)
        return self._edits.commit(self._edits.draft_contents({name: new}))[0]

    @exclusive
    def put_many(self, contents: Mapping[str, bytes | str | NewContent]) -> tuple[Stored, ...]:
        """Put many small items at once: few requests, one commit for each thousand, in their order.

        Args:
            contents: what to put, by name or id: the content alone, or a `NewContent` with what describes it
                and the version that it is based on. See `put`.

        Raises:
            ItemChangedError: a ``base_version`` is not that item's; nothing of its commit was stored.
            MetadataError: a name outside the limits, or two that mean the same item.
            As `put`. The error's notes say how many of the first were stored before it.
        """
        if len({fold_name(name) for name in contents}) != len(contents):
            raise MetadataError("two of the names are the same, spelt with other code points")
        self._look_if_due(*(new.base_version for new in contents.values() if isinstance(new, NewContent)))
        drafts = self._edits.draft_contents(contents)
        if len({draft.item for draft in drafts}) != len(drafts):
            raise MetadataError("one of the items is given twice, by its name and by its id")
        return self._edits.commit_many(drafts)

    @exclusive
    def put_file(
        self,
        path: AnyPath,
        name: str | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
        base_version: int | None = None,
        restart: bool = False,
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Put a file, in constant memory. Call it again after an interruption: it goes on where it was.

        Args:
            path: the file.
            name: the item's name or id; the file's name if not given.
            type: what the content is; of a new item guessed from the file's name if not given.
            tags: all tags that the item is to have; kept if not given.
            attributes: all attributes that the item is to have; kept if not given.
            base_version: the version that this is an edit of. See `put`.
            restart: seal the file anew, also when an interrupted upload could go on.
            progress: is told how far it has come.

        Raises:
            As `put`, and SourceError: not a file, or not readable.
            ContentSizeError: it changed while it was read.
            DiskFullError: no room for the sealed file in the profile.
            TransferBusyError: another program of this profile puts the same file.
        """
        path = Path(path)
        source = SourceFile.look_at(path)
        description = Description(type, tags, attributes)
        kind = mimetypes.guess_type(path.name)[0] or BYTES_TYPE
        target = Target(name or path.name, description, kind, base_version)
        self._look_if_due(base_version)
        if source.size < SPOOL_FROM_BYTES:
            return self._edits.put_stream(target, source.open(), progress, claimed=source.size)
        return self._edits.put_large_file(target, source, restart=restart, progress=progress)

    @exclusive
    def put_stream(
        self,
        name: str,
        source: ContentSource,
        *,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
        base_version: int | None = None,
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Put what a source gives until it ends, of any size, in constant memory. It cannot be resumed.

        Args:
            name: the item's name or id.
            source: the `read` of a binary file such as standard input.
            type: what the content is; kept if not given.
            tags: all tags that the item is to have; kept if not given.
            attributes: all attributes that the item is to have; kept if not given.
            base_version: the version that this is an edit of. See `put`.
            progress: is told how far it has come; the total is 0 until the source has ended.

        Raises:
            As `put_file`.
        """
        target = Target(name, Description(type, tags, attributes), BYTES_TYPE, base_version)
        self._look_if_due(base_version)
        return self._edits.put_stream(target, nullcontext(source), progress)

    @exclusive
    def describe(
        self,
        name_or_id: str,
        *,
        name: str | None = None,
        type: str | None = None,  # noqa: A002  # the field's name
        tags: Sequence[str] | None = None,
        attributes: Mapping[str, str] | None = None,
        base_version: int | None = None,
        progress: Progress = ignore_progress,
    ) -> Stored:
        """Change what describes an item, and keep its content. What is not given is kept, too.

        The content is fetched and sealed again: name and content stand in one ciphertext.

        Args:
            name_or_id: which item.
            name: its new name.
            type: what the content is.
            tags: all tags that the item is to have; an empty sequence clears them.
            attributes: all attributes that the item is to have; an empty mapping clears them.
            base_version: the version that this is an edit of. See `put`.
            progress: is told how far it has come.

        Raises:
            ItemChangedError: it was edited meanwhile, or ``base_version`` is not its version.
            NameTakenError: another item has the new name.
            As `get`, and MetadataError: outside the limits.
        """
        version = self._find_version(name_or_id)
        verify_base_version(base_version)
        if base_version is not None:
            verify_base(version.info, base_version)
        description = Description(type, tags, attributes)
        target = Target(version.info.id, description, BYTES_TYPE, version.info.version, new_name=name)
        source = nullcontext(read_pieces(version.iter_parts(progress)))
        return self._edits.put_stream(target, source, progress)

    @exclusive
    def remove(self, name_or_id: str, *, base_version: int | None = None) -> Removed:
        """Remove an item. By id, nothing needs to open: what cannot be read can be removed.

        Args:
            name_or_id: which item.
            base_version: remove it only in this version. Not given: in the version that this profile has read
                or written last; if it has seen none, in the present one.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            ItemChangedError: it is in another version; nothing was removed.
        """
        verify_base_version(base_version)
        self.refresh()
        directory = self.unlocked.directory
        change = directory.find_id(name_or_id)
        if change is None:
            change = self.unlocked.index.items[directory.find(name_or_id).id]
        info = self._edits.verify_seen(change, base_version)
        name = info.name if info else directory.get_name(change)
        outcome = self.unlocked.committer.commit([Remove(change.item, change.version)])[0]
        if outcome.change is None:
            raise ItemChangedError(f"{name or change.item!r}: another device was faster")
        return Removed(change.item, info.version if info else None, name)

    @exclusive
    def resolve(self, name_or_id: str, keep: Keep, *, progress: Progress = ignore_progress) -> Stored | None:
        """Resolve a conflict: say what becomes of a conflict copy, which `ItemInfo.conflict` tells.

        Where its original was removed, keeping the copy is keeping both. Call it again after an interruption.

        Returns:
            What was stored; None: nothing, the copy was removed.

        Raises:
            NoConflictError: the item is no conflict copy.
            ItemChangedError: another device edited one of the two meanwhile; look again.
            As `get`.
        """
        copy = self._find_version(name_or_id)
        info = copy.info
        if info.conflict is None:
            raise NoConflictError(f"{info.name!r} is no conflict copy")
        if keep is Keep.ORIGINAL:
            self.remove(info.id, base_version=info.version)
            return None
        if keep is Keep.COPY and info.conflict.item in self.unlocked.index.items:
            original = self.unlocked.directory.find(info.conflict.item)
            pieces = copy.iter_parts(progress)
            stored = self._restore_to(original.id, info.metadata, pieces, original.version)
            self.remove(info.id, base_version=info.version)
            return stored
        target = Target(info.id, Description(), BYTES_TYPE, info.version, resolved=True)
        return self._edits.put_stream(target, nullcontext(read_pieces(copy.iter_parts(progress))), progress)

    @exclusive
    def prune(self, *, older_than_days: int) -> int | None:
        """Have replaced versions and removed items of an age deleted; the items as they are now stay.

        The server deletes them once its grace time is over; until then they can be restored.

        Returns:
            The commit up to which that was said; None: there is nothing of that age.

        Raises:
            StepUpRequiredError: see `solekey.open`, ``on_step_up``.
        """
        self.refresh()
        now = datetime.fromtimestamp(self.unlocked.connection.runtime.now_ms() / 1000, UTC)
        return prune(self.unlocked, now=now, older_than_days=older_than_days)

    @exclusive
    def restore(
        self, name_or_id: str, *, version: int | None = None, progress: Progress = ignore_progress
    ) -> Stored:
        """Bring a removed item back, or an older version of an item.

        An older version of a live item becomes its newest: content, type, tags and attributes are those of
        then, the name stays. A removed item comes back as a new one; where its name is taken meanwhile it is
        called ``NAME (restored)``. The server keeps what was removed for a grace time.

        Args:
            name_or_id: which item; of several removed ones of a name, the newest removal.
            version: which of its versions; the last one of a removed item if not given.
            progress: is told how far it has come.

        Raises:
            ItemMissingError: no removed item has this name or id.
            VersionMissingError: the item never had this version, or it is deleted since.
            OpenError, LostObjectError, EpochKeyMissingError: its grace time is over, or it never opened.
        """
        self.refresh()
        if version is None:
            metadata, reader = find_removed(self.unlocked, name_or_id)
            pieces = iter_content(reader, progress)
        else:
            found = find_past_version(self.unlocked, name_or_id, version, ignore_progress)
            metadata, pieces = found.info.metadata, found.iter_parts(progress)
            live = self.unlocked.index.items.get(found.info.id)
            if live is not None:
                base = self.unlocked.directory.find(live.item).version
                return self._restore_to(live.item, metadata, pieces, base)
        name = choose_free_name(metadata.name, self.unlocked.directory.is_taken)
        return self._restore_to(name, metadata, pieces, 0)

    def _restore_to(
        self, target: str, metadata: ItemMetadata, pieces: Iterator[bytes], base_version: int
    ) -> Stored:
        return self.put_stream(
            target,
            read_pieces(pieces),
            type=metadata.type,
            tags=metadata.tags,
            attributes=metadata.attributes,
            base_version=base_version,
        )

    @exclusive
    def _save(self, item: ItemId, new: NewContent) -> Item:
        """Save an edit of an item that was read; see `Item.save`."""
        self.refresh()
        stored = self._edits.commit(self._edits.draft_contents({item: new}))[0]
        return Item(self.unlocked.directory.find(stored.id), new.data, self._save)

    def _look_if_due(self, *base_versions: int | None) -> None:
        """Look what was committed meanwhile, where the caller may know of it or this device has to ask.

        The caller knows of it by a version that may be new here; this device asks what became of a commit of
        its own that was not answered.
        """
        author = self.unlocked.author
        if author.is_unanswered or any(version is not None for version in base_versions):
            self.refresh()
            author.is_unanswered = False
