"""That a database was restored from a backup: noted for good, and declared to everybody who asks.

A restored service shows less of streams than it has shown before, as a server that withholds does. Clients
refuse both; the declaration lets them say what the operator states about it. Spec: events.md §8.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from solekey_eventlog.foundations import note_foundation
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import Timestamp

DECLARED_AT_MOST: Final = 10
_NAME: Final = "restored:"
_BETWEEN: Final = "/"


@dataclass(frozen=True, slots=True)
class Restored:
    """One restoration.

    Attributes:
        as_of: the moment of the backup: what was done later is not in it.
        at: when it was restored.
    """

    as_of: Timestamp
    at: Timestamp


def note_restored(uow: UnitOfWork, as_of: datetime) -> None:
    """Note that the database was restored now. Raises IntegrityError when it was noted at this moment."""
    at = Timestamp.from_datetime(uow.now)
    note_foundation(uow, f"{_NAME}{at}", f"{Timestamp.from_datetime(as_of)}{_BETWEEN}{at}")


def forget_followed_log(uow: UnitOfWork, topics: Sequence[str]) -> None:
    """Forget which log was followed, and how far: it is made anew, from the databases of its writers.

    Everything is read again from its beginning; what was applied before is known by its bytes, and ignored.
    """
    applied, foundations = uow.tables.applied, uow.tables.foundations
    uow.connection.execute(delete(applied).where(applied.c.topic.in_(topics)))
    names = [f"log:{topic}" for topic in topics]
    uow.connection.execute(delete(foundations).where(foundations.c.name.in_(names)))


def read_restored(uow: UnitOfWork) -> list[Restored]:
    """Read the last restorations, the oldest first."""
    table = uow.tables.foundations
    newest = select(table.c.value).where(table.c.name.startswith(_NAME)).order_by(table.c.name.desc())
    values = uow.connection.execute(newest.limit(DECLARED_AT_MOST)).scalars()
    pairs = [value.split(_BETWEEN) for value in values]
    return [Restored(Timestamp(as_of), Timestamp(at)) for as_of, at in reversed(pairs)]
