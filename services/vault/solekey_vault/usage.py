"""How much each account stores and sends: counted with the rows, in their transaction. Spec: vault.md §3.1.

What was uploaded counts at once, whether or not a commit names it, and until its row is deleted. The hour's
count begins anew with each hour of the clock.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, case, select, update

from solekey_eventlog.engine import upsert
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MIB
from solekey_service.refusals import QuotaExceeded, RateLimited
from solekey_vault.tables import account_usage

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Quota:
    """What one account may store, and send within an hour; see VaultConfig."""

    bytes: int = 100 * 1024 * MIB  # 100 GiB
    objects: int = 1_000_000
    bytes_per_hour: int = 20 * 1024 * MIB  # 20 GiB
    objects_per_hour: int = 200_000


DEFAULT_QUOTA: Final = Quota()


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account stores, and has sent in this hour."""

    bytes: int = 0
    objects: int = 0
    sent_bytes: int = 0
    sent_objects: int = 0


def read_usage(uow: UnitOfWork, account: AccountId) -> Usage:
    """Read what an account stores and has sent in this hour."""
    row = uow.connection.execute(select(account_usage).where(account_usage.c.account == account)).first()
    if row is None:
        return Usage()
    sent = (row.sent_bytes, row.sent_objects) if row.hour == _hour(uow) else (0, 0)
    return Usage(row.bytes, row.objects, *sent)


def verify_room(uow: UnitOfWork, account: AccountId, sizes: Iterable[int], quota: Quota) -> Usage:
    """Verify that an account may send objects of these sizes, and return what it has without them.

    Raises:
        QuotaExceeded: it would store too much. RateLimited: it would send too much in this hour.
    """
    usage, added = read_usage(uow, account), list(sizes)
    for unit, used, more, limit in (
        ("bytes", usage.bytes, sum(added), quota.bytes),
        ("objects", usage.objects, len(added), quota.objects),
    ):
        if used + more > limit:
            raise QuotaExceeded(unit, limit=limit, used=used)
    for unit, used, more, limit in (
        ("bytes", usage.sent_bytes, sum(added), quota.bytes_per_hour),
        ("objects", usage.sent_objects, len(added), quota.objects_per_hour),
    ):
        if used + more > limit:
            left_s = math.ceil(_HOUR_S - uow.now.timestamp() % _HOUR_S)
            raise RateLimited(unit, limit=limit, window_s=_HOUR_S, retry_after_s=left_s)
    return usage


def add_usage(uow: UnitOfWork, account: AccountId, sizes: Iterable[int]) -> None:
    """Count objects that an account has sent."""
    added = list(sizes)
    if not added:
        return
    counts = {"bytes": sum(added), "objects": len(added)}
    row = {**counts, "hour": _hour(uow), "sent_bytes": counts["bytes"], "sent_objects": counts["objects"]}
    same_hour = account_usage.c.hour == row["hour"]
    changes = {
        **{name: account_usage.c[name] + count for name, count in counts.items()},
        **{
            f"sent_{name}": case((same_hour, account_usage.c[f"sent_{name}"] + count), else_=count)
            for name, count in counts.items()
        },
        "hour": row["hour"],
    }
    query = upsert(uow.connection, account_usage).values(account=account, **row)
    uow.connection.execute(
        query.on_conflict_do_update(index_elements=[account_usage.c.account], set_=changes)
    )


def subtract_usage(connection: Connection, gone: Iterable[tuple[str, int]]) -> None:
    """Stop counting objects that were dropped or deleted: accounts and sizes."""
    _change_usage(connection, gone, -1)


def restore_usage(connection: Connection, back: Iterable[tuple[str, int]]) -> None:
    """Count objects again that were dropped and are claimed again: accounts and sizes."""
    _change_usage(connection, back, 1)


def _change_usage(connection: Connection, rows: Iterable[tuple[str, int]], sign: int) -> None:
    sizes: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for account, size in rows:
        sizes[account] += sign * size
        objects[account] += sign
    for account, count in objects.items():
        connection.execute(
            update(account_usage)
            .where(account_usage.c.account == account)
            .values(bytes=account_usage.c.bytes + sizes[account], objects=account_usage.c.objects + count)
        )


def _hour(uow: UnitOfWork) -> int:
    return int(uow.now.timestamp() // _HOUR_S)
