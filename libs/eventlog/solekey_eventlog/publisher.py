"""The publisher: brings a service's own events from its outbox to the bus, and gives signs of life.

It selects *unpublished rows*, never ``id > last``: a transaction that commits late would be skipped. A row is
marked only once the bus has it durably; a crash between the two repeats records, and consumers ignore
repetitions. Of several processes of one service one publishes at a time; the others wait. Spec: events.md §6.

A record that lands elsewhere than behind the last one was written to a log that has lost its end, or that
holds repetitions of a crash. Before such a page is marked the log is looked at; when it has a fault nothing
is marked or published any more, and no heartbeat says that everything was: the followers become stale.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from solekey_eventlog.bus import Bus, BusUnavailableError, Message, Position
from solekey_eventlog.errors import LogFaultError, UnavailableError
from solekey_eventlog.offsets import Reached, advance_offset, read_offsets
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_eventlog.store import EventStore
from solekey_eventlog.trouble import Trouble
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Digest, Timestamp, compute_digest
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, WRITERS

_log = logging.getLogger(__name__)

INTERVAL_S = 1.0
"""How long the publisher waits for a commit; freshness limits are several of these."""
_HEARTBEAT_GAP_S = 0.25  # a busy service would send one with every event
_PAGE_EVENTS = 500


@dataclass(frozen=True, slots=True)
class _Waiting:
    account: str
    seq: int
    raw: bytes
    digest: str
    appended_at: datetime


class Publisher:
    """Publishes what one service has appended."""

    def __init__(self, store: EventStore, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._topic = TOPICS[store.stream]
        self._wake = threading.Event()
        self._heartbeat_at_s: float | None = None
        self._fault: str | None = None
        self._find_fault: Callable[[], str | None] = lambda: None
        self._on_fault: Callable[[str], None] = lambda _: None

    def watch(self, find_fault: Callable[[], str | None], on_fault: Callable[[str], None]) -> None:
        """Set what looks at the log when a record lands at an unexpected place, and who hears of a fault."""
        self._find_fault, self._on_fault = find_fault, on_fault

    def halt(self, fault: str | None) -> None:
        """Publish nothing more, because the log has a fault; None ends it."""
        self._fault = fault

    def notify(self) -> None:
        """Wake the publisher: something was committed."""
        self._wake.set()

    def publish_pending(self, *, even_if_idle: bool = True) -> int:
        """Publish everything that is committed, then a heartbeat that says so. Returns how many events.

        Args:
            even_if_idle: whether a heartbeat is given where nothing was published.

        Raises:
            BusUnavailableError: the bus did not confirm; the rest stays in the outbox.
            UnavailableError: the database does not answer.
            LogFaultError: the log went back, or is another one.
        """
        published = 0
        while True:
            as_of = self._store.clock.now()  # before the select: what commits later is not claimed
            published += (page := self._publish_page())
            if page < _PAGE_EVENTS:
                if published or even_if_idle:
                    self._publish_heartbeat(as_of)
                return published

    def publish_waiting(self) -> int:
        """Publish everything that is committed, without a heartbeat. Returns how many events.

        Raises:
            BusUnavailableError, UnavailableError, LogFaultError: as ``publish_pending``.
        """
        published = 0
        while page := self._publish_page():
            published += page
        return published

    def _publish_page(self) -> int:
        if self._fault is not None:
            raise LogFaultError(self._fault)
        if rows := self._select_page():
            messages = [Message(self._topic, row.account, row.raw) for row in rows]
            positions = self._bus.publish_many(messages)
            self._verify_places(positions)
            self._mark(rows, positions)
        return len(rows)

    def publish_heartbeat_if_idle(self) -> bool:
        """Say how far the service has published, unless something waits. Publishes no event.

        Raises:
            BusUnavailableError, UnavailableError
        """
        as_of = self._store.clock.now()  # before the look: what commits later is not claimed
        if self._fault is not None or self._store.count_unpublished():
            return False
        self._publish_heartbeat(as_of)
        return True

    def run(self, stop: threading.Event) -> None:
        """Publish at once after a commit, else every second, until ``stop``; ``notify`` ends the wait.

        While there is nothing to publish, signs of life are `heartbeats`' to give.
        """
        trouble = Trouble(_log, f"{self._store.stream}: not published, trying again", level=logging.WARNING)
        with open_publisher_lock(self._store.engine) as lock:
            while not stop.is_set():
                self._wake.clear()
                try:
                    if lock.acquire():
                        self.publish_pending(even_if_idle=False)
                        trouble.end()
                except (BusUnavailableError, UnavailableError) as error:
                    trouble.meet(error)
                    stop.wait(INTERVAL_S)
                except LogFaultError:
                    stop.wait(INTERVAL_S)  # reported when it was found; who watches the log may end it
                except Exception:  # noqa: BLE001 - a publisher that ended would stop the service's voice
                    _log.exception("%s: the publisher failed, trying again", self._store.stream)
                    stop.wait(INTERVAL_S)
                self._wake.wait(INTERVAL_S)

    def _select_page(self) -> Sequence[_Waiting]:
        events = self._store.tables.events
        query = (
            select(events.c.account, events.c.seq, events.c.raw, events.c.digest, events.c.appended_at)
            .where(events.c.published_at.is_(None))
            .order_by(events.c.account, events.c.seq)
            .limit(_PAGE_EVENTS)
        )
        with self._store.read() as uow:
            rows = uow.connection.execute(query)
            return [
                _Waiting(row.account, row.seq, bytes(row.raw), row.digest, row.appended_at) for row in rows
            ]

    def _verify_places(self, positions: Sequence[Position]) -> None:
        """Demand that records landed behind the last ones, or that the log is whole all the same."""
        first: dict[int, int] = {}
        for position in positions:
            first[position.partition] = min(first.get(position.partition, position.offset), position.offset)
        with self._store.read() as uow:
            expected = read_offsets(uow.connection, self._store.tables.published, self._topic)
        if all(expected.get(partition, 0) == offset for partition, offset in first.items()):
            return
        if (fault := self._find_fault()) is not None:
            self._fault = fault
            _log.error("%s: nothing is published any more: %s", self._store.stream, fault)
            self._on_fault(fault)
            raise LogFaultError(fault)

    def _mark(self, rows: Sequence[_Waiting], positions: Sequence[Position]) -> None:
        tables = self._store.tables
        ends: dict[int, Reached] = {}
        for row, position in zip(rows, positions, strict=True):
            last = ends.get(position.partition)
            if last is None or last.next_offset <= position.offset:
                ends[position.partition] = Reached(position.offset + 1, compute_digest(row.raw))
        mark = (
            update(tables.events)
            .where(
                tables.events.c.account == bindparam("its_account"),
                tables.events.c.seq == bindparam("its_seq"),
            )
            .values(published_at=bindparam("moment"))
        )
        with self._store.begin() as uow:
            uow.connection.execute(
                mark, [{"its_account": row.account, "its_seq": row.seq, "moment": uow.now} for row in rows]
            )
            for partition, end in ends.items():
                advance_offset(uow.connection, tables.published, self._topic, partition, end)
        observer = self._store.observer
        for row, position in zip(rows, positions, strict=True):
            place, record = (
                f"{row.account}/{self._store.stream}/{row.seq}",
                (position.partition, position.offset),
            )
            _log.debug("published %s: %s/%d@%d", place, self._topic, *record)
            if observer is not None:
                observer.note_published(place, Digest(row.digest), row.appended_at)

    def _publish_heartbeat(self, as_of: datetime) -> None:
        now_s = self._store.clock.monotonic()
        if self._heartbeat_at_s is not None and now_s - self._heartbeat_at_s < _HEARTBEAT_GAP_S:
            return
        with self._store.read() as uow:
            positions = read_offsets(uow.connection, self._store.tables.published, self._topic)
        heartbeat = Heartbeat(WRITERS[self._store.stream], Timestamp.from_datetime(as_of), positions)
        self._bus.publish(HEARTBEAT_TOPIC, self._store.stream.value, encode_heartbeat(heartbeat))
        self._heartbeat_at_s = now_s
