"""What was sent before a re-key began and that no commit names once it is committed. Spec: vault.md §3.

It is sealed under an epoch that nothing is written under any more, so that no commit will ever name it: what
a device had sent that wanted to write meanwhile, which seals it anew, or what a thief has filled the account
with. Two events tell it; the purge deletes it, some objects at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId, RotationId
from solekey_vault.tables import stale_uploads


@dataclass(frozen=True, slots=True)
class StaleUploads:
    """What an account had sent before a moment, if nothing names it; ``rotation`` is the re-key."""

    account: AccountId
    rotation: RotationId
    sent_before: datetime


class StaleUploadRepository:
    """The re-keys that have begun, and those that were committed, in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._connection = uow.connection
        self._now = uow.now

    def note_start(self, account: AccountId, rotation: RotationId, started_at: datetime) -> None:
        """Note that a re-key has begun: what is sent from now on may be sealed under its epoch."""
        # By the rotation service's clock, or ours where that is behind: what comes later is never before it.
        row = {
            "account": account,
            "rotation": rotation,
            "sent_before": min(started_at, self._now),
            "committed": False,
        }
        query = upsert(self._connection, stale_uploads).values(row)
        self._connection.execute(
            query.on_conflict_do_update(index_elements=[stale_uploads.c.account], set_=row)
        )

    def note_commit(self, account: AccountId, rotation: RotationId) -> None:
        """Note that a re-key was committed: nothing is written under the epoch before it any more."""
        of_rotation = (stale_uploads.c.account == account, stale_uploads.c.rotation == rotation)
        self._connection.execute(update(stale_uploads).where(*of_rotation).values(committed=True))

    def forget(self, account: AccountId, rotation: RotationId) -> None:
        """Forget a re-key: it was given up, or what was stale is deleted."""
        of_rotation = (stale_uploads.c.account == account, stale_uploads.c.rotation == rotation)
        self._connection.execute(delete(stale_uploads).where(*of_rotation))

    def find_committed(self) -> Sequence[StaleUploads]:
        """Find what may be deleted."""
        columns = (stale_uploads.c.account, stale_uploads.c.rotation, stale_uploads.c.sent_before)
        rows = self._connection.execute(select(*columns).where(stale_uploads.c.committed.is_(True)))
        return [
            StaleUploads(AccountId(row.account), RotationId(row.rotation), row.sent_before) for row in rows
        ]
