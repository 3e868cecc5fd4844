"""When devices were seen last: a day, never a time, beside the events. Spec: devices.md §5."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite

from solekey_devices.tables import device_sightings
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.store import EventStore
from solekey_service.http import Caller

_INSERTS: dict[str, Callable[[Table], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
"""SQLAlchemy spells an upsert by dialect, with the same words in both."""


def note_sighting(store: EventStore, caller: Caller) -> None:
    """Note that a device was here today; one write a device and day. A database that is busy is no matter."""
    today = store.clock.now().date().isoformat()
    rows = device_sightings.c
    known = select(rows.seen_on).where(rows.account == caller.account, rows.device == caller.device)
    with store.read() as uow:
        seen_on = uow.connection.execute(known).scalar_one_or_none()
    if seen_on is not None and seen_on >= today:
        return
    try:
        with store.begin() as uow:
            upsert = _INSERTS[uow.connection.dialect.name](device_sightings).values(
                account=caller.account, device=caller.device, seen_on=today
            )
            uow.connection.execute(
                upsert.on_conflict_do_update(
                    index_elements=[rows.account, rows.device], set_={"seen_on": upsert.excluded.seen_on}
                )
            )
    except UnavailableError:
        pass  # what was asked for was read; the device is noted next time
