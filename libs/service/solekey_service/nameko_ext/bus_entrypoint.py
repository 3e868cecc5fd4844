"""Gives a service the records of the topics that it follows.

At least once, in order within a partition. The offset is committed after the worker succeeded; when it fails
the record is sought again after a pause that doubles up to a bound, and only its own partition waits. (The
PyPI package nameko-kafka commits before the worker has finished.)
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eventlet.event import Event as GreenEvent
from nameko.extensions import Entrypoint

from solekey_eventlog.batch import MAX_BATCH_RECORDS
from solekey_eventlog.bus import BusError, Consumer, PartitionLostError, Record
from solekey_eventlog.trouble import Trouble
from solekey_service.nameko_ext.wiring import find_wiring, finish

_log = logging.getLogger(__name__)

Place = tuple[str, int]
"""A topic and a partition of it."""

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
        self._retries: dict[Place, _Retry] = {}
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
        """Give records to workers, many at a time, commit what succeeded, and return how many did.

        Where many fail together each is given alone: one that fails holds up its own partition only.
        """
        batch = _Batch(consumer)
        for start in range(0, len(records), MAX_BATCH_RECORDS):
            page = records[start : start + MAX_BATCH_RECORDS]
            ready = [record for record in page if self._admit(batch, record)]
            if len(ready) > 1 and not self._stop.is_set() and self._work(ready):
                self._finish(batch, *ready)
                continue
            for record in ready:
                if self._stop.is_set():
                    break
                self._take_alone(batch, record)
        return batch.commit()

    def _admit(self, batch: "_Batch", record: Record) -> bool:
        """Tell whether a record may be worked on; the first one of a paused partition is sought again."""
        if batch.is_held(record):
            return False
        if self._is_paused(find_place(record)):
            batch.hold(record)
            return False
        return True

    def _take_alone(self, batch: "_Batch", record: Record) -> None:
        place = find_place(record)
        if batch.is_held(record):
            return
        if self._work([record]):
            self._finish(batch, record)
            return
        last = self._retries.get(place)
        pause_s = _FIRST_PAUSE_S if last is None else min(last.pause_s * 2, _LONGEST_PAUSE_S)
        self._retries[place] = _Retry(pause_s, time.monotonic() + pause_s)
        _log.error("%s/%d@%d failed; again in %.2f s", *place, record.offset, pause_s)
        batch.hold(record)

    def _finish(self, batch: "_Batch", *records: Record) -> None:
        for record in records:
            self._retries.pop(find_place(record), None)
        batch.finish(*records)

    def _is_paused(self, place: Place) -> bool:
        retry = self._retries.get(place)
        return retry is not None and time.monotonic() < retry.not_before_s

    def _work(self, records: Sequence[Record]) -> bool:
        """Run a worker to its end. False: it failed."""
        finished = GreenEvent()

        def handle_result(_: object, result: Any, exc_info: Any) -> tuple[Any, Any]:
            finished.send(exc_info is None)
            return result, exc_info

        self.container.spawn_worker(self, (records,), {}, handle_result=handle_result)
        return bool(finished.wait())


class _Batch:
    """What becomes of the records of one poll."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._done: dict[Place, Record] = {}
        self._held: set[Place] = set()
        self._worked = 0

    def is_held(self, record: Record) -> bool:
        """Tell whether an earlier record of its partition has to come again first."""
        return find_place(record) in self._held

    def hold(self, record: Record) -> None:
        """Have a record delivered again, and with it what follows in its partition."""
        self._held.add(find_place(record))
        with _unless_lost():
            self._consumer.seek(record)

    def finish(self, *records: Record) -> None:
        """Note that records were worked on, in order."""
        self._done.update((find_place(record), record) for record in records)
        self._worked += len(records)

    def commit(self) -> int:
        """Commit what was worked on; returns how many records that were."""
        if self._done:
            with _unless_lost():
                self._consumer.commit(*self._done.values())
        return self._worked


def find_place(record: Record) -> Place:
    """Find the partition of a record."""
    return (record.topic, record.partition)


@contextmanager
def _unless_lost() -> Iterator[None]:
    """Seek or commit; a partition that another member owns now is that member's to deliver."""
    try:
        yield
    except PartitionLostError as error:
        _log.info("%s", error)
