"""The changes that an account has made without its server, and that wait to be sent."""

from solekey.api.core import Core
from solekey.crypto import UserKey
from solekey.offline.pushed import Pushed
from solekey.progress import Progress, ignore_progress


class Queue:
    """The queue of one account on this device: ciphertext, in the order in which it was written.

    Without the server (`solekey.open`, ``offline``) puts and removals are queued, and shown as if they were
    done. Each `unlock` with the server sends them first.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def __len__(self) -> int:
        """How many changes wait. No key is needed."""
        return len(self._core.session.kept.queue)

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
