"""Applies many records in one transaction, where nothing is the matter with any of them. Spec: events.md §6.

::

    records → parsed → one transaction: accounts locked → how far streams and partitions go
              → each verified and followed, in order → inbox rows, reactions, offsets
            → anything else (a repetition, a gap, a parked account, a failed reaction): all of it is undone

What is undone is applied record by record, by the projector: only there it is decided what is ignored and
what is parked. So a batch need not know any of that. Decision: docs/decisions/0142.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import insert

from solekey_eventlog.bus import Record
from solekey_eventlog.log_context import describe_place, logging_for
from solekey_eventlog.offsets import Reached, advance_offsets, read_all_offsets
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream
from solekey_protocol.ids import AccountId, compute_digest
from solekey_protocol.streams import FOLDS, DevicesStream, Fold

MAX_BATCH_RECORDS: Final = 32
"""Verifying that many takes some 5 ms, and a transaction may take no more than 10 ms of the processor."""

Reaction = Callable[[UnitOfWork, Event], None]
"""What a service does about a foreign event, inside the transaction that notes it; may append own events."""


class UnusualError(Exception):
    """Something is not as it is when all is well: the records have to be looked at one by one."""


class Batch:
    """Records, each the next of its partition, that are applied in one transaction."""

    def __init__(
        self, uow: UnitOfWork, streams: Streams, reactions: Mapping[type[Body], Reaction], own: Stream
    ) -> None:
        self._uow = uow
        self._streams = streams
        self._reactions = reactions
        self._own = own
        self._folds: dict[tuple[AccountId, Stream], Fold] = {}
        self._rows: list[dict[str, object]] = []

    def apply(self, pairs: Sequence[tuple[Record, Event]]) -> None:
        """Apply records and the events that were parsed of them.

        Raises:
            UnusualError: a place is not the next one, or an event of an account waits.
            ProtocolError: an event does not verify. Whatever a reaction raises.
        """
        self._look_up([event for _, event in pairs])
        self._advance([record for record, _ in pairs])
        for _, event in pairs:
            self._follow(event)
        self._insert()
        for key in self._uow.changed & self._folds.keys():
            self._streams.keep(self._uow, self._folds[key])

    def _look_up(self, events: Sequence[Event]) -> None:
        accounts = dict.fromkeys(event.account for event in events)
        self._uow.lock(*accounts)
        places = {(event.account, stream) for event in events for stream in self._find_streams(event)}
        self._streams.look_up(self._uow, *sorted(places))
        if not self._uow.free.issuperset(accounts):
            raise UnusualError("an event of the account waits")

    def _find_streams(self, event: Event) -> Sequence[Stream]:
        """Find which streams matter to an event: all of them where there is a reaction."""
        if type(event.body) in self._reactions:
            return (self._own, *self._streams.subscribed)
        return (Stream.DEVICES, event.stream)

    def _advance(self, records: Sequence[Record]) -> None:
        tables, topics = self._uow.tables, {record.topic for record in records}
        next_offsets = dict(read_all_offsets(self._uow.connection, tables.applied, topics))
        reached: dict[tuple[str, int], Reached] = {}
        for record in records:
            place = (record.topic, record.partition)
            if record.offset != next_offsets.get(place, 0):
                raise UnusualError("not the next record of its partition")
            next_offsets[place] = record.offset + 1
            reached[place] = Reached(record.offset + 1, compute_digest(record.value))
        advance_offsets(self._uow.connection, tables.applied, reached)

    def _follow(self, event: Event) -> None:
        key = (event.account, event.stream)
        devices = self._fold(event.account, DevicesStream)
        fold = self._fold(event.account, FOLDS[event.stream])
        if event.seq != fold.head.seq + 1:
            raise UnusualError("not the next event of its stream")
        self._folds[key] = fold.apply(event, devices)
        self._uow.changed.add(key)
        self._rows.append(describe_row(event))
        self._uow.note_applied(event)
        reaction = self._reactions.get(type(event.body))
        if reaction is not None:
            self._insert()  # it may read them
            with logging_for(event=describe_place(event)):
                reaction(self._uow, event)
            self._folds.pop((event.account, self._own), None)  # it may have appended to that

    def _fold(self, account: AccountId, kind: type[Fold]) -> Any:
        key = (account, kind.STREAM)
        if key not in self._folds:
            self._folds[key] = self._streams.fold_parked(self._uow, account, kind)
        return self._folds[key]

    def _insert(self) -> None:
        if self._rows:
            self._uow.connection.execute(insert(self._uow.tables.inbox), self._rows)
            self._rows = []


def describe_row(event: Event) -> dict[str, object]:
    """Describe the inbox row of an event."""
    return {
        "account": event.account,
        "stream": event.stream.value,
        "seq": event.seq,
        "digest": event.digest,
        "raw": event.raw,
    }
