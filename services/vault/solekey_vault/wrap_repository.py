"""The bytes of wraps: sent, claimed by an event, kept for a grace time once retired. Spec: vault.md §6."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId, Digest
from solekey_service.refusals import QuotaExceeded
from solekey_vault.tables import wraps

MAX_UNCLAIMED_WRAPS: Final = 1000
"""How many wraps of an account may wait for the event that names them."""


class WrapRepository:
    """The wraps of all accounts, in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._connection = uow.connection
        self._now = uow.now

    def put(self, account: AccountId, digest: Digest, body: bytes, most: int) -> None:
        """Keep a wrap; the same again changes nothing but its time until it is purged.

        Args:
            account: whose.
            digest: of the wrap.
            body: its bytes.
            most: how many of the account's wraps may wait for their events.

        Raises:
            QuotaExceeded: too many of the account's wraps wait for their events.
        """
        unclaimed = (wraps.c.account == account, wraps.c.claimed.is_(False), wraps.c.digest != digest)
        used = self._connection.execute(select(func.count()).where(*unclaimed)).scalar_one()
        if used >= most:
            raise QuotaExceeded("wraps", limit=most, used=used)
        row = {"account": account, "digest": digest, "body": body, "claimed": False, "stored_at": self._now}
        query = upsert(self._connection, wraps).values(row)
        self._connection.execute(
            query.on_conflict_do_update(
                index_elements=[wraps.c.account, wraps.c.digest], set_={"stored_at": self._now}
            )
        )

    def find(
        self, account: AccountId, digests: Sequence[Digest], *, keep: bool = False
    ) -> dict[Digest, bytes]:
        """Find wraps; absent ones are left out. With ``keep`` none can be purged before the commit."""
        query = select(wraps.c.digest, wraps.c.body).where(
            wraps.c.account == account, wraps.c.digest.in_(digests)
        )
        rows = self._connection.execute(query.with_for_update() if keep else query)
        return {Digest(row.digest): bytes(row.body) for row in rows}

    def claim(self, account: AccountId, digest: Digest) -> None:
        """Note that an event names a wrap."""
        of_wrap = (wraps.c.account == account, wraps.c.digest == digest)
        self._connection.execute(update(wraps).where(*of_wrap).values(claimed=True, dropped_at=None))

    def drop(self, account: AccountId, digest: Digest) -> None:
        """Note that a wrap was retired: it is deleted after the grace time."""
        of_wrap = (wraps.c.account == account, wraps.c.digest == digest)
        self._connection.execute(update(wraps).where(*of_wrap).values(dropped_at=self._now))

    def delete_dropped(self, before: datetime) -> int:
        """Delete wraps that were retired before a moment. Returns how many."""
        return self._connection.execute(delete(wraps).where(wraps.c.dropped_at < before)).rowcount

    def purge_unclaimed(self, before: datetime) -> int:
        """Delete wraps that were sent before a moment and that no event names. Returns how many."""
        query = delete(wraps).where(wraps.c.claimed.is_(False), wraps.c.stored_at < before)
        return self._connection.execute(query).rowcount
