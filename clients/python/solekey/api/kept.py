"""What an account keeps on this device, so that it can be read without the server."""

from collections.abc import Sequence

from solekey.api.core import Core
from solekey.offline.keeping import Keeping, KeptItem
from solekey.progress import Progress, ignore_progress


class Kept:
    """What is kept of one account on this device: ciphertext, and wrapped data keys, which need the user key.

    Without the server (`solekey.open`, ``offline``) the items are listed as this device has seen them last;
    those that are kept, or were read within the cache's limit, can be read.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def keep(self, name_or_id: str, *, progress: Progress = ignore_progress) -> None:
        """Keep an item from now on, in whatever version is the newest when the account is unlocked.

        Args:
            name_or_id: the item.
            progress: is told how far it has come; what was fetched stays when it is interrupted.

        Raises:
            ItemMissingError, AmbiguousNameError: none or several of this name.
            OfflineForbiddenError: this device may keep nothing.
            DiskFullError: there is no room.
        """
        with self._core.lock:
            self._keeping.keep(self._core.vault.find(name_or_id).id, progress=progress)

    def remove(self, name_or_id: str) -> None:
        """Keep an item no longer, and delete what was kept of it.

        Raises:
            ItemMissingError: there is no such item, or it was not kept.
        """
        with self._core.lock:
            self._keeping.remove(self._core.vault.find(name_or_id).id)

    def list(self) -> "Sequence[KeptItem]":
        """List the items that are kept, by name. Raises AccountLockedError."""
        with self._core.lock:
            self._core.vault.refresh()
            return self._keeping.list_kept()

    def refresh(self, *, progress: Progress = ignore_progress) -> None:
        """Fetch newer versions of the kept items. Up to 8 MiB of them come by themselves at each `unlock`.

        Raises:
            OfflineError: there is no server. DiskFullError: there is no room.
        """
        with self._core.lock:
            self._core.vault.refresh()
            self._keeping.refresh(progress=progress)

    def limit_cache(self, limit_bytes: int) -> None:
        """Set how much ciphertext of what was read is kept besides; what was read longest ago goes first.

        Raises:
            ValueError: less than 0.
        """
        if limit_bytes < 0:
            raise ValueError("a cache has a limit of 0 bytes or more")
        with self._core.lock:
            self._core.session.kept.limit_cache(limit_bytes)

    @property
    def allowed(self) -> bool:
        """Whether this device may keep anything."""
        return self._core.session.kept.settings.allowed

    def allow(self) -> None:
        """Allow this device to keep what it needs without its server: from the next `unlock` on."""
        self._core.session.kept.allow(True)

    def forbid(self) -> None:
        """Keep nothing on this device: what is kept is erased, and nothing is read without the server."""
        self._core.session.kept.allow(False)

    @property
    def _keeping(self) -> Keeping:
        return Keeping(self._core.vault.unlocked, self._core.session.kept.store)
