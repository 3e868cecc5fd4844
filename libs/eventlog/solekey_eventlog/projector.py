"""The projector: takes foreign events from the bus, verifies each, keeps its bytes and reacts to it, once.

::

    record → parse, schema → seq ≤ applied: ignored (other bytes: fork, parked)
                           → seq = next: verified by the stream's own rules → inbox + reactions
                           → otherwise, and on any failure: the account is parked, the partition goes on

Inbox row, reactions, parked rows and the partition's applied offset are one transaction: delivery is at least
once, the effect effectively once, also when several processes apply one partition at a time (ADR 0137). What
is parked is tried again, in order, with every later event of the account and at each start.
Spec: events.md §6.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType

from sqlalchemy import insert, select

from solekey_eventlog.batch import Batch, Reaction, describe_row
from solekey_eventlog.bus import Record
from solekey_eventlog.engine import is_unavailable
from solekey_eventlog.errors import StalePositionError, UnavailableError
from solekey_eventlog.log_context import describe_place, logging_for
from solekey_eventlog.offsets import Reached, advance_offset, read_offsets
from solekey_eventlog.parking import (
    GAP,
    REACTION_FAILED,
    UNREADABLE_SEQ,
    Parked,
    ParkedEntry,
    is_parked,
    park,
    read_parked,
    read_parked_accounts,
    read_parked_entries,
    release,
)
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import AHEAD_OF_DEVICES, Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import ForkError, GapError, MalformedError, ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Stream
from solekey_protocol.ids import AccountId, compute_digest
from solekey_protocol.services import TOPICS
from solekey_protocol.streams import FOLDS, DevicesStream, Fold

_log = logging.getLogger(__name__)

Heads = Mapping[tuple[str, str], int]
_NO_HEADS: Heads = MappingProxyType({})
_RACES = 5


class Projector:
    """Applies what one service follows."""

    def __init__(self, store: EventStore, streams: Streams) -> None:
        self._store = store
        self._streams = streams
        self._reactions: Mapping[type[Body], Reaction] = {}
        self._on_applied: list[Callable[[], None]] = []
        self._stream_of = {TOPICS[stream]: stream for stream in streams.subscribed}

    def react(self, reactions: Mapping[type[Body], Reaction]) -> None:
        """Set the reactions, by the class of the event."""
        self._reactions = dict(reactions)

    def on_applied(self, callback: Callable[[], None]) -> None:
        """Call a function after each record, such as one that wakes waiting requests."""
        self._on_applied.append(callback)

    def apply_all(self, records: Sequence[Record]) -> None:
        """Apply records, in one transaction where nothing is the matter with any of them.

        Once it returns, their effects are durable and their offsets may be committed.

        Raises:
            UnavailableError, StalePositionError, LookupError: as ``apply``; some may be applied.
        """
        if not self._apply_together(records):
            for record in records:
                self.apply(record)

    def _apply_together(self, records: Sequence[Record]) -> bool:
        """Apply records in one transaction, or none of them: False."""
        try:
            pairs = [(record, parse_record(record, self._stream_of[record.topic])) for record in records]
            self._prepare(*(record for record, event in pairs if event.seq > 1))
            self._transact(lambda uow: self._make_batch(uow).apply(pairs))
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # it is met again, and judged, when each is applied alone
            _log.debug("%d records are applied one by one: %s", len(records), type(error).__name__)
            return False
        for callback in self._on_applied:
            callback()
        return True

    def _make_batch(self, uow: UnitOfWork) -> Batch:
        return Batch(uow, self._streams, self._reactions, self._store.stream)

    def apply(self, record: Record) -> None:
        """Apply one record. Once it returns, the record's effect is durable and its offset may be committed.

        Raises:
            UnavailableError: the database does not answer; deliver the record again.
            StalePositionError: another transaction was faster each time; deliver the record again.
            LookupError: a topic that the service does not follow.
        """
        if record.topic not in self._stream_of:
            raise LookupError(f"the {self._store.stream} service does not follow {record.topic}")
        self._prepare(record)
        self._transact(partial(self._take_alone, record))
        for callback in self._on_applied:
            callback()

    def _take_alone(self, record: Record, uow: UnitOfWork) -> None:
        with suppress(MalformedError):  # it belongs to no account
            uow.lock(AccountId(record.key))
        self._take(uow, record)

    def _transact(self, work: Callable[[UnitOfWork], None]) -> None:
        """Run a transaction, again when another was faster. Raises StalePositionError: each time."""
        for attempt in range(_RACES):
            try:
                with self._store.begin(projecting=True) as uow:
                    work(uow)
            except StalePositionError:
                if attempt == _RACES - 1:
                    raise
            else:
                return

    def retry_parked(self) -> None:
        """Try everything that is parked again: at start, when a new release may be able to apply it."""
        with self._store.read() as uow:
            accounts = read_parked_accounts(uow)
        for account in accounts:
            self._transact(partial(self._retry, account))

    def _retry(self, account: AccountId, uow: UnitOfWork) -> None:
        uow.lock(account)
        self._drain(uow, account, _NO_HEADS)

    def replay(self, uow: UnitOfWork, record: Record, applied_before: Heads) -> None:
        """Apply a record without noting its offset: one of a log that is read again, for a rebuild.

        Args:
            uow: the transaction.
            record: the next record of the account.
            applied_before: the places up to which events had been applied: they are not reacted to again.
        """
        stream = self._stream_of[record.topic]
        try:
            event = parse_record(record, stream)
        except ProtocolError as error:
            self._park_unreadable(uow, record, stream, error)
        else:
            self._consume(uow, event, applied_before)
            if is_parked(uow, event.account):
                self._drain(uow, event.account, applied_before)

    def reacts_to(self, event: Event) -> bool:
        """Tell whether the service does something about an event, beside keeping it."""
        return type(event.body) in self._reactions

    def list_parked(self) -> Sequence[ParkedEntry]:
        """List the events that wait, by account, stream and place."""
        with self._store.read() as uow:
            return read_parked_entries(uow)

    def count_parked(self) -> int:
        """Count the accounts that are parked."""
        with self._store.read() as uow:
            return len(read_parked_accounts(uow))

    def _prepare(self, *records: Record) -> None:
        """Fold what the transaction needs before it begins: a long stream takes longer than it may."""
        needed: list[tuple[AccountId, type[Fold]]] = []
        for record in records:
            with suppress(MalformedError):  # it is parked, or skipped
                account = AccountId(record.key)
                needed += (account, DevicesStream), (account, FOLDS[self._stream_of[record.topic]])
        self._streams.prepare(*dict.fromkeys(needed))

    def _take(self, uow: UnitOfWork, record: Record) -> None:
        self.replay(uow, record, _NO_HEADS)
        self._advance(uow, record)

    def _consume(self, uow: UnitOfWork, event: Event, applied_before: Heads) -> bool:
        """Apply an event, ignore a repetition, or park it. Returns whether it was applied."""
        with logging_for(event=describe_place(event)):
            return self._judge(uow, event, applied_before)

    def _judge(self, uow: UnitOfWork, event: Event, applied_before: Heads) -> bool:
        head = self._streams.position(uow, event.account, event.stream)
        if event.seq <= head.seq:
            if not self._is_known(uow, event):
                self._park(uow, event, ForkError.code)
            return False
        if event.seq > head.seq + 1:
            self._park(uow, event, GAP)
            return False
        try:
            self._verify(uow, event)
        except GapError:  # its place is right: its author had seen more of devices than we have
            self._park(uow, event, AHEAD_OF_DEVICES)
            return False
        except ProtocolError as error:
            _log.warning("%s/%s seq %d: %s", event.account, event.stream, event.seq, error)
            self._park(uow, event, error.code)
            return False
        return self._effect(uow, event, applied_before)

    def _verify(self, uow: UnitOfWork, event: Event) -> None:
        """Verify signatures and transition. Raises ProtocolError; GapError: ahead of our devices."""
        devices = self._streams.fold(uow, event.account, DevicesStream)
        self._streams.fold(uow, event.account, FOLDS[event.stream]).apply(event, devices)

    def _effect(self, uow: UnitOfWork, event: Event, applied_before: Heads) -> bool:
        """Keep the event and react to it, both or neither. Returns whether it was applied."""
        reaction = self._reactions.get(type(event.body))
        if event.seq <= applied_before.get((event.account, event.stream.value), 0):
            reaction = None
        uow.changed.add((event.account, event.stream))
        try:
            with uow.connection.begin_nested():
                uow.connection.execute(insert(uow.tables.inbox).values(describe_row(event)))
                if reaction is not None:
                    reaction(uow, event)
        except Exception as error:
            if isinstance(error, StalePositionError | UnavailableError) or is_unavailable(error):
                raise  # it passes: the whole record again
            _log.exception("%s/%s seq %d: the reaction failed", event.account, event.stream, event.seq)
            self._park(uow, event, REACTION_FAILED)
            return False
        release(uow, event.account, event.stream, event.seq)
        uow.note_applied(event)
        return True

    def _drain(self, uow: UnitOfWork, account: AccountId, applied_before: Heads) -> None:
        """Apply the parked events that continue a stream, until none of them does."""
        while any(
            self._try_next(uow, account, stream, applied_before) for stream in self._streams.subscribed
        ):
            pass

    def _try_next(self, uow: UnitOfWork, account: AccountId, stream: Stream, applied_before: Heads) -> bool:
        place = self._streams.position(uow, account, stream).seq + 1
        for parked in read_parked(uow, account, stream, place):
            try:
                event = _parse_parked(parked)
            except ProtocolError:
                continue
            if self._consume(uow, event, applied_before):
                return True
        return False

    def _is_known(self, uow: UnitOfWork, event: Event) -> bool:
        inbox = uow.tables.inbox
        digest = uow.connection.execute(
            select(inbox.c.digest).where(
                inbox.c.account == event.account,
                inbox.c.stream == event.stream.value,
                inbox.c.seq == event.seq,
            )
        ).scalar()
        return bool(digest == event.digest)

    def _park(self, uow: UnitOfWork, event: Event, reason: str) -> None:
        new = park(uow, Parked(event.account, event.stream, event.seq, event.raw), reason)
        if new:
            level = logging.INFO if reason == AHEAD_OF_DEVICES else logging.ERROR
            _log.log(level, "%s/%s seq %d parked: %s", event.account, event.stream, event.seq, reason)

    def _park_unreadable(self, uow: UnitOfWork, record: Record, stream: Stream, error: ProtocolError) -> None:
        where = f"{record.topic}/{record.partition} offset {record.offset}"
        try:
            account = AccountId(record.key)
        except MalformedError:
            _log.error("%s: skipped, it belongs to no account: %s", where, error)
            return
        _log.error("%s: %s parked, its event cannot be read: %s", where, account, error)
        park(uow, Parked(account, stream, UNREADABLE_SEQ, record.value), error.code)

    def _advance(self, uow: UnitOfWork, record: Record) -> None:
        """Store how far the partition is applied; behind a gap its feed is never fresh again."""
        table = uow.tables.applied
        expected = read_offsets(uow.connection, table, record.topic).get(record.partition, 0)
        if record.offset == expected:
            reached = Reached(expected + 1, compute_digest(record.value))
            advance_offset(uow.connection, table, record.topic, record.partition, reached)
        elif record.offset > expected:
            place = f"{record.topic}/{record.partition}"
            _log.error(
                "%s: offset %d follows %d; stop the service and rebuild the inbox: %s rebuild",
                place,
                record.offset,
                expected - 1,
                f"python -m solekey_{self._store.stream}",
            )


def parse_record(record: Record, stream: Stream) -> Event:
    """Parse a record and check that it is where it belongs. Raises ProtocolError."""
    event = parse_event(record.value)
    if event.account != record.key or event.stream is not stream:
        raise MalformedError("the record's key or topic is not its event's account or stream")
    return event


def _parse_parked(parked: Parked) -> Event:
    """Parse a parked event, which an earlier release may not have been able to read. Raises ProtocolError."""
    event = parse_event(parked.raw)
    if event.account != parked.account or event.stream is not parked.stream:
        raise MalformedError("the event's account or stream is not its record's")
    return event
