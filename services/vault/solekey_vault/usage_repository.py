"""How much each account stores and sends, and may: counted with the rows, in their transaction.

What was uploaded counts at once, whether or not a commit names it, and until it is dropped or deleted. The
hour's count begins anew with each hour of the clock. While a rotation of the account is open it may have
more: of a re-encryption everything is there twice, and what lists it. Spec: vault.md §3.1.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BigInteger, Row, case, cast, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MIB
from solekey_service.refusals import QuotaExceeded, RateLimited
from solekey_vault.tables import account_usage, objects

ROTATION_FACTOR: Final = 3
"""So many times its quota an account may have while a rotation is open: the old, the new, the lists."""
_HOUR_S = 3600
_COUNTED: Final = objects.c.dropped_at.is_(None)
"""Objects that were dropped count for no quota."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one account may store, and send within an hour; see VaultConfig."""

    bytes: int = 100 * 1024 * MIB  # 100 GiB
    objects: int = 1_000_000
    bytes_per_hour: int = 20 * 1024 * MIB  # 20 GiB
    objects_per_hour: int = 200_000

    def derive_for_rotation(self) -> "Quota":
        """Derive what the account may while a rotation is open."""
        return Quota(**{name: ROTATION_FACTOR * limit for name, limit in asdict(self).items()})


DEFAULT_QUOTA: Final = Quota()
IsRotating = Callable[[UnitOfWork, AccountId], bool]


@dataclass(frozen=True, slots=True)
class _Added:
    """What is sent."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account stores, and has sent in this hour."""

    bytes: int = 0
    objects: int = 0
    sent_bytes: int = 0
    sent_objects: int = 0


