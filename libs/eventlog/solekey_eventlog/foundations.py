"""What existing data depends on: noted while the database is empty, demanded at every later start.

A key, a log or an object store that is lost must not be replaced in silence by a new one: what was written
under the old one could not be read, found or checked any more, and nobody would know why. So each database
notes which ones it was founded on. Spec: events.md §8.
"""

from collections.abc import Callable

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork

_RACES = 3


def require_foundation(store: EventStore, name: str, value: str, problem: str) -> None:
    """Demand that a foundation is the one that the database knows; an empty database notes it.

    Args:
        store: the service's database.
        name: of the foundation.
        value: what identifies the present one. No secret: a keyed check value, a random id.
        problem: what to say when it is another one: what is wrong, and what to do.

    Raises:
        ConfigError: it is another one, or the database has events and knows none.
        UnavailableError: the database does not answer.
    """
    found_foundation(store, name, lambda: value, problem, verify=lambda known: known == value)


def found_foundation(
    store: EventStore, name: str, make: Callable[[], str], problem: str, *, verify: Callable[[str], bool]
) -> str:
    """Return what the database notes under a name; an empty database notes what ``make`` gives.

    Raises:
        ConfigError: ``verify`` does not accept what is noted, or the database has events and notes nothing.
        UnavailableError: the database does not answer.
    """
    for _ in range(_RACES):
        try:
            with store.begin() as uow:
                known = read_foundation(uow, name)
                if known is None and not has_events(uow):
                    known = make()
                    note_foundation(uow, name, known)
        except IntegrityError:
            continue  # another process of the service was faster
        break
    if known is None or not verify(known):
        raise ConfigError([problem])
    return known


def read_foundation(uow: UnitOfWork, name: str) -> str | None:
    """Return what the database notes under a name."""
    table = uow.tables.foundations
    return uow.connection.execute(select(table.c.value).where(table.c.name == name)).scalar()


def note_foundation(uow: UnitOfWork, name: str, value: str) -> None:
    """Note a foundation. Raises IntegrityError when another process was faster."""
    uow.connection.execute(insert(uow.tables.foundations).values(name=name, value=value))


def replace_foundation(uow: UnitOfWork, name: str, value: str) -> None:
    """Note a foundation in the place of another: for a command that has compared what both hold."""
    table = uow.tables.foundations
    if not uow.connection.execute(update(table).where(table.c.name == name).values(value=value)).rowcount:
        note_foundation(uow, name, value)


def has_events(uow: UnitOfWork) -> bool:
    """Tell whether anything was ever appended to this database."""
    return bool(uow.connection.execute(select(exists().select_from(uow.tables.events))).scalar_one())
