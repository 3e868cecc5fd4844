"""The changes that an account has made without its server, and that wait to be sent."""

from collections.abc import Sequence
from pathlib import Path

from solekey.api.core import Core
from solekey.crypto import UserKey
from solekey.files.any_path import AnyPath
from solekey.offline.export import OpenedQueue, QueuedChange
from solekey.offline.pushed import Pushed
from solekey.offline.queue import DamagedEntry
from solekey.progress import Progress, ignore_progress


class Queue:
    """The queue of one account on this device: ciphertext, in the order in which it was written.

    Without the server (`solekey.open`, ``offline``) puts and removals are queued, and shown as if they were
    done. Each `unlock` with the server sends them first. ``len(account.queue)`` is how many wait.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def __len__(self) -> int:
        """How many changes wait. No key is needed."""
        return len(self._core.session.kept.queue)

    def list(self) -> Sequence[QueuedChange]:
        """List the changes that wait, in their order. Raises AccountLockedError."""
        with self._core.lock:
            return self._opened.list_changes()[0]

    def find_damaged(self) -> Sequence[DamagedEntry]:
        """Find the changes that wait and cannot be read. Raises AccountLockedError."""
        with self._core.lock:
            return self._opened.list_changes()[1]

    def export(self, number: int, folder: AnyPath, *, progress: Progress = ignore_progress) -> Path | None:
        """Write the content of a queued put into a new file of a folder, decrypted; it stays in the queue.

        Args:
            number: the change's, see `list`.
            folder: a folder that exists.
            progress: is told how far it has come.

        Returns:
            The file; None: the change is a removal.

        Raises:
            AccountLockedError: unlock the account first.
            LookupError: no change that can be read has this number.
            OutputExistsError, DiskFullError: it cannot be written. OpenError: it cannot be read.
        """
        with self._core.lock:
            return self._opened.write(number, Path(folder), progress)

    def push(self, *, earlier: UserKey | None = None, progress: Progress = ignore_progress) -> Pushed:
        """Send what waits; returns what became of everything that was sent since the account was unlocked.

        Args:
            earlier: a user key of before, for changes that were queued under it and that nothing else opens;
                it is copied.
            progress: is told how far it has come.

        Raises:
            AccountLockedError: unlock the account first.
            OfflineError: there is no server.
            ServerRefusedError, TransportError, EvidenceError: what was sent before is done, the rest stays.
        """
        key = earlier.copy() if earlier is not None else None
        return self._core.session.kept.push(self._core.vault.unlocked, key, progress)

    def discard(self, number: int) -> bool:
        """Discard a change for ever, by its number; False: there is none."""
        waiting = self._core.session.kept.queue
        with waiting.lock():
            return waiting.discard(number)

    @property
    def _opened(self) -> OpenedQueue:
        return OpenedQueue(self._core.session.kept.queue, self._core.vault.unlocked.keyring.data_key)
