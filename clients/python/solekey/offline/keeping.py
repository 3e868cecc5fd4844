"""Keeps items on this device, as ciphertext, in whatever version is the newest. Spec: offline.md §4."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from solekey.crypto import Confidential
from solekey.errors import ItemMissingError, OfflineForbiddenError
from solekey.files.disk_room import verify_room
from solekey.offline.kept_store import KeptStore
from solekey.offline.settings import OfflineSettings
from solekey.progress import Phase, Progress, begin_phase, ignore_progress
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change, Part
from solekey_protocol.ids import ItemId
from solekey_protocol.limits import MIB

REFRESHED_BYTES: Final = 8 * MIB
"""How much of newer versions of kept items is fetched by itself when the account is unlocked."""


@dataclass(frozen=True, slots=True)
class KeptItem(Confidential):
    """An item that is kept. ``is_whole``: its newest version is there. ``name`` None: it does not open."""

    id: ItemId
    name: str | None
    version: int
    sealed_size: int  # bytes, padded
    is_whole: bool

    def __repr__(self) -> str:
        return f"KeptItem({self.id}, version={self.version}, <redacted>)"


class Keeping:
    """The items that one profile keeps."""

    def __init__(self, unlocked: UnlockedAccount, store: KeptStore) -> None:
        self._unlocked = unlocked
        self._store = store

    def keep(self, item: ItemId, *, progress: Progress = ignore_progress) -> None:
        """Keep an item from now on. What was fetched stays when it is interrupted.

        Raises:
            OfflineForbiddenError: this device may keep nothing.
            DiskFullError: there is no room; what was kept before is as it was.
        """
        settings = self._load()
        if not settings.allowed:
            raise OfflineForbiddenError("this device may keep nothing")
        self._fetch([self._unlocked.index.items[item]], progress)
        replace(settings, items=settings.items | {item}).save(self._unlocked.connection.profile.folder)

    def remove(self, item: ItemId) -> None:
        """Keep an item no longer. Raises ItemMissingError: it was not kept."""
        settings = self._load()
        if item not in settings.items:
            raise ItemMissingError(f"{item} is not kept on this device")
        replace(settings, items=settings.items - {item}).save(self._unlocked.connection.profile.folder)
        self.drop_outdated()

    def list_kept(self) -> Sequence[KeptItem]:
        """List the kept items, by name."""
        found = [self._describe(change) for change in self._find_changes()]
        return sorted(found, key=lambda kept: (kept.name or "", kept.id))

    def is_whole(self, change: Change) -> bool:
        """Whether all of a version is on this device."""
        return all(self._store.has(part.digest) for part in change.parts)

    def refresh(self, *, limit_bytes: int | None = None, progress: Progress = ignore_progress) -> int:
        """Fetch newer versions of kept items, and delete the older ones.

        Args:
            limit_bytes: fetch nothing if it were more than this.
            progress: is told how far it has come.

        Returns:
            How many items are not whole, since it were too much.

        Raises:
            DiskFullError: there is no room.
        """
        self.drop_outdated()
        outdated = [change for change in self._find_changes() if not self.is_whole(change)]
        if limit_bytes is not None and sum(part.size for part in self._find_missing(outdated)) > limit_bytes:
            return len(outdated)
        self._fetch(outdated, progress)
        return 0

    def drop_outdated(self) -> None:
        """Delete the ciphertext of versions that are superseded, and of items that are not kept any more."""
        self._store.drop_items({part.digest for change in self._find_changes() for part in change.parts})

    def _describe(self, change: Change) -> KeptItem:
        try:
            name: str | None = self._unlocked.directory.find(change.item).name
        except UNREADABLE:
            name = None
        return KeptItem(change.item, name, change.version, change.size, self.is_whole(change))

    def _find_changes(self) -> list[Change]:
        live = self._unlocked.index.items
        found = (live.get(item) for item in self._load().items)
        return [change for change in found if change is not None]

    def _find_missing(self, changes: Iterable[Change]) -> list[Part]:
        there = self._store.list_items()
        return [part for change in changes for part in change.parts if part.digest not in there]

    def _fetch(self, changes: Sequence[Change], progress: Progress) -> None:
        missing = self._find_missing(changes)
        total, done = sum(part.size for part in missing), 0
        verify_room(self._unlocked.connection.profile.folder.path, total)
        begin_phase(progress, Phase.FETCH)
        for part in missing:
            self._store.keep(part.digest, self._unlocked.objects.fetch(part.digest))
            done += part.size
            progress(done, total)

    def _load(self) -> OfflineSettings:
        return OfflineSettings.load(self._unlocked.connection.profile.folder)
