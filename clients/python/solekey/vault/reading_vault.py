"""The reading half of the vault: list, find, get and open items, now and as they were. Spec: vault.md.

Nothing here changes an item. What is read is noted as seen, and is what this profile's next edit is based on.
"""

import io
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from solekey.errors import LostObjectError
from solekey.files.any_path import AnyPath
from solekey.garbage import pausing_collection
from solekey.progress import Progress, ignore_progress
from solekey.streams.exclusive import AccountLock, exclusive, iterate_exclusively
from solekey.transfer.download import download
from solekey.transfer.download_spool import clean_downloads
from solekey.vault.bulk_reading import read_contents
from solekey.vault.history import PastVersion, read_history
from solekey.vault.item import Item
from solekey.vault.item_changes import ItemChanges, find_changes
from solekey.vault.item_file import BUFFER_BYTES, ItemFile, ItemRanges
from solekey.vault.item_filter import ItemFilter
from solekey.vault.item_info import ItemInfo, Listing
from solekey.vault.item_version import ItemVersion
from solekey.vault.new_content import NewContent
from solekey.vault.past import find_item, find_past_version
from solekey.vault.removed import RemovedItem, list_removed
from solekey.vault.seen import Seen
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.events import Stream
from solekey_protocol.ids import ItemId

_NOTED_AT_ONCE: Final = 10_000
"""Items of a `Vault.get_many` after which it is noted that they were read."""


