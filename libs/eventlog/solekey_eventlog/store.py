"""The event store: a service's own streams, append-only, source of truth and outbox. Spec: events.md §6."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from solekey_eventlog.clock import Clock
from solekey_eventlog.engine import connect_read_only, describe_cause, is_sqlite, is_unavailable
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.event_observer import EventObserver
from solekey_eventlog.log_context import describe_place, logging_for
from solekey_eventlog.noted_first import find_open_note
from solekey_eventlog.tables import EventTables
from solekey_eventlog.trouble import Trouble
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId

_log = logging.getLogger(__name__)

_WRITE_WAIT_S = 30.0


class EventStore:
    """The streams that one service owns, and the transactions on its database."""

    def __init__(self, engine: Engine, stream: Stream, tables: EventTables, clock: Clock) -> None:
        self.engine = engine
        self.stream = stream
        self.tables = tables
        self.clock = clock
        self.observer: EventObserver | None = None
        """Who is told of the events that this service appends, publishes and applies; nobody, by default."""
        # SQLite has one writer. Waiting for it inside SQLite would block a whole eventlet process, the
        # writer's green thread included; a lock of our own lets the writer finish.
        self._writer = threading.Lock() if is_sqlite(engine) else None
        self._on_append: list[Callable[[], None]] = []
        self._on_change: list[Callable[[Collection[AccountId]], None]] = []
        self._trouble = Trouble(_log, f"{stream}: the database does not answer")

    def on_append(self, callback: Callable[[], None]) -> None:
        """Have something done after every commit that appended events, such as waking the publisher."""
        self._on_append.append(callback)

    def on_change(self, callback: Callable[[Collection[AccountId]], None]) -> None:
        """Have something done after every commit of events, own or applied ones, with their accounts."""
        self._on_change.append(callback)

    @contextmanager
    def begin(self, *, projecting: bool = False) -> Iterator[UnitOfWork]:
        """Run one transaction: committed at the end, rolled back by any exception. Do not nest.

        It begins with what has to be noted first, if anything has (`noted_first`).

        Raises:
            UnavailableError: the database does not answer; nothing was changed.
        """
        note = find_open_note()
        with self._translate(), self._write_lock(), self.engine.begin() as connection:
            uow = UnitOfWork(connection, self.stream, self.tables, self.clock.now(), projecting=projecting)
            uow.observer = self.observer
            if note is not None:
                note.write(uow)
            yield uow
        if note is not None:
            note.mark_durable()
        for event, facts in uow.appended:
            with logging_for(**facts):
                _log.info("appended %s", describe_place(event))
            if self.observer is not None:
                self.observer.note_appended(event, uow.now, facts)
        if any(stream is self.stream for _, stream in uow.changed):
            for callback in self._on_append:
                callback()
        for callback in uow.afterwards:
            callback()
        if changed := {account for account, _ in uow.changed}:
            for tell in self._on_change:
                tell(changed)

    @contextmanager
    def read(self, *, with_cursor: bool = False) -> Iterator[UnitOfWork]:
        """Run a transaction that only reads; on SQLite it does not wait for writers.

        Args:
            with_cursor: whether rows are fetched a page at a time, from a cursor of the database.

        Raises:
            UnavailableError: the database does not answer.
        """
        with (
            self._translate(),
            connect_read_only(self.engine, with_cursor=with_cursor) as connection,
            connection.begin() as transaction,
        ):
            uow = UnitOfWork(connection, self.stream, self.tables, self.clock.now(), projecting=False)
            yield uow
            transaction.rollback()
        for callback in uow.afterwards:
            callback()

    def count_unpublished(self) -> int:
        """Count the events that wait for the bus."""
        events = self.tables.events
        with self.read() as uow:
            waiting = select(func.count()).select_from(events).where(events.c.published_at.is_(None))
            return int(uow.connection.execute(waiting).scalar_one())

    @contextmanager
    def _write_lock(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=_WRITE_WAIT_S):
            raise UnavailableError("the database is busy")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
            self._trouble.end()
        except SQLAlchemyError as error:
            if is_unavailable(error):
                self._trouble.meet(describe_cause(error))
                raise UnavailableError("the database does not answer") from error
            raise
