"""What an account that was closed leaves in the vault: deleted by the purge. Spec: vault.md §7.

The event only notes the account; at intervals its objects and wraps are released, as if nothing named them,
and then deleted like all that nothing names. Until all of it is gone this is repeated: a statement that was
admitted before the event came may claim something afterwards.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_vault.tables import (
    closed_accounts,
    commit_pages,
    commits,
    item_parts,
    item_versions,
    objects,
    wraps,
)

_CLOSED = select(closed_accounts.c.account).scalar_subquery()


def note_closed(uow: UnitOfWork, account: AccountId) -> None:
    """Note that an account was closed; once more changes nothing."""
    row = {"account": account, "closed_at": uow.now}
    uow.connection.execute(upsert(uow.connection, closed_accounts).values(row).on_conflict_do_nothing())


def release_closed(connection: Connection, now: datetime) -> None:
    """Release what closed accounts have, so that it is purged, and forget which items they had."""
    for stored in (objects, wraps):
        connection.execute(
            update(stored)
            .where(stored.c.claimed.is_(True), stored.c.account.in_(_CLOSED))
            .values(claimed=False, stored_at=now)
        )
    for model in (item_parts, item_versions, commit_pages, commits):
        connection.execute(delete(model).where(model.c.account.in_(_CLOSED)))


def forget_emptied(connection: Connection, before: datetime) -> None:
    """Forget the accounts that were closed before a moment and of which nothing is left."""
    left = [exists().where(stored.c.account == closed_accounts.c.account) for stored in (objects, wraps)]
    connection.execute(
        delete(closed_accounts).where(closed_accounts.c.closed_at < before, *(~each for each in left))
    )
