"""Takes a queue out of a profile, with its user key alone: what a revoked device wrote is not lost.

The words of the user key that was in force when it was queued open the wraps that are kept for it, also when
the account has another one meanwhile. Nothing is asked of the server. Spec: offline.md §8.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solekey.connection.connection import Connection
from solekey.crypto import Confidential, DataKey, ItemMetadata, UserKey
from solekey.errors import EpochKeyMissingError, ProfileError, TamperedWrapError
from solekey.files.whole_file import WholeFile
from solekey.offline.kept_wraps import KeptWraps
from solekey.offline.queue import DamagedEntry, FindKey, Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.progress import Progress, ignore_progress
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey, open_live_wrap
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.ids import ItemId

_UNSAFE: Final = re.compile(r"[^\w .,()+@=-]")
_MAX_NAME_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class QueuedChange(Confidential):
    """A queued change, opened.

    Attributes:
        number: its place in the order.
        id, base_version: the item, and the version that it follows; 0: a new item.
        metadata: what a put is described by; None: it removes the item.
        queued_at_ms: when, by the device's clock.
    """

    number: int
    id: ItemId
    base_version: int
    metadata: ItemMetadata | None
    queued_at_ms: int

    def __repr__(self) -> str:
        return f"QueuedChange({self.number}, {self.id}, <redacted>)"


class OpenedQueue:
    """A queue, and what finds the data keys that it is sealed under."""

    def __init__(self, queue: Queue, find_key: FindKey) -> None:
        self._queue = queue
        self._find_key = find_key

    def list_changes(self) -> tuple[Sequence[QueuedChange], Sequence[DamagedEntry]]:
        """List what opens, in its order, and what does not."""
        entries, damaged = self._queue.read_all(self._find_key)
        changes = []
        for entry in entries:
            try:
                changes.append(self._describe(entry))
            except (*UNREADABLE, ProfileError) as error:
                damaged.append(DamagedEntry(entry.number, error))
        return changes, damaged

    def write(self, number: int, folder: Path, progress: Progress = ignore_progress) -> Path | None:
        """Write the content of a put into a new file of a folder; None: it is a removal.

        Raises:
            LookupError: no change that opens has this number.
            OutputExistsError: the file is there. DiskFullError: no room.
            OpenError, ProfileError: it cannot be read.
        """
        entries = {entry.number: entry for entry in self._queue.read_all(self._find_key)[0]}
        if number not in entries:
            raise LookupError(f"there is no queued change {number} that opens")
        entry = entries[number]
        if entry.is_removal:
            return None
        with self._queue.open_envelope(entry, self._find_key) as reader:
            total, done = reader.open_content_size(), 0
            path = folder / f"{number:04} {_make_safe(reader.open_metadata().name)}"
            with WholeFile.make(path, new=True) as target:
                for piece in reader.iter_content():
                    target.file.write(piece)
                    done += len(piece)
                    progress(done, total)
                target.publish()
        return path

    def _describe(self, entry: QueueEntry) -> QueuedChange:
        metadata = None
        if not entry.is_removal:
            with self._queue.open_envelope(entry, self._find_key) as reader:
                metadata = reader.open_metadata()
        return QueuedChange(entry.number, entry.item, entry.base_version, metadata, entry.queued_at_ms)


@contextmanager
def open_queue(
    connection: Connection, streams: Streams, queue: Queue, user_key: UserKey
) -> Iterator[OpenedQueue]:
    """Open a queue with a user key, of now or of before, and the wraps that are kept; wipes all keys."""
    with open_kept_keys(connection, streams, user_key) as keys:

        def find_key(epoch: int) -> DataKey:
            if epoch not in keys:
                raise EpochKeyMissingError(
                    f"it is sealed under the data key of epoch {epoch}: "
                    "give the user key that was in force then"
                )
            return keys[epoch]

        yield OpenedQueue(queue, find_key)


@contextmanager
def open_kept_keys(
    connection: Connection, streams: Streams, user_key: UserKey
) -> Iterator[Mapping[int, DataKey]]:
    """Open the data keys, by epoch, whose kept wraps a user key opens; wipes all keys."""
    unlocked = UnlockedUserKey(user_key, connection.profile.account)
    keys: dict[int, DataKey] = {}
    try:
        kept = KeptWraps(connection, streams).load()
        for record in streams.vault.wraps.values():
            wrapped = record.wrapped
            if wrapped.key_id == unlocked.key_id and wrapped.wrap in kept and wrapped.epoch not in keys:
                try:
                    keys[wrapped.epoch] = open_live_wrap(wrapped, kept, unlocked, connection.profile.account)
                except TamperedWrapError:
                    continue
        yield keys
    finally:
        for key in keys.values():
            key.wipe()
        unlocked.wipe()


def _make_safe(name: str) -> str:
    """Make a file's name of an item's: no folders, no control characters, not too long."""
    return _UNSAFE.sub("_", name)[:_MAX_NAME_CHARS].strip(" .") or "item"
