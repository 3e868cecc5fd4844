"""Folds the inbox from zero beside the live one, compares, and switches to what differs.

::

    log → scratch file, by account → parsed, placed, folded: the live rows, byte for byte? ─ yes: the same
                                                                                           └ no: it differs
    one transaction: what the database has of the accounts that differ is replaced by what their records
                     amount to, by the projector itself (signatures, reactions, parking); offsets, ids of logs

A record whose exact bytes are a row of the live inbox was verified when it was applied; its place and its
transition are checked again, its signatures only on request. Everything else is verified whole. An event that
was applied and that the log does not have any more may be a revocation: nothing is switched then, unless the
operator accepts the loss. Spec: events.md §8.3.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sqlalchemy import delete, select, text

from solekey_eventlog.bus import Bus, Record
from solekey_eventlog.engine import is_sqlite
from solekey_eventlog.errors import LogFaultError
from solekey_eventlog.foundations import replace_foundation
from solekey_eventlog.inbox_replacement import Replacement, find_devices
from solekey_eventlog.log_comparison import Tally, read_rows
from solekey_eventlog.log_copy import CopiedRecord, LogCopy
from solekey_eventlog.offsets import Reached, replace_offsets
from solekey_eventlog.projector import Projector
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, compute_digest
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import TOPICS, WRITERS
from solekey_protocol.streams import FOLDS, DevicesStream, Fold

T = TypeVar("T")
Progress = Callable[[str, int], None]
"""Told now and then what is being done, and to how many records it was done."""

_REPORTED: Final = 10_000
_NOTED_AT_ONCE: Final = 500


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild found, and did.

    Attributes:
        records: how many records were read.
        accounts: how many accounts differ.
        unapplied: records that were not applied, of the accounts that differ.
        gone: what was applied or parked and is not in the log, by topic.
        is_switched: whether the inbox is now what the log amounts to; otherwise nothing was changed.
    """

    records: int = 0
    accounts: int = 0
    unapplied: int = 0
    gone: dict[str, Tally] = field(default_factory=dict)
    is_switched: bool = False


