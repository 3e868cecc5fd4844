"""Every process of a service stands by for the others: it applies what nobody else applies.

A consumer group divides the partitions among the processes of a service. A process that dies keeps its share
until the broker misses it, which takes longer than a feed may be silent. How far a partition is applied is a
row of the service's database, and an event has its effect once whoever brings it (``projector``). So a
process that hears of events which nobody has applied for ``PATIENCE_S`` reads them itself, outside the group.
Decision: docs/decisions/0137.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.bus import Bus, BusError, TopicPartition
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.offsets import read_all_offsets
from solekey_eventlog.projector import Projector
from solekey_eventlog.store import EventStore

_log = logging.getLogger(__name__)

PATIENCE_S: Final = 0.75
"""A member of the group that works moves its partition more often than this."""
INTERVAL_S: Final = 0.25
_TAKEN_S: Final = 15.0
"""How long a partition is looked after: longer than a group takes to miss a member."""
_NOTHING_THERE_S: Final = 5.0
_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 30.0
"""After a failure, and after many: what fails is tried by the group's member too."""


@dataclass(frozen=True, slots=True)
class _Stall:
    """A partition that is behind: how far it was applied, and since when (monotonic)."""

    offset: int
    since_s: float


@dataclass(frozen=True, slots=True)
class _Taken:
    """A partition that this process looks after: how far it has applied it, and until when (monotonic)."""

    offset: int
    until_s: float


class Standby:
    """Looks for partitions of which published events are not applied, and applies them."""

    def __init__(self, store: EventStore, bus: Bus, projector: Projector, freshness: Freshness) -> None:
        self._store = store
        self._bus = bus
        self._projector = projector
        self._freshness = freshness
        self._applied: dict[TopicPartition, int] = {}
        self._stalls: dict[TopicPartition, _Stall] = {}
        self._taken: dict[TopicPartition, _Taken] = {}

    def look(self, is_stopped: Callable[[], bool] = lambda: False) -> int:
        """Apply what has waited for too long, and return how many records that were.

        Raises:
            BusUnavailableError, BusConfigurationError: the bus does not answer, or not to this service.
            UnavailableError, StalePositionError: see Projector.apply.
        """
        claims = self._freshness.find_claims()
        if all(self._applied.get(place, 0) >= end for place, end in claims.items()):
            return 0
        self._applied = self._read_applied()
        behind = {place: end for place, end in claims.items() if self._applied.get(place, 0) < end}
        self._stalls = {place: stall for place, stall in self._stalls.items() if place in behind}
        stalled = [place for place in sorted(behind) if self._is_stalled(place)]
        return sum(self._take(place, behind[place], is_stopped) for place in stalled)

    def run(self, stop: threading.Event) -> None:
        """Look again and again until ``stop``; at growing intervals while that fails."""
        pause_s = _PAUSE_S
        while not stop.wait(INTERVAL_S):
            try:
                self.look(stop.is_set)
            except (BusError, UnavailableError, StalePositionError) as error:
                _log.warning("%s: standing by, trying again: %s", self._store.stream, error)
            except Exception:  # noqa: BLE001 - the group's member reports it too; this one must go on
                _log.exception("%s: standing by failed, trying again", self._store.stream)
            else:
                pause_s = _PAUSE_S
                continue
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _read_applied(self) -> dict[TopicPartition, int]:
        topics = {place.topic for place in self._freshness.find_claims()}
        with self._store.read() as uow:
            offsets = read_all_offsets(uow.connection, self._store.tables.applied, topics)
        return {TopicPartition(*place): offset for place, offset in offsets.items()}

    def _is_stalled(self, place: TopicPartition) -> bool:
        """Tell whether nobody has moved a partition for so long, or this process looks after it already."""
        offset, now_s = self._applied.get(place, 0), self._store.clock.monotonic()
        taken = self._taken.get(place)
        if taken is not None and taken.offset == offset and now_s < taken.until_s:
            return True
        self._taken.pop(place, None)  # a member of the group is back on it, or should be by now
        stall = self._stalls.get(place)
        if stall is None or stall.offset != offset:
            self._stalls[place] = stall = _Stall(offset, now_s)
        return now_s - stall.since_s >= PATIENCE_S

    def _take(self, place: TopicPartition, claimed: int, is_stopped: Callable[[], bool]) -> int:
        start = offset = self._applied.get(place, 0)
        for record in self._bus.read(place.topic, {place.partition: range(start, claimed)}):
            if is_stopped():
                break
            self._projector.apply(record)
            offset = record.offset + 1
        now_s = self._store.clock.monotonic()
        if offset == start:  # a heartbeat that claims more than there is
            self._stalls[place] = _Stall(start, now_s + _NOTHING_THERE_S)
            return 0
        taken = self._taken.get(place)
        if taken is None:
            _log.info("%s/%d: nobody applied it from %d on; this process does", *place, start)
        self._taken[place] = _Taken(offset, now_s + _TAKEN_S if taken is None else taken.until_s)
        self._applied[place] = offset
        return offset - start
