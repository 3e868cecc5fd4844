"""Re-encrypts items under a new epoch, batch by batch.

While one batch is committed, the next is fetched, opened, sealed and sent (`reseal`). An item that does not
open stays as it is, under its old epoch, whose wrap must then stay, too: it may open again once the server
has its object back. Spec: rotation.md §3.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from solekey.crypto import DataKey
from solekey.errors import SolekeyError
from solekey.garbage import pausing_collection
from solekey.progress import Progress
from solekey.rotation.rekey_spool import RekeySpool
from solekey.rotation.reseal import Batch, Resealer, Sealed, is_small
from solekey.transfer.parallel import map_ahead
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UNREADABLE
from solekey_protocol.change_list import Change
from solekey_protocol.events import Stream
from solekey_protocol.limits import MAX_CHANGES, MIB
from solekey_protocol.lineage import may_reencrypt

BATCH_ITEMS: Final = MAX_CHANGES
BATCH_BYTES: Final = 4 * MIB


def find_old_items(unlocked: UnlockedAccount, epoch: int) -> list[Change]:
    """Find the live items that are sealed under an epoch before this one."""
    return [row.change for row in unlocked.index.find_older(epoch)]


def may_go_on(unlocked: UnlockedAccount, epoch: int) -> bool:
    """Whether items may be re-encrypted under an epoch, as far as the streams were followed here."""
    vault, rotation = unlocked.streams.vault, unlocked.streams.rotation
    return vault.epoch == epoch and may_reencrypt(vault, rotation, epoch, rotation.head.seq)


def rekey_items(
    unlocked: UnlockedAccount, epoch: int, progress: Progress, *, joining: bool = False
) -> frozenset[Change]:
    """Re-encrypt every item under ``epoch``, batch by batch; what another device has done is left alone.

    Args:
        unlocked: the unlocked account.
        epoch: the epoch that the items go to.
        progress: told how many items are done.
        joining: another device may be at work on the same: begin at the other end, so that the two meet.

    Returns:
        Those that do not open. They stay live under their epoch; ``unlocked.unreadable`` says why.

    Raises:
        TransferBusyError: another program of this profile re-encrypts the same items.
        DiskFullError: no room for what is sealed; nothing is lost, and the same command goes on.
    """
    run = _Run(unlocked, epoch, progress, joining=joining)
    with RekeySpool.held(unlocked.connection.profile.folder, epoch) as spool, pausing_collection():
        resealer = Resealer(unlocked.committer.uploader, spool)
        while may_go_on(unlocked, epoch) and (old := run.find_next()):
            for sealed in map_ahead(resealer.seal, run.iter_batches(old)):
                run.commit(sealed)
    return frozenset(run.left)


class _Run:
    """Knows what is left to do, and commits what is sealed."""

    def __init__(self, unlocked: UnlockedAccount, epoch: int, progress: Progress, *, joining: bool) -> None:
        self._unlocked = unlocked
        self._epoch = epoch
        self._progress = progress
        self._joining = joining
        self._keys: dict[int, DataKey | SolekeyError] = {}
        self._waiting = 0
        self.left: set[Change] = set()

    def find_next(self) -> list[Change]:
        """Find the old items that are left: the smallest first, or last where another device began so."""
        old = [change for change in find_old_items(self._unlocked, self._epoch) if change not in self.left]
        self._tell(len(old))
        return sorted(old, key=lambda change: (change.size, change.item), reverse=self._joining)

    def iter_batches(self, old: Sequence[Change]) -> Iterator[Batch]:
        """Cut old items into batches, each without what was done by the time it is begun."""
        start = 0
        while start < len(old):
            stop = _find_batch_stop(old, start)
            batch = old[start:stop]
            rows = self._unlocked.index.get_many([change.item for change in batch])
            newest = {item: row.change for item, row in rows.items()}
            live = [change for change in batch if newest.get(change.item) == change]
            if live:
                yield self._make_batch(live)
            start = stop

    def commit(self, sealed: Sealed) -> None:
        """Commit a batch, and note what does not open."""
        self._unlocked.committer.commit_rekeyed(sealed.changes)
        for kept in sealed.kept:
            kept.delete()
        if sealed.failed:
            self._unlocked.streams.sync(Stream.DEVICES, Stream.VAULT)
            self._unlocked.index.catch_up()  # a version that another device has superseded may be purged
        for change, error in sealed.failed.items():
            if self._unlocked.index.items.get(change.item) == change:
                self._unlocked.unreadable.note(change, error)
                self.left.add(change)
        self._tell(self._waiting - len(sealed.changes) - len(sealed.failed))

    def _make_batch(self, changes: Sequence[Change]) -> Batch:
        for epoch in {change.epoch for change in changes} - self._keys.keys():
            try:
                self._keys[epoch] = self._unlocked.keyring.data_key(epoch)
            except UNREADABLE as error:
                self._keys[epoch] = error
        return Batch(changes, self._keys, self._unlocked.keyring.data_key(self._epoch))

    def _tell(self, old: int) -> None:
        self._waiting, total = old, len(self._unlocked.index.items)
        self._progress(total - old, total)


def _find_batch_stop(old: Sequence[Change], start: int) -> int:
    """Find where the batch that begins at ``start`` ends: many small items, or one large one."""
    stop, size = start + 1, old[start].size
    while is_small(old[start]) and stop < len(old) and is_small(old[stop]) and stop - start < BATCH_ITEMS:
        size += old[stop].size
        if size > BATCH_BYTES:
            break
        stop += 1
    return stop
