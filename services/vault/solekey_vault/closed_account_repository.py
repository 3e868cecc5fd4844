"""What an account that was closed leaves in the vault: deleted by the purge. Spec: vault.md §7.

The event only notes the account; at intervals its objects and wraps are released, as if nothing named them,
and then deleted like all that nothing names. Until all of it is gone this is repeated: a statement that was
admitted before the event came may claim something afterwards.
"""

from datetime import datetime

from sqlalchemy import delete, exists, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_vault.tables import (
    closed_accounts,
    commit_pages,
    commits,
    item_parts,
    item_versions,
    objects,
    stale_uploads,
    wraps,
)

_CLOSED = select(closed_accounts.c.account).scalar_subquery()


class ClosedAccountRepository:
    """The accounts that were closed and of which something may be left, in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._connection = uow.connection
        self._now = uow.now

    def note(self, account: AccountId) -> None:
        """Note that an account was closed; once more changes nothing."""
        row = {"account": account, "closed_at": self._now}
        query = upsert(self._connection, closed_accounts).values(row).on_conflict_do_nothing()
        self._connection.execute(query)

    def release(self) -> None:
        """Release what closed accounts have, so that it is purged, and forget which items they had."""
        for stored in (objects, wraps):
            self._connection.execute(
                update(stored)
                .where(stored.c.claimed.is_(True), stored.c.account.in_(_CLOSED))
                .values(claimed=False, stored_at=self._now)
            )
        for model in (item_parts, item_versions, commit_pages, commits, stale_uploads):
            self._connection.execute(delete(model).where(model.c.account.in_(_CLOSED)))

    def forget_emptied(self, before: datetime) -> None:
        """Forget the accounts that were closed before a moment and of which nothing is left."""
        left = [exists().where(stored.c.account == closed_accounts.c.account) for stored in (objects, wraps)]
        self._connection.execute(
            delete(closed_accounts).where(closed_accounts.c.closed_at < before, *(~each for each in left))
        )
