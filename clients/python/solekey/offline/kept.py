"""All that a profile keeps in order to do without its server; when it is erased. Spec: offline.md §3, §5."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime

from solekey.connection.connection import Connection
from solekey.crypto import DataKey, ItemMetadata, UserKey
from solekey.errors import DiskFullError, ProfileError, ServerRefusedError, TransportError
from solekey.offline.export import open_kept_keys
from solekey.offline.keeping import REFRESHED_BYTES, Keeping
from solekey.offline.kept_objects import KeptObjects
from solekey.offline.kept_store import KeptStore
from solekey.offline.kept_wraps import KeptWraps
from solekey.offline.push import Push
from solekey.offline.pushed import Pushed, tell_pushed
from solekey.offline.queue import DamagedEntry, FindKey, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.offline.queueing import QueueingCommitter
from solekey.offline.settings import OfflineSettings
from solekey.progress import Progress, ignore_progress
from solekey.streams.streams import Streams
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
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
        self.pushed = Pushed()
        self.wraps = KeptWraps(
            connection, streams, on_forbidden=self._forbid, find_queued=lambda: self.queue.find_epochs()
        )

    @property
    def queue(self) -> Queue:
        """The changes that wait for the server."""
        profile = self._connection.profile
        return Queue(
            profile.folder, profile.account, profile.device_key.device_id, self._connection.runtime.random
        )

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

    def take_up(self, unlocked: UnlockedAccount, objects: KeptObjects) -> UnlockedAccount:
        """Take the queue up: send it to the server that answers, or show it, and queue what comes.

        What cannot be sent stays, and is told; it keeps nobody from reading.
        """
        if self._connection.is_offline:
            return self._go_on_offline(unlocked, objects)
        if len(self.queue):
            notice = self._connection.runtime.notice
            try:
                self.pushed = Push(unlocked, self.queue).run()
                tell_pushed(self.pushed, notice)
            except (ServerRefusedError, TransportError, DiskFullError) as error:
                notice(f"The queue was not sent: {error} [{error.code}]. Again: solekey push")
        noting = replace(unlocked.committer, on_sealed=lambda *_: self.queue.note_commit())
        return replace(unlocked, committer=noting)

    def push(
        self,
        unlocked: UnlockedAccount,
        earlier: UserKey | None = None,
        progress: Progress = ignore_progress,
    ) -> Pushed:
        """Send the queue; returns what became of it since the account was unlocked.

        Args:
            unlocked: the account, unlocked with the server.
            earlier: a user key of before, whose kept wraps open what nothing else does; it is wiped.
            progress: is told how far it has come.

        Raises:
            OfflineError: there is no server.
            ServerRefusedError, TransportError, EvidenceError: what was sent before is done, the rest stays.
        """
        with ExitStack() as stack:
            keys: Mapping[int, DataKey] = {}
            if earlier is not None:
                keys = stack.enter_context(open_kept_keys(self._connection, self._streams, earlier))
            with self._streams.lock:
                self._streams.sync()
                self.pushed = self.pushed.join(Push(unlocked, self.queue, keys).run(progress))
        return self.pushed

    def _go_on_offline(self, unlocked: UnlockedAccount, objects: KeptObjects) -> UnlockedAccount:
        find_key = unlocked.keyring.data_key
        entries, damaged = self.queue.read_all(find_key)
        for entry in entries:
            try:
                metadata = self._open_metadata(entry, find_key)
                objects.show_pending(entry.change, self.queue.find_sealed(entry))
                unlocked.index.show_pending(entry.change, metadata, entry.device)
            except (*UNREADABLE, ProfileError) as error:
                damaged.append(DamagedEntry(entry.number, error))
        for each in damaged:
            self._connection.runtime.notice(f"Not shown: {each.describe()}")
        committer = QueueingCommitter.take_over(
            unlocked.committer, self.queue, objects, self._connection.runtime.now_ms
        )
        return replace(unlocked, committer=committer)

    def _open_metadata(self, entry: QueueEntry, find_key: FindKey) -> ItemMetadata | None:
        if entry.is_removal:
            return None
        with self.queue.open_envelope(entry, find_key) as reader:
            return reader.open_metadata()

    def log_out(self) -> None:
        """Erase the wraps: whoever has logged out here reads again when logged in again."""
        self.wraps.erase()

    def erase(self) -> None:
        """Erase all that is kept but the queue: after a revocation, or where nothing may be kept."""
        _log.info("what is kept on this device is erased")
        self.wraps.erase()
        self.store.erase()


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
