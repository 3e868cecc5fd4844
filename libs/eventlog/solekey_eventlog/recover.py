"""Takes back, from the log, own events that the database has lost: it was restored older than the log.

A record is taken only when it continues what the database has, byte for byte: the next place, ``prev`` the
digest of the event before it, under its account's key in its key's partition, signed by whoever its type
demands, and a step that the rules of its stream allow. All or nothing: with one record that is none of it, or
with two histories of one account, nothing is changed. A service's own facts carry no signature: whoever could
write to the topic could have written them, and the followers have believed them. They are counted, and the
operator is asked. Spec: events.md §8.4.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import insert

from solekey_eventlog.bus import Bus, Record
from solekey_eventlog.errors import LogFaultError
from solekey_eventlog.log_comparison import Tally, compare_own
from solekey_eventlog.log_index import LoggedPlace
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Body, Stream
from solekey_protocol.ids import AccountId
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import TOPICS
from solekey_protocol.streams import FOLDS, DevicesStream

Effects = Mapping[type[Body], Callable[[UnitOfWork, Event], None]]
"""What a service takes away when it learns of an own event again, such as a recovery code that was used."""


@dataclass(slots=True)
class Recovered:
    """What the log has and the database lacked.

    Attributes:
        topic: the service's own.
        events: how many events of which accounts and partitions.
        facts: how many of them nobody has signed, by type.
    """

    topic: str
    events: Tally = field(default_factory=Tally)
    facts: Counter[str] = field(default_factory=Counter)


class Recovery:
    """One recovery of a service that does not run."""

    def __init__(
        self,
        store: EventStore,
        streams: Streams,
        bus: Bus,
        effects: Effects,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._streams = streams
        self._bus = bus
        self._effects = effects
        self._progress = progress
        self._topic = TOPICS[store.stream]

    def run(self, *, dry_run: bool) -> Recovered:
        """Verify what the log has and the database lacks, and take it unless it is a dry run.

        Raises:
            LogFaultError: a record that may not be taken, and why; nothing was changed.
            BusError, UnavailableError: bus or database stopped answering; nothing was changed.
        """
        done = Recovered(self._topic)
        partitions = len(self._bus.end_offsets(self._topic))
        with compare_own(self._store, self._bus, self._progress) as index:
            lacking = sorted(index.unknown())
        devices = self._fold_devices({place.account for place in lacking})
        with self._store.begin(projecting=True) as uow:
            for _, places in groupby(lacking, key=lambda place: place.account):
                found = [self._read(place, partitions) for place in places]
                for event in self._verify(uow, found, devices):
                    done.events.add(event.account, derive_partition(event.account, partitions))
                    if event.signed is None:
                        done.facts[event.body.TYPE] += 1
                    if not dry_run:
                        self._take(uow, event)
        return done

    def _read(self, place: LoggedPlace, partitions: int) -> Event:
        """Read a record again, and parse it. Raises LogFaultError: it is no event of this topic."""
        (record,) = self._bus.read(self._topic, {place.partition: range(place.offset, place.offset + 1)})
        try:
            event = parse_event(record.value)
        except ProtocolError as error:
            raise _refuse(record, f"it is no event: {error}") from error
        if event.account != record.key or event.stream is not self._store.stream:
            raise _refuse(record, "its key or topic is not its event's account or stream")
        if record.partition != derive_partition(record.key, partitions):
            raise _refuse(record, "its partition is not its key's")
        return event

    def _verify(
        self, uow: UnitOfWork, events: Iterable[Event], devices: Mapping[AccountId, DevicesStream]
    ) -> list[Event]:
        """Verify that an account's events continue its stream. Raises LogFaultError: one does not."""
        ordered = sorted({event.digest: event for event in events}.values(), key=lambda event: event.seq)
        account, kind = ordered[0].account, FOLDS[self._store.stream]
        fold = self._streams.fold_parked(uow, account, kind)
        for event in ordered:
            match fold:
                case DevicesStream():
                    trusted = fold
                case _:
                    trusted = devices[account]
            try:
                fold = fold.apply(event, trusted)
            except ProtocolError as error:
                raise LogFaultError(
                    f"{self._topic}: {account} seq {event.seq} does not continue what the database has up to "
                    f"{fold.head.seq}: {error}. It is forged, or there are two histories of the account. "
                    "Nothing was changed; restore the database from another backup"
                ) from error
        return ordered

    def _fold_devices(self, accounts: set[str]) -> dict[AccountId, DevicesStream]:
        """Fold the devices of some accounts from the log, verified from the beginning.

        The inbox is as old as the database, and cannot be rebuilt before: that would have reactions append
        events in the places of those that are to be taken back.
        """
        if self._store.stream is Stream.DEVICES or not accounts:
            return {}
        folds = {AccountId(account): DevicesStream.start(AccountId(account)) for account in accounts}
        for record in self._bus.read(TOPICS[Stream.DEVICES]):
            if record.key not in accounts:
                continue
            fold = folds[AccountId(record.key)]
            try:
                event = parse_event(record.value)
                if event.seq == fold.head.seq + 1:
                    folds[fold.chain.account] = fold.apply(event, fold)
            except ProtocolError:
                continue  # as a follower does, which parks it: what needs it is refused
        return folds

    def _take(self, uow: UnitOfWork, event: Event) -> None:
        row = {
            "account": event.account,
            "seq": event.seq,
            "digest": event.digest,
            "statement": event.signed.digest if event.signed else None,
            "raw": event.raw,
            "appended_at": event.time.datetime,
            "published_at": uow.now,
        }
        uow.connection.execute(insert(uow.tables.events), row)
        uow.changed.add((event.account, event.stream))
        if (effect := self._effects.get(type(event.body))) is not None:
            effect(uow, event)


def _refuse(record: Record, why: str) -> LogFaultError:
    return LogFaultError(
        f"{record.topic}: the record at offset {record.offset} of partition {record.partition} cannot be "
        f"taken back: {why}. Nothing was changed"
    )
