"""How long replaced versions are kept: the operator's limits, and since when each were. Spec: vault.md §7.2.

The settings of a process say what is in force now. What was in force before is noted: by that a client tells
what may have been collected then from what is withheld.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from solekey_eventlog.engine import upsert
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.ids import Timestamp
from solekey_protocol.limits import MAX_STATED_LIMITS
from solekey_vault.tables import history_limits

_NEXT: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How long replaced versions are kept.

    Attributes:
        versions: how many of an item; 0: no limit.
        days: since each was replaced; 0: no limit.
        grace_days: how long they can still be read once they are over a limit.
    """

    versions: int
    days: int
    grace_days: int


class HistoryLimitsRepository:
    """The limits that are in force and were, in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def read(self, current: HistoryLimits) -> list[tuple[datetime, HistoryLimits]]:
        """Read the limits and since when each were in force; the last are those that are now."""
        query = select(history_limits).order_by(history_limits.c.since.desc()).limit(MAX_STATED_LIMITS)
        rows = self._uow.connection.execute(query).all()[::-1]
        noted = [(row.since, HistoryLimits(row.versions, row.days, row.grace_days)) for row in rows]
        if noted and noted[-1][1] == current:
            return noted
        earliest = [since + _NEXT for since, _ in noted[-1:]]  # whatever the clock says now
        return [*noted, (max([self._uow.now, *earliest]), current)][-MAX_STATED_LIMITS:]

    def note(self, current: HistoryLimits) -> None:
        """Note since when the limits are in force, if others were before."""
        since, limits = self.read(current)[-1]
        query = upsert(self._uow.connection, history_limits).values(since=since, **asdict(limits))
        self._uow.connection.execute(query.on_conflict_do_nothing())


def encode_stated(since: datetime, limits: HistoryLimits) -> dict[str, Json]:
    """Encode limits, and since when they are in force, as the answer has them."""
    return {"since": Timestamp.from_datetime(since), **asdict(limits)}