class Rebuild:
    """One rebuild of the inbox of a service that does not run."""

    def __init__(
        self,
        store: EventStore,
        streams: Streams,
        projector: Projector,
        bus: Bus,
        progress: Progress = lambda _what, _count: None,
    ) -> None:
        self._store = store
        self._streams = streams
        self._projector = projector
        self._bus = bus
        self._progress = progress
        # Devices first: they say whose signatures count.
        self._followed = sorted(streams.subscribed, key=lambda stream: stream is not Stream.DEVICES)
        self._reached: dict[Stream, dict[int, Reached]] = {stream: {} for stream in self._followed}
        self._log_ids: dict[Stream, str] = {}

    def run(
        self, *, dry_run: bool = False, accept_loss: bool = False, verify_signatures: bool = False
    ) -> Rebuilt:
        """Compare, and switch unless nothing differs.

        Args:
            dry_run: only compare.
            accept_loss: switch although the log lacks what was applied.
            verify_signatures: verify also those of records that were applied before.

        Raises:
            LogFaultError: the log lacks what was applied; nothing was changed.
            BusError, UnavailableError: bus or database stopped answering; nothing was changed.
        """
        done = Rebuilt()
        with LogCopy() as copy:
            done.records = self._copy(copy)
            for page in _pages(self._find_differing(copy, verify_signatures=verify_signatures)):
                copy.note_differing(page)
            self._describe(copy, done)
            if dry_run:
                return done
            if done.gone and not accept_loss:
                raise LogFaultError(self._describe_loss(done))
            self._switch(copy)
        done.is_switched = True
        return done

    def _copy(self, copy: LogCopy) -> int:
        """Copy the topics, and then what the database has of them. Returns how many records there are."""
        count = 0
        for index, stream in enumerate(self._followed):
            topic = TOPICS[stream]
            self._log_ids[stream] = self._bus.log_id(topic)
            records = self._note_ends(stream, self._bus.read(topic))
            copy.add_records(index, self._count(f"{topic}: read", records))
            count += sum(each.next_offset for each in self._reached[stream].values())
        self._copy_stored(copy)
        copy.sort()
        return count

    def _copy_stored(self, copy: LogCopy) -> None:
        numbers = {stream.value: index for index, stream in enumerate(self._followed)}
        inbox, parked = self._store.tables.inbox, self._store.tables.parked
        live = select(inbox.c.account, inbox.c.stream, inbox.c.seq, inbox.c.raw, inbox.c.digest)
        waiting = select(parked.c.account, parked.c.stream, parked.c.digest)
        with self._store.read(with_cursor=True) as uow:
            rows = read_rows(uow, live.where(inbox.c.stream.in_(numbers)))
            copy.add_live(
                (account, numbers[stream], seq, compute_digest(bytes(raw)), noted)
                for account, stream, seq, raw, noted in rows
            )
            rows = read_rows(uow, waiting.where(parked.c.stream.in_(numbers)))
            copy.add_parked((account, numbers[stream], digest) for account, stream, digest in rows)

    def _note_ends(self, stream: Stream, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records on, and note how far each partition goes."""
        reached, last = self._reached[stream], None
        for record in records:
            if last is not None and last.partition != record.partition:
                reached[last.partition] = Reached(last.offset + 1, compute_digest(last.value))
            last = record
            yield record
        if last is not None:
            reached[last.partition] = Reached(last.offset + 1, compute_digest(last.value))

    def _find_differing(self, copy: LogCopy, *, verify_signatures: bool) -> Iterator[str]:
        """Yield the accounts whose records do not amount to what the database has, some of them twice."""
        place, fold, devices = ("", 0), None, None
        for record in self._count("compared", copy.read()):
            if (record.account, record.stream) != place:
                if place[0] != record.account:
                    devices = None
                place, fold = (record.account, record.stream), self._start(record)
                if verify_signatures and devices is None:
                    devices = self._find_devices(record)
            if fold is None:
                continue
            following = _follow(fold, record, devices if verify_signatures else None)
            if following is None:
                yield record.account
            fold = following
            match following:
                case DevicesStream():
                    devices = following

    def _start(self, record: CopiedRecord) -> Fold | None:
        try:
            return FOLDS[self._followed[record.stream]].start(AccountId(record.account))
        except MalformedError:
            return None  # a record of nobody: the projector skips it, too

    def _find_devices(self, record: CopiedRecord) -> DevicesStream | None:
        """The devices of an account that its own stream here, or none so far, states."""
        try:
            account = AccountId(record.account)
        except MalformedError:
            return None
        with self._store.read() as uow:
            return find_devices(uow, self._store.stream, self._streams, account)

    def _describe(self, copy: LogCopy, done: Rebuilt) -> None:
        partitions: dict[Stream, int] = {}
        for account in copy.differing():
            done.accounts += 1
            logged = {(index, str(compute_digest(value))) for index, value, _ in copy.records_of(account)}
            stored = copy.stored_of(account)
            done.unapplied += len(logged - {(index, each) for index, *both in stored for each in both})
            for index, *both in stored:
                if any((index, digest) in logged for digest in both):
                    continue
                stream = self._followed[index]
                count = partitions.get(stream) or len(self._bus.end_offsets(TOPICS[stream]))
                partitions[stream] = count
                tally = done.gone.setdefault(TOPICS[stream], Tally())
                tally.add(account, derive_partition(account, count))

    def _describe_loss(self, done: Rebuilt) -> str:
        gone = "; ".join(f"{topic}: {tally}" for topic, tally in done.gone.items())
        writers = {TOPICS[stream]: WRITERS[stream] for stream in self._followed}
        commands = ", ".join(f"python -m solekey_{writers[topic]} republish" for topic in done.gone)
        return (
            f"the log lacks what was applied here, which may be a revocation: {gone}. First: {commands}. If "
            "the services that wrote it have lost it, too, --accept-loss makes this one forget it. Nothing "
            "was changed"
        )

    def _switch(self, copy: LogCopy) -> None:
        """Replace what differs, in one transaction."""
        tables = self._store.tables
        with self._store.begin(projecting=True) as uow:
            if not is_sqlite(self._store.engine):
                uow.connection.execute(text("LOCK TABLE inbox IN EXCLUSIVE MODE"))
            uow.connection.execute(delete(tables.fold_snapshots))
            replacement = Replacement(uow, self._followed, self._streams, self._projector)
            for page in _pages(self._count("switched accounts", copy.differing())):
                replacement.replace(copy, page)
            for stream, log_id in self._log_ids.items():
                replace_offsets(uow.connection, tables.applied, TOPICS[stream], self._reached[stream])
                replace_foundation(uow, f"log:{TOPICS[stream]}", log_id)
        self._streams.forget()

    def _count(self, what: str, things: Iterable[T]) -> Iterator[T]:
        for number, thing in enumerate(things, start=1):
            yield thing
            if number % _REPORTED == 0:
                self._progress(what, number)


def _follow(fold: Fold, record: CopiedRecord, devices: DevicesStream | None) -> Fold | None:
    """Follow a record as the live inbox did; None where that has something else, or nothing, at its place."""
    if record.live is None:
        return None
    if record.seq == fold.head.seq and compute_digest(record.value) == record.live == fold.head.digest:
        return fold  # the same again
    try:
        event = parse_event(record.value)
        following = fold.evolve(event) if devices is None else fold.apply(event, devices)
    except ProtocolError:
        return None
    return following if event.seq == record.seq and event.digest == record.live else None


def _pages(accounts: Iterable[str]) -> Iterator[list[str]]:
    """Gather what is yielded while a cursor is read, to be noted in its pauses."""
    page: list[str] = []
    for account in accounts:
        page.append(account)
        if len(page) == _NOTED_AT_ONCE:
            yield page
            page = []
    if page:
        yield page