class UsageRepository:
    """What all accounts store and may store, in one transaction."""

    def __init__(
        self,
        uow: UnitOfWork,
        default: Quota = DEFAULT_QUOTA,
        is_rotating: IsRotating = lambda _uow, _account: False,
    ) -> None:
        """Count in a transaction.

        Args:
            uow: the transaction.
            default: what an account may that has no limits of its own.
            is_rotating: tells whether a rotation of an account is open.
        """
        self._uow = uow
        self._connection = uow.connection
        self._default = default
        self._is_rotating = is_rotating

    def find_usage(self, account: AccountId) -> Usage:
        """Find what an account stores and has sent in this hour."""
        return self._read_usage(self._find(account))

    def find_quota(self, account: AccountId) -> Quota:
        """Find what an account may: the operator has set it for this one, or it is the default."""
        return self._read_quota(self._find(account))

    def sum_usage(self) -> Usage:
        """Find what all accounts store together."""
        sums = [func.coalesce(func.sum(account_usage.c[name]), 0) for name in ("bytes", "objects")]
        stored_bytes, count = self._connection.execute(select(*sums)).one()
        return Usage(int(stored_bytes), int(count))

    def set_quota(self, account: AccountId, limits: Mapping[str, int | None]) -> None:
        """Set limits of one account, by their names in Quota; None: the default again."""
        own = {f"max_{name}": limit for name, limit in limits.items()}
        query = upsert(self._connection, account_usage).values(account=account, hour=0, **_NOTHING, **own)
        self._connection.execute(
            query.on_conflict_do_update(index_elements=[account_usage.c.account], set_=own)
        )

    def verify_room(self, account: AccountId, sizes: Iterable[int]) -> Usage:
        """Verify that an account may send objects of these sizes, and return what it has without them.

        Raises:
            QuotaExceeded: it would store too much. RateLimited: it would send too much in this hour.
        """
        row, added = self._find(account), list(sizes)
        usage = self._read_usage(row)
        self._require(account, _Added(len(added), sum(added)), usage, self._read_quota(row))
        return usage

    def add(self, account: AccountId, sizes: Iterable[int]) -> None:
        """Count objects that an account has sent, if it may: one statement.

        Raises:
            QuotaExceeded, RateLimited: as `verify_room`; the transaction must not be committed.
        """
        listed = list(sizes)
        if not listed:
            return
        added = _Added(len(listed), sum(listed))
        query = _count_added(self._connection.dialect.name)
        row = self._connection.execute(
            query,
            {
                "account": account,
                "hour": self._hour,
                "bytes": added.bytes,
                "objects": added.objects,
                "sent_bytes": added.bytes,
                "sent_objects": added.objects,
            },
        ).one()
        after = self._read_usage(row)
        before = Usage(
            after.bytes - added.bytes,
            after.objects - added.objects,
            after.sent_bytes - added.bytes,
            after.sent_objects - added.objects,
        )
        self._require(account, added, before, self._read_quota(row))

    def _require(self, account: AccountId, added: _Added, usage: Usage, quota: Quota) -> None:
        try:
            self._verify(added, usage, quota)
        except (QuotaExceeded, RateLimited):
            if not self._is_rotating(self._uow, account):
                raise
            self._verify(added, usage, quota.derive_for_rotation())

    def _verify(self, added: _Added, usage: Usage, quota: Quota) -> None:
        for unit, used, more, limit in (
            ("bytes", usage.bytes, added.bytes, quota.bytes),
            ("objects", usage.objects, added.objects, quota.objects),
        ):
            if used + more > limit:
                raise QuotaExceeded(unit, limit=limit, used=used)
        for unit, used, more, limit in (
            ("bytes", usage.sent_bytes, added.bytes, quota.bytes_per_hour),
            ("objects", usage.sent_objects, added.objects, quota.objects_per_hour),
        ):
            if used + more > limit:
                left_s = math.ceil(_HOUR_S - self._uow.now.timestamp() % _HOUR_S)
                raise RateLimited(unit, limit=limit, window_s=_HOUR_S, retry_after_s=left_s)

    def subtract(self, gone: Iterable[tuple[str, int]]) -> None:
        """Stop counting objects that were dropped or deleted: accounts and sizes."""
        self._change(gone, -1)

    def recount(self) -> None:
        """Count anew what each account stores, of its objects; what it has sent and may stays."""
        summed = [func.coalesce(func.sum(objects.c.size), 0), func.count()]
        stored = [
            select(cast(column, BigInteger)).where(_COUNTED, objects.c.account == account_usage.c.account)
            for column in summed
        ]
        values = dict(zip(("bytes", "objects"), (query.scalar_subquery() for query in stored), strict=True))
        self._connection.execute(update(account_usage).values(**values))
        known = select(account_usage.c.account)
        nothing = [literal(0)] * 3
        missing = select(objects.c.account, *(cast(column, BigInteger) for column in summed), *nothing)
        missing = missing.where(_COUNTED, objects.c.account.not_in(known)).group_by(objects.c.account)
        names = ["account", "bytes", "objects", "hour", "sent_bytes", "sent_objects"]
        self._connection.execute(insert(account_usage).from_select(names, missing))

    def restore(self, back: Iterable[tuple[str, int]]) -> None:
        """Count objects again that were dropped and are claimed again: accounts and sizes."""
        self._change(back, 1)

    @property
    def _hour(self) -> int:
        return int(self._uow.now.timestamp() // _HOUR_S)

    def _find(self, account: AccountId) -> Row[Any] | None:
        return self._connection.execute(
            select(account_usage).where(account_usage.c.account == account)
        ).first()

    def _read_usage(self, row: Row[Any] | None) -> Usage:
        if row is None:
            return Usage()
        sent = (row.sent_bytes, row.sent_objects) if row.hour == self._hour else (0, 0)
        return Usage(row.bytes, row.objects, *sent)

    def _read_quota(self, row: Row[Any] | None) -> Quota:
        if row is None:
            return self._default
        own = {name: getattr(row, f"max_{name}") for name in asdict(self._default)}
        return Quota(
            **{name: getattr(self._default, name) if limit is None else limit for name, limit in own.items()}
        )

    def _change(self, rows: Iterable[tuple[str, int]], sign: int) -> None:
        sizes: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for account, size in rows:
            sizes[account] += sign * size
            counts[account] += sign
        for account, count in counts.items():
            self._connection.execute(
                update(account_usage)
                .where(account_usage.c.account == account)
                .values(bytes=account_usage.c.bytes + sizes[account], objects=account_usage.c.objects + count)
            )


@lru_cache
def _count_added(dialect: str) -> Any:
    """Build the statement that counts what is sent: SQLAlchemy takes longer for that than to run it."""
    query = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(account_usage)
    given, same_hour = query.excluded, account_usage.c.hour == query.excluded.hour
    stored = {name: account_usage.c[name] + given[name] for name in ("bytes", "objects")}
    sent = {
        name: case((same_hour, account_usage.c[name] + given[name]), else_=given[name])
        for name in ("sent_bytes", "sent_objects")
    }
    query = query.on_conflict_do_update(
        index_elements=[account_usage.c.account], set_={**stored, **sent, "hour": given.hour}
    )
    return query.returning(*account_usage.c)


_NOTHING: Final = asdict(Usage())
