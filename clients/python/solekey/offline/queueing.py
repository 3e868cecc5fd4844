"""Takes the place of the committer while there is no server: what would be committed is queued.

It decides as the committer does, from what this device knows: what changed meanwhile becomes a conflict copy.
What was queued is shown from then on as if it were committed. Spec: offline.md §6.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Self

from solekey.errors import OfflineForbiddenError
from solekey.offline.kept_objects import KeptObjects
from solekey.offline.queue import Queue
from solekey.offline.queue_entry import QueueEntry
from solekey.offline.settings import OfflineSettings
from solekey.progress import Progress, ignore_progress
from solekey.transfer.drafts import Draft, Put
from solekey.vault.commits import Committer, OnSealed, Outcome, PendingDraft, SealedAhead


@dataclass(frozen=True, slots=True)
class QueueingCommitter(Committer):
    """Queues for one unlocked account."""

    queue: Queue
    kept_objects: KeptObjects
    now_ms: Callable[[], int]

    @classmethod
    def take_over(
        cls, committer: Committer, queue: Queue, objects: KeptObjects, now_ms: Callable[[], int]
    ) -> Self:
        """Take a committer's place."""
        parts = {each.name: getattr(committer, each.name) for each in fields(Committer)}
        return cls(**parts, queue=queue, kept_objects=objects, now_ms=now_ms)

    def commit(
        self,
        drafts: Sequence[Draft],
        *,
        progress: Progress = ignore_progress,
        on_sealed: OnSealed | None = None,
        ahead: SealedAhead | None = None,
    ) -> list[Outcome]:
        """Queue drafts; returns what became of each, in order, as far as this device knows.

        Raises:
            OfflineForbiddenError: this device may keep nothing.
            DiskFullError: there is no room; nothing of these drafts was queued.
            SealError
        """
        del on_sealed, ahead  # nothing is signed or sent here
        if not OfflineSettings.load(self.queue.folder).allowed:
            raise OfflineForbiddenError("nothing is queued: this device may keep nothing")
        epoch, added = self.streams.vault.epoch, list[QueueEntry]()
        pending = [PendingDraft(draft, draft) for draft in drafts]
        with self.queue.lock():
            self._rebase_all(pending)
            try:
                for done, entry in enumerate(pending):
                    self._queue(entry, epoch, added)
                    progress(done + 1, len(pending))
            except BaseException:
                for queued in reversed(added):
                    self.queue.delete(queued)
                raise
            for queued, entry in zip(added, (each for each in pending if each.draft), strict=True):
                metadata = entry.draft.metadata if isinstance(entry.draft, Put) else None
                self.kept_objects.show_pending(queued.change, self.queue.find_sealed(queued))
                self.index.show_pending(queued.change, metadata, queued.device)
        return [self._conclude(entry, epoch) for entry in pending]

    def seal_ahead(self, puts: Sequence[Put]) -> None:
        """Seal nothing ahead: nothing is sent."""

    def _queue(self, entry: PendingDraft, epoch: int, added: list[QueueEntry]) -> None:
        if entry.draft is not None:
            added.append(self._add(entry.draft, epoch))
            entry.sealed[epoch] = added[-1].change

    def _add(self, draft: Draft, epoch: int) -> QueueEntry:
        data_key = self.keyring.data_key(epoch)
        return self.queue.add(draft, data_key, commit=self.index.commit, now_ms=self.now_ms())
