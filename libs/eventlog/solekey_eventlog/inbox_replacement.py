"""Replaces the inbox of accounts by what their records amount to, in the transaction of a rebuild.

Records that follow each other are verified in memory and inserted together: the projector would fold each
stream anew for every event, as nothing of an open transaction is cached. From the first record of an account
that is not the next event of its stream, or that has to be reacted to, the projector takes over, in the order
of the log, so that the outcome is its own. Spec: events.md §8.3.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, insert

from solekey_eventlog.batch import describe_row
from solekey_eventlog.bus import Record
from solekey_eventlog.log_copy import LogCopy
from solekey_eventlog.projector import Projector, parse_record
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.services import TOPICS
from solekey_protocol.streams import FOLDS, DevicesStream, Fold

_ROWS_AT_ONCE: Final = 500


class Replacement:
    """The replacements of one transaction."""

    def __init__(
        self, uow: UnitOfWork, followed: Sequence[Stream], streams: Streams, projector: Projector
    ) -> None:
        self._uow = uow
        self._followed = followed
        self._streams = streams
        self._projector = projector
        self._rows: list[dict[str, object]] = []

    def replace(self, copy: LogCopy, accounts: Sequence[str]) -> None:
        """Replace what the database has of some accounts."""
        for table in (self._uow.tables.inbox, self._uow.tables.parked):
            self._uow.connection.execute(delete(table).where(table.c.account.in_(accounts)))
        for account in accounts:
            self._replace(copy, account)
        self._flush()

    def _replace(self, copy: LogCopy, account: str) -> None:
        applied = {
            (account, self._followed[index].value): seq for index, seq in copy.heads_of(account).items()
        }
        folding = self._begin(account)
        for index, value, place in copy.records_of(account):
            stream = self._followed[index]
            partition, _, offset = place.partition("/")
            record = Record(TOPICS[stream], int(partition), int(offset), account, value)
            event = None if folding is None else folding.follow(record, stream)
            if event is None:
                folding = None
            elif event.seq > applied.get((account, stream.value), 0) and self._projector.reacts_to(event):
                event = None
            if event is None:
                self._flush()
                self._projector.replay(self._uow, record, applied)
            elif folding is not None and folding.is_new:
                self._rows.append(describe_row(event))
                if len(self._rows) >= _ROWS_AT_ONCE:
                    self._flush()

    def _begin(self, account: str) -> "_Folding | None":
        try:
            known = AccountId(account)
        except MalformedError:
            return None  # records of nobody, which the projector skips
        self._uow.changed |= {(known, stream) for stream in self._followed}
        own = self._streams.own
        return _Folding(known, find_devices(self._uow, own, self._streams, known))

    def _flush(self) -> None:
        if self._rows:
            self._uow.connection.execute(insert(self._uow.tables.inbox), self._rows)
            self._rows = []


class _Folding:
    """The streams of one account as far as they were followed."""

    def __init__(self, account: AccountId, devices: DevicesStream) -> None:
        self._account = account
        self._devices = devices
        self._folds: dict[Stream, Fold] = {}
        self.is_new = False
        """Whether the last record was the next event, and not the last one again."""

    def follow(self, record: Record, stream: Stream) -> Event | None:
        """Verify a record whole and follow it; None when it does not continue its stream."""
        fold = self._folds.get(stream) or FOLDS[stream].start(self._account)
        try:
            event = parse_record(record, stream)
            if event.head == fold.head:
                self.is_new = False
                return event
            following = fold.apply(event, self._devices)
        except ProtocolError:
            return None
        self.is_new = True
        self._folds[stream] = following
        match following:
            case DevicesStream():
                self._devices = following
        return event


def find_devices(uow: UnitOfWork, own: Stream, streams: Streams, account: AccountId) -> DevicesStream:
    """Find what the service's own stream says of an account's devices; nothing, where it follows them."""
    if own is not Stream.DEVICES:
        return DevicesStream.start(account)
    return streams.fold_parked(uow, account, DevicesStream)
