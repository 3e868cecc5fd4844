"""All that a profile keeps in order to do without its server; when it is erased. Spec: offline.md §3, §5."""

import logging
from dataclasses import replace
from datetime import datetime

from solekey.connection.connection import Connection
from solekey.errors import DiskFullError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.keeping import REFRESHED_BYTES, Keeping
from solekey.offline.kept_objects import KeptObjects
from solekey.offline.kept_store import KeptStore
from solekey.offline.kept_wraps import KeptWraps, erase_wraps
from solekey.offline.settings import OfflineSettings
from solekey.streams.streams import Streams
from solekey.vault.unlocked import UnlockedAccount
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.streams import DeviceStatus

_log = logging.getLogger(__name__)


class Kept:
    """What is kept on this device."""

    def __init__(self, connection: Connection, streams: Streams) -> None:
        self._connection = connection
        self._streams = streams
        self.store = KeptStore(connection.profile.folder)
        self.wraps = KeptWraps(connection, streams, self._forbid)

    @property
    def settings(self) -> OfflineSettings:
        """What may be kept."""
        return OfflineSettings.load(self._connection.profile.folder)

    def _forbid(self) -> None:
        if self.settings.allowed:
            self._connection.runtime.notice("The operator wants nothing kept on devices: it is erased here.")
            self.allow(False)

    def open_objects(self) -> KeptObjects:
        """Open the objects of the account, here and at the vault."""
        settings = self.settings
        limit = settings.cache_limit_bytes if settings.allowed else 0
        return KeptObjects(self._connection, self.store, limit)

    def allow(self, allowed: bool) -> None:
        """Allow that something is kept, or forbid it and erase all that is."""
        if allowed:
            replace(self.settings, allowed=True).save(self._connection.profile.folder)
            return
        OfflineSettings(allowed=False).save(self._connection.profile.folder)
        self.erase()

    def limit_cache(self, limit_bytes: int) -> None:
        """Set how much of what was read may be kept; what is more is deleted at once."""
        replace(self.settings, cache_limit_bytes=limit_bytes).save(self._connection.profile.folder)
        self.store.shrink_cache(limit_bytes)

    def follow(self) -> None:
        """Erase what the newest verified events have made useless, or must not stay on a revoked device."""
        own = self._streams.devices.devices.get(self._connection.profile.device_key.device_id)
        if own is not None and own.status is DeviceStatus.REVOKED:
            self.erase()
        else:
            self.wraps.forget_outdated()

    def refresh(self, unlocked: UnlockedAccount) -> None:
        """Bring kept items up to date, where that is little; say so where it is much, or cannot be done."""
        notice = self._connection.runtime.notice
        if self._connection.is_offline or not self.settings.items:
            return
        try:
            left = Keeping(unlocked, self.store).refresh(limit_bytes=REFRESHED_BYTES)
        except DiskFullError as error:
            notice(f"Kept items are not up to date: {error}")
            return
        if left:
            notice(f"Of {left} kept items newer versions are not fetched yet: solekey keep")

    def log_out(self) -> None:
        """Erase the wraps: whoever has logged out here reads again when logged in again."""
        self.wraps.erase()

    def erase(self) -> None:
        """Erase all that is kept."""
        erase_kept(self._connection.profile.folder)


def erase_kept(folder: PrivateFolder) -> None:
    """Erase all that a profile keeps: its device was revoked, or its user keeps nothing any more."""
    _log.info("what is kept on this device is erased")
    erase_wraps(folder)
    KeptStore(folder).erase()


def find_items_as_of(unlocked: UnlockedAccount) -> datetime | None:
    """Find as of when the items are; None while the server answers.

    A commit may be verified here and its change list not: the items are those of before it.
    """
    streams, followed = unlocked.streams, unlocked.index.commit
    as_of = streams.find_as_of(Stream.DEVICES, Stream.VAULT)
    if as_of is None or followed == streams.vault.last_commit:
        return as_of
    later = (
        datetime.fromisoformat(event.time)
        for event in streams.events(Stream.VAULT)
        if isinstance(event.body, ItemsCommitted) and event.body.commit > followed
    )
    return min(as_of, next(later, as_of))
