"""The publisher: brings a service's own events from its outbox to the bus, and gives signs of life.

It selects *unpublished rows*, never ``id > last``: a transaction that commits late would be skipped. A row is
marked only once the bus has it durably; a crash between the two repeats records, and consumers ignore
repetitions. Of several processes of one service one publishes at a time; the others wait. Spec: events.md §6.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from solekey_eventlog.bus import Bus, BusUnavailableError, Message, Position
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.offsets import advance_offset, read_offsets
from solekey_eventlog.publisher_lock import open_publisher_lock
from solekey_eventlog.store import EventStore
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import Timestamp
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


class Publisher:
    """Publishes what one service has appended."""

    def __init__(self, store: EventStore, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._topic = TOPICS[store.stream]
        self._wake = threading.Event()
        self._heartbeat_at_s: float | None = None

    def notify(self) -> None:
        """Wake the publisher: something was committed."""
        self._wake.set()

    def publish_pending(self) -> int:
        """Publish everything that is committed, then a heartbeat that says so. Returns how many events.

        Raises:
            BusUnavailableError: the bus did not confirm; the rest stays in the outbox.
            UnavailableError: the database does not answer.
        """
        published = 0
        while True:
            as_of = self._store.clock.now()  # before the select: what commits later is not claimed
            rows = self._select_page()
            if rows:
                positions = self._bus.publish_many(
                    [Message(self._topic, row.account, row.raw) for row in rows]
                )
                self._mark(rows, positions)
                published += len(rows)
            if len(rows) < _PAGE_EVENTS:
                self._publish_heartbeat(as_of)
                return published

    def publish_heartbeat_if_idle(self) -> bool:
        """Say how far the service has published, unless something waits. Publishes no event.

        Raises:
            BusUnavailableError, UnavailableError
        """
        as_of = self._store.clock.now()  # before the look: what commits later is not claimed
        if self._store.count_unpublished():
            return False
        self._publish_heartbeat(as_of)
        return True

    def run(self, stop: threading.Event) -> None:
        """Publish at once after a commit, else every second, until ``stop``; ``notify`` ends the wait."""
        with open_publisher_lock(self._store.engine) as lock:
            while not stop.is_set():
                self._wake.clear()
                try:
                    if lock.acquire():
                        self.publish_pending()
                except (BusUnavailableError, UnavailableError) as error:
                    _log.warning("%s: not published, trying again: %s", self._store.stream, error)
                    stop.wait(INTERVAL_S)
                except Exception:  # noqa: BLE001 - a publisher that ended would stop the service's voice
                    _log.exception("%s: the publisher failed, trying again", self._store.stream)
                    stop.wait(INTERVAL_S)
                self._wake.wait(INTERVAL_S)

    def _select_page(self) -> Sequence[_Waiting]:
        events = self._store.tables.events
        query = (
            select(events.c.account, events.c.seq, events.c.raw)
            .where(events.c.published_at.is_(None))
            .order_by(events.c.account, events.c.seq)
            .limit(_PAGE_EVENTS)
        )
        with self._store.read() as uow:
            rows = uow.connection.execute(query)
            return [_Waiting(row.account, row.seq, bytes(row.raw)) for row in rows]

    def _mark(self, rows: Sequence[_Waiting], positions: Sequence[Position]) -> None:
        tables = self._store.tables
        ends: dict[int, int] = {}
        for position in positions:
            ends[position.partition] = max(ends.get(position.partition, 0), position.offset + 1)
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

    def _publish_heartbeat(self, as_of: datetime) -> None:
        now_s = self._store.clock.monotonic()
        if self._heartbeat_at_s is not None and now_s - self._heartbeat_at_s < _HEARTBEAT_GAP_S:
            return
        with self._store.read() as uow:
            positions = read_offsets(uow.connection, self._store.tables.published, self._topic)
        heartbeat = Heartbeat(WRITERS[self._store.stream], Timestamp.from_datetime(as_of), positions)
        self._bus.publish(HEARTBEAT_TOPIC, self._store.stream.value, encode_heartbeat(heartbeat))
        self._heartbeat_at_s = now_s
