"""The bytes of wraps: sent, claimed by an event, kept for a grace time once retired. Spec: vault.md §6."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId, Digest
from solekey_service.refusals import QuotaExceeded
from solekey_vault.tables import wraps

MAX_UNCLAIMED_WRAPS: Final = 1000
"""How many wraps of an account may wait for the event that names them."""


def put_wrap(uow: UnitOfWork, account: AccountId, digest: Digest, body: bytes) -> None:
    """Keep a wrap; the same again changes nothing but its time until it is purged.

    Raises:
        QuotaExceeded: too many of the account's wraps wait for their events.
    """
    unclaimed = (wraps.c.account == account, wraps.c.claimed.is_(False), wraps.c.digest != digest)
    used = uow.connection.execute(select(func.count()).where(*unclaimed)).scalar_one()
    if used >= MAX_UNCLAIMED_WRAPS:
        raise QuotaExceeded("wraps", limit=MAX_UNCLAIMED_WRAPS, used=used)
    row = {"account": account, "digest": digest, "body": body, "claimed": False, "stored_at": uow.now}
    query = upsert(uow.connection, wraps).values(row)
    uow.connection.execute(
        query.on_conflict_do_update(
            index_elements=[wraps.c.account, wraps.c.digest], set_={"stored_at": uow.now}
        )
    )


def read_wraps(
    connection: Connection, account: AccountId, digests: Sequence[Digest], *, keep: bool = False
) -> dict[Digest, bytes]:
    """Read wraps; absent ones are left out. With ``keep`` none can be purged before the commit."""
    query = select(wraps.c.digest, wraps.c.body).where(
        wraps.c.account == account, wraps.c.digest.in_(digests)
    )
    rows = connection.execute(query.with_for_update() if keep else query)
    return {Digest(row.digest): bytes(row.body) for row in rows}


def claim_wrap(connection: Connection, account: AccountId, digest: Digest) -> None:
    """Note that an event names a wrap."""
    of_wrap = (wraps.c.account == account, wraps.c.digest == digest)
    connection.execute(update(wraps).where(*of_wrap).values(claimed=True, dropped_at=None))


def drop_wrap(connection: Connection, account: AccountId, digest: Digest, now: datetime) -> None:
    """Note that a wrap was retired: it is deleted after the grace time."""
    of_wrap = (wraps.c.account == account, wraps.c.digest == digest)
    connection.execute(update(wraps).where(*of_wrap).values(dropped_at=now))


def delete_dropped_wraps(connection: Connection, before: datetime) -> int:
    """Delete wraps that were retired before a moment. Returns how many."""
    return connection.execute(delete(wraps).where(wraps.c.dropped_at < before)).rowcount


def purge_unclaimed_wraps(connection: Connection, before: datetime) -> int:
    """Delete wraps that were sent before a moment and that no event names. Returns how many."""
    query = delete(wraps).where(wraps.c.claimed.is_(False), wraps.c.stored_at < before)
    return connection.execute(query).rowcount
