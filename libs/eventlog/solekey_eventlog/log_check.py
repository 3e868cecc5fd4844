"""Whether the bus still holds what this service has written to it and read from it. Spec: events.md §8.

Offsets never go back. A log that ends before what was published or applied was restored from an older copy,
or is another one: what is missing from it, such as a revocation, would never be heard of again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.exc import IntegrityError

from solekey_eventlog.bus import Bus, BusError
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.foundations import has_events, note_foundation, read_foundation
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.offsets import read_offsets
from solekey_eventlog.store import EventStore, UnitOfWork
from solekey_protocol.services import Service

_log = logging.getLogger(__name__)

_WHAT_TO_DO = (
    "Restore the log and the databases from one backup, all of them of the same moment, and start again; "
    "nothing was changed"
)


def find_log_fault(store: EventStore, bus: Bus, own: str, followed: Sequence[str]) -> str | None:
    """Say what is wrong with the log, or nothing.

    Args:
        store: the service's database.
        bus: where the log is.
        own: the topic that the service writes.
        followed: the topics that it reads.

    Raises:
        BusUnavailableError, UnavailableError: this cannot be known now.
    """
    for topic in (own, *followed):
        table = store.tables.published if topic == own else store.tables.applied
        log_id = bus.log_id(topic)
        with store.read() as uow:
            known_id = read_foundation(uow, f"log:{topic}")
            reached = read_offsets(uow.connection, table, topic)
        ends = bus.end_offsets(topic)  # after the offsets: it only grows
        with store.read() as uow:  # after the ends: what is published was committed before
            is_empty = not has_events(uow)
        fault = _compare(topic, reached, ends) or _compare_ids(topic, known_id, log_id, reached)
        if fault is None and topic == own and is_empty and any(ends.values()):
            fault = f"{topic} holds {sum(ends.values())} events of this service, but its database has none"
        if fault is not None:
            return f"{fault}. {_WHAT_TO_DO}"
        if known_id is None:
            _note(store, f"log:{topic}", log_id)
    return None


class LogWatch:
    """Looks at the log while the service runs, such as after a broker came back from a backup."""

    def __init__(self, service: Service, find_fault: Callable[[], str | None], freshness: Freshness) -> None:
        self._service = service
        self._find_fault = find_fault
        self._freshness = freshness
        self._reported: str | None = None

    def look(self) -> None:
        """Refuse what depends on trust while the log has a fault, and report each fault once."""
        try:
            fault = self._find_fault()
        except (BusError, UnavailableError):
            return  # a silent bus makes the feeds stale by itself
        if fault != self._reported:
            level = logging.WARNING if fault is None else logging.ERROR
            _log.log(level, "%s: %s", self._service, fault or "the log is whole again")
            self._freshness.distrust(fault)
            self._reported = fault


def _compare(topic: str, reached: Mapping[int, int], ends: Mapping[int, int]) -> str | None:
    for partition, offset in sorted(reached.items()):
        end = ends.get(partition, 0)
        if end < offset:
            return f"{topic} ends at {end} in partition {partition}, but {offset} was reached before"
    return None


def _compare_ids(topic: str, known: str | None, present: str, reached: Mapping[int, int]) -> str | None:
    if known == present or (known is None and not reached):
        return None
    return f"{topic} is not the log that this database was used with"


def _note(store: EventStore, name: str, log_id: str) -> None:
    try:
        with store.begin() as uow:
            _note_once(uow, name, log_id)
    except IntegrityError:
        return  # another process of the service was faster; the next look compares


def _note_once(uow: UnitOfWork, name: str, log_id: str) -> None:
    if read_foundation(uow, name) is None:
        note_foundation(uow, name, log_id)
