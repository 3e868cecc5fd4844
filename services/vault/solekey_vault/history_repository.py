"""Which replaced versions of live items are over the operator's limits. Spec: vault.md §7.2.

The newest version's row says how many replaced ones there are at most, and since when at the earliest:
two indexes find what is due, and a run with nothing to do reads nothing. The rows are brought up to date
when they are found due: a purge, which forgets the same versions, leaves them as they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, func, literal_column, or_, select, update

from solekey_protocol.change_list import Change, parse_change
from solekey_protocol.ids import AccountId
from solekey_vault.history_limits import HistoryLimits
from solekey_vault.tables import item_versions

_ITEMS_AT_ONCE: Final = 100
_ROW = item_versions.c
_PAST = item_versions.alias("past").c
_ZERO: Final = literal_column(
    "0", Integer
)  # a bound value would hide from the database that the partial index fits
_LIVE: Final = (_ROW.superseded_by.is_(None), _ROW.epoch > _ZERO)


@dataclass(frozen=True, slots=True)
class DueItem:
    """A live item that may have replaced versions over the limits.

    Attributes:
        account: whose.
        item: the raw id.
        version: its newest.
    """

    account: AccountId
    item: bytes
    version: int


class HistoryRepository:
    """The replaced versions of all accounts, in one transaction."""

    def __init__(self, connection: Connection, limits: HistoryLimits, now: datetime) -> None:
        self._connection = connection
        self._limits = limits
        self._before = now - timedelta(days=limits.days) if limits.days else None

    def find_due(self, without: Collection[AccountId]) -> list[DueItem]:
        """Find some items that are due, of other accounts than these."""
        due = []
        if self._limits.versions:
            due.append((_ROW.replaced > _ZERO, _ROW.replaced > self._limits.versions))
        if self._before is not None:
            due.append((_ROW.replaced_since.is_not(None), _ROW.replaced_since < self._before))
        found: dict[tuple[str, bytes], DueItem] = {}
        for each in due:
            query = select(_ROW.account, _ROW.item, _ROW.version).where(*_LIVE, *each)
            if without:
                query = query.where(_ROW.account.not_in(list(without)))
            for row in self._connection.execute(query.limit(_ITEMS_AT_ONCE)):
                due_item = DueItem(AccountId(row.account), bytes(row.item), row.version)
                found[due_item.account, due_item.item] = due_item
        return list(found.values())[:_ITEMS_AT_ONCE]

    def find_over(self, due: DueItem, limit: int) -> list[Change]:
        """Find the replaced versions of an item that are over a limit, the oldest first, at most so many."""
        over = []
        if self._limits.versions:
            over.append(_PAST.version < due.version - self._limits.versions)
        if self._before is not None:
            over.append(_PAST.superseded_at < self._before)
        query = _select_replaced(due, _PAST.change).where(or_(*over)).order_by(_PAST.version).limit(limit)
        return [parse_change(bytes(encoded)) for encoded in self._connection.execute(query).scalars()]

    def recount(self, due: DueItem) -> None:
        """Bring the row of the newest version up to date; none is, when another has replaced it meanwhile."""
        count = _select_replaced(due, func.count(_PAST.version)).scalar_subquery()
        since = _select_replaced(due, func.min(_PAST.superseded_at)).scalar_subquery()
        self._connection.execute(
            update(item_versions)
            .where(
                _ROW.account == due.account,
                _ROW.item == due.item,
                _ROW.version == due.version,
                _ROW.superseded_by.is_(None),
            )
            .values(replaced=count, replaced_since=since)
        )


def _select_replaced(due: DueItem, *columns: Any) -> Select[Any]:
    of_item = (_PAST.account == due.account, _PAST.item == due.item)
    return select(*columns).where(*of_item, _PAST.superseded_by.is_not(None))
