"""Gives a service the records of the topics that it follows.

At least once, in order within a partition. The offset is committed after the worker succeeded; when it fails
the record is sought again after a pause that doubles up to a bound, and only its own partition waits. (The
PyPI package nameko-kafka commits before the worker has finished.)
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eventlet.event import Event as GreenEvent
from nameko.extensions import Entrypoint

from solekey_eventlog.bus import BusError, Consumer, PartitionLostError, Record
from solekey_eventlog.trouble import Trouble
from solekey_service.nameko_ext.wiring import find_wiring, finish

_log = logging.getLogger(__name__)

_POLL_S = 0.5  # also bounds how long a stop takes
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class _Retry:
    """A partition whose next record failed."""

    pause_s: float
    not_before_s: float


class BusEntrypoint(Entrypoint):  # type: ignore[misc]  # nameko publishes no types
    """Follows the topics that the service's definition subscribes to, as the service's consumer group."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: Any = None
        self._retries: dict[tuple[str, int], _Retry] = {}
        super().__init__()

    def start(self) -> None:
        """Begin to follow. While the bus is down it waits, and HTTP is answered."""
        self._thread = self.container.spawn_managed_thread(self._run)

    def stop(self) -> None:
        """Finish the record in work, leave the group, return."""
        self._stop.set()
        if self._thread is not None:
            finish(self._thread)

    def _run(self) -> None:
        wiring = find_wiring(self.container)
        kernel = wiring.kernel
        if not kernel.topics:
            return
        while not self._stop.is_set():
            try:
                with kernel.bus.consumer(kernel.group, kernel.topics) as consumer:
                    self._retries.clear()
                    self._follow(consumer, wiring.bus_trouble)
            except BusError as error:
                wiring.bus_trouble.meet(error)
                self._stop.wait(_POLL_S)

    def _follow(self, consumer: Consumer, trouble: Trouble) -> None:
        while not self._stop.is_set():
            records = consumer.poll(_FIRST_PAUSE_S if self._retries else _POLL_S)
            trouble.end()
            if records and not self.apply_batch(consumer, records):
                # Everything that came belongs to partitions in their pause, and would come again at once.
                self._stop.wait(_FIRST_PAUSE_S)

    def apply_batch(self, consumer: Consumer, records: Sequence[Record]) -> int:
        """Give records to the worker one after the other, commit what succeeded, and return how many did."""
        done: dict[tuple[str, int], Record] = {}
        held: set[tuple[str, int]] = set()
        worked = 0
        for record in records:
            place = (record.topic, record.partition)
            if self._stop.is_set():
                break
            if place in held:
                continue
            if not self._is_paused(place) and self._work(record):
                self._retries.pop(place, None)
                done[place] = record
                worked += 1
                continue
            held.add(place)
            _unless_lost(consumer.seek, record)
        for record in done.values():
            _unless_lost(consumer.commit, record)
        return worked

    def _is_paused(self, place: tuple[str, int]) -> bool:
        retry = self._retries.get(place)
        return retry is not None and time.monotonic() < retry.not_before_s

    def _work(self, record: Record) -> bool:
        """Run the worker to its end. False: it failed, and its partition pauses."""
        finished = GreenEvent()

        def handle_result(_: object, result: Any, exc_info: Any) -> tuple[Any, Any]:
            finished.send(exc_info is None)
            return result, exc_info

        self.container.spawn_worker(self, (record,), {}, handle_result=handle_result)
        if finished.wait():
            return True
        place = (record.topic, record.partition)
        last = self._retries.get(place)
        pause_s = _FIRST_PAUSE_S if last is None else min(last.pause_s * 2, _LONGEST_PAUSE_S)
        self._retries[place] = _Retry(pause_s, time.monotonic() + pause_s)
        _log.error("%s/%d@%d failed; again in %.2f s", *place, record.offset, pause_s)
        return False


def _unless_lost(action: Callable[[Record], None], record: Record) -> None:
    """Seek or commit; a partition that another member owns now is that member's to deliver."""
    try:
        action(record)
    except PartitionLostError as error:
        _log.info("%s", error)