class ReadingVault(ABC):
    """What the vault of an unlocked account answers; `solekey.vault.vault.Vault` writes, too."""

    def __init__(self, unlocked: UnlockedAccount) -> None:
        self.unlocked = unlocked

    @property
    def _lock(self) -> AccountLock:
        return self.unlocked.streams.lock

    @exclusive
    def refresh(self) -> None:
        """Verify and follow what other devices have done meanwhile. Raises EvidenceError."""
        self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
        self.unlocked.index.catch_up()

    def _follow_all(self) -> None:
        """Follow what other devices have done, and open all that is new."""
        self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
        self.unlocked.directory.follow()

    @exclusive
    def list(
        self,
        *,
        tags: Sequence[str] = (),
        name: str | None = None,
        search: str | None = None,
        type: str | None = None,  # noqa: A002  # as of `put`
    ) -> Listing:
        """List the items by name; fetches only the beginnings of ciphertexts that are new to this device.

        Items that do not open are not in it; the listing's ``unreadable`` names them, one by one.

        Args:
            tags: only items that have all of these.
            name: only items of this name: a pattern with ``*``, ``?`` or ``[…]``, or a piece of it.
            search: only items that have each of these words in name, tags, type or attributes.
            type: only items of this type: a whole one, or a pattern such as ``image/*``.
        """
        self.unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
        wanted = ItemFilter(tags, name, search, type)
        listing = self.unlocked.directory.follow_and_list(wanted)
        if any(isinstance(item.error, LostObjectError) for item in listing.unreadable):
            self.refresh()  # another device may have replaced the item meanwhile, and purged this version
            listing = self.unlocked.directory.list(wanted)
        return listing

    def iter_items(
        self,
        *,
        tags: Sequence[str] = (),
        name: str | None = None,
        search: str | None = None,
        type: str | None = None,  # noqa: A002  # as of `put`
    ) -> Iterator[ItemInfo]:
        """Iterate over the items that open, in no order that means anything, in constant memory.

        An item that is put or removed meanwhile may be in it or not. What is filtered: see `list`.
        """
        wanted = ItemFilter(tags, name, search, type)
        with self._lock:
            self._follow_all()
        yield from iterate_exclusively(self._lock, self.unlocked.directory.iter_items(wanted))

    @exclusive
    def changes(self, since: str | None = None) -> ItemChanges:
        """Tell what has changed since an app looked last, for an app that keeps a copy of its own.

        Args:
            since: the token of the last answer, which stays good for ever; None: everything is added.

        Raises:
            SyncTokenError: not a token, or one of another account or another history.
        """
        self.refresh()
        return find_changes(self.unlocked, since)

    @exclusive
    def find(self, name_or_id: str, *, version: int | None = None) -> ItemInfo:
        """Find one item, as the list shows it, or an older version of it. By id, only this item is opened.

        Raises:
            VersionMissingError: the item never had this version, or it is deleted since.
            ItemMissingError, AmbiguousNameError: none or several of this name.
            OpenError, SwappedObjectError: the item of this id cannot be read.
        """
        if version is not None:
            return self._find_version(name_or_id, version).info
        self.refresh()
        return self.unlocked.directory.find(name_or_id)

    @exclusive
    def get(
        self, name_or_id: str, *, version: int | None = None, progress: Progress = ignore_progress
    ) -> Item:
        """Get an item with its content in memory.

        Args:
            name_or_id: which item; with a version also one that was removed.
            version: an older version, see `history`; the present one if not given.
            progress: is told how far it has come.

        Raises:
            VersionMissingError: the item never had this version, or it is deleted since.
            ItemMissingError, AmbiguousNameError: none or several of this name.
            OpenError, SwappedObjectError: the server's ciphertext is not what was committed.
            VersionGoneError: another device replaced it meanwhile.
        """
        found = self._find_version(name_or_id, version)
        pieces = list(found.iter_parts(progress))
        self._note_seen(found)
        return Item(found.info, b"".join(pieces), self._save)

    def get_many(self, names_or_ids: Iterable[str]) -> Iterator[Item]:
        """Get many items, in the order that was asked for: small ones together, by few requests.

        It starts with the first item that is taken from it, and holds a few MiB in memory.

        Raises:
            ItemMissingError, AmbiguousNameError: before anything is fetched.
            As `get`, where the item's turn comes; ask for the rest again without it.
        """
        with self._lock:
            self.refresh()
            with pausing_collection():
                infos = [self.unlocked.directory.find(each) for each in names_or_ids]
        for start in range(0, len(infos), _NOTED_AT_ONCE):
            page = infos[start : start + _NOTED_AT_ONCE]
            for found in read_contents(self.unlocked, page):
                yield Item(found.info, found.content, self._save)
            with self._lock:
                self.unlocked.seen.note({info.id: Seen(info.version, info.sealed_version) for info in page})

    def get_file(
        self,
        name_or_id: str,
        path: AnyPath,
        *,
        version: int | None = None,
        progress: Progress = ignore_progress,
    ) -> ItemInfo:
        """Get an item into a file, in constant memory. The file appears only when all of it is authentic.

        Call it again after an interruption: what was fetched is kept, as ciphertext, in the profile.

        Raises:
            As `get`, and TargetError, DiskFullError: the file cannot be written; the old one is untouched.
            TransferBusyError: another program of this profile gets the same item.
        """
        found, folder = self._find_version(name_or_id, version), self.unlocked.connection.profile.folder
        with self._lock:
            clean_downloads(folder, self.unlocked.index.items, now_s=time.time())
        download(found, folder, Path(path), progress)
        self._note_seen(found)
        return found.info

    def iter_content(
        self, name_or_id: str, *, version: int | None = None, progress: Progress = ignore_progress
    ) -> Iterator[bytes]:
        """Get an item piece by piece, in constant memory, for pipes.

        Each piece is authentic, and the end is known to be there before the first; a later one may fail
        nevertheless, so that a consumer must wait for the end before it relies on the whole.

        Raises:
            As `get`.
        """
        found = self._find_version(name_or_id, version)
        yield from iterate_exclusively(self._lock, found.iter_parts(progress))
        self._note_seen(found)

    def get_range(self, name_or_id: str, start: int, size: int) -> bytes:
        """Get at most `size` bytes of an item's content from `start`: fetches and decrypts their chunks only.

        Raises:
            As `get`; ValueError: a negative start or size.
        """
        if start < 0 or size < 0:
            raise ValueError("a range starts at 0 or later and has a size of 0 or more")
        return ItemRanges(self._find_version(name_or_id)).read(start, size)

    @exclusive
    def open(self, name_or_id: str, *, version: int | None = None) -> io.BufferedReader:
        """Open an item as a read-only, seekable binary file, which fetches only what is read.

        It stays on the version that it was opened at, and ends with the unlocked block.

        Raises:
            As `get`; later, while reading, VersionGoneError: another device replaced it, and it is purged.
        """
        return io.BufferedReader(ItemFile(self._find_version(name_or_id, version)), BUFFER_BYTES)

    @exclusive
    def list_removed(self) -> "Sequence[RemovedItem]":
        """List the removed items, the newest removal first. Reads the change list of every commit."""
        self.refresh()
        return list_removed(self.unlocked)

    @exclusive
    def history(self, name_or_id: str, *, progress: Progress = ignore_progress) -> Sequence[PastVersion]:
        """Read the versions of an item, also of a removed one, the newest first.

        Needs the change lists of the account from the item's first version on.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            SwappedObjectError: the server withholds or has altered a change list.
        """
        self.refresh()
        return read_history(self.unlocked, find_item(self.unlocked, name_or_id), progress)

    @exclusive
    def _find_version(self, name_or_id: str, version: int | None = None) -> ItemVersion:
        if version is not None:
            self.refresh()
            return find_past_version(self.unlocked, name_or_id, version, ignore_progress)
        info = self.find(name_or_id)
        return ItemVersion(self.unlocked, info, self.unlocked.index.items[info.id])

    @exclusive
    def _note_seen(self, version: ItemVersion) -> None:
        if version.is_past:
            return
        info = version.info
        self.unlocked.seen.note({info.id: Seen(info.version, info.sealed_version)})

    @abstractmethod
    def _save(self, item: ItemId, new: NewContent) -> Item:
        """Save an edit of an item that was read; see `Item.save`."""
