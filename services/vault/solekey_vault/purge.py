"""Deletes what nothing names, and what is over its grace time. Spec: vault.md §3, §7.

A run may end anywhere: the next one begins anew. Objects go some at a time, in transactions of their own.
"""

from datetime import datetime, timedelta
from typing import Final

from solekey_eventlog.store import EventStore
from solekey_vault.closed_account_repository import ClosedAccountRepository
from solekey_vault.object_repository import ObjectRepository
from solekey_vault.stale_upload_repository import StaleUploadRepository
from solekey_vault.wrap_repository import WrapRepository

UNCLAIMED_KEPT: Final = timedelta(hours=24)
"""What nothing names is deleted after this long."""
ORPHANS_KEPT: Final = timedelta(hours=1)
"""A blob that no row names is deleted after this long; longer than any upload or download."""


class Purge:
    """Deletes in one database and its object store.

    Args:
        store: where the rows are.
        objects: the objects of all accounts.
        grace: how long what was retired or dropped can be brought back.
    """

    def __init__(self, store: EventStore, objects: ObjectRepository, grace: timedelta) -> None:
        self._store = store
        self._objects = objects
        self._grace = grace

    def run(self, now: datetime) -> int:
        """Delete what may go by this time, closed accounts' things and orphans. Returns how many uploads."""
        with self._store.begin() as uow:
            ClosedAccountRepository(uow).release()
            wraps = WrapRepository(uow)
            purged = wraps.purge_unclaimed(now - UNCLAIMED_KEPT)
            purged += wraps.delete_dropped(now - self._grace)
        purged += self._objects.delete_dropped(now - self._grace)
        purged += self._objects.purge_unclaimed(now - UNCLAIMED_KEPT)
        purged += self._purge_stale()
        with self._store.begin() as uow:
            ClosedAccountRepository(uow).forget_emptied(now - UNCLAIMED_KEPT)
        self._objects.sweep(now - ORPHANS_KEPT)
        return purged

    def _purge_stale(self) -> int:
        """Delete what was sent before a committed re-key began and that nothing names. Returns how much."""
        with self._store.read() as uow:
            found = StaleUploadRepository(uow).find_committed()
        purged = 0
        for stale in found:
            purged += self._objects.purge_unclaimed(stale.sent_before, account=stale.account)
            with self._store.begin() as uow:
                StaleUploadRepository(uow).forget(stale.account, stale.rotation)
        return purged
