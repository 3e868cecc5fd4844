"""The folded streams of an account, own and foreign, as of the transaction that asks.

Own events come from ``events``, foreign ones from ``inbox``, where the projector put them after it had
verified them. Folds are kept in a bounded cache and brought up to date inside the transaction; one whose head
is not in the table (a rollback, a rebuild) is dropped. A long stream has a snapshot in the database, too, so
that a process that does not know it yet reads what follows the snapshot, not all of it.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Row, select
from sqlalchemy.exc import SQLAlchemyError

from solekey_eventlog.errors import AccountParkedError, EventLogError, NotYetAppliedError
from solekey_eventlog.heads import read_heads
from solekey_eventlog.snapshots import load_snapshot, save_snapshot
from solekey_eventlog.store import EventStore
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, compute_digest
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import Fold

F = TypeVar("F", bound=Fold)

AHEAD_OF_DEVICES = "ahead_of_devices"
"""Why an event is parked whose author had seen more of the devices stream than this service has."""

SNAPSHOT_EVENTS: Final = 128
"""A snapshot is saved once so many events follow the last one: reading them takes about 12 ms."""

_CACHED_STREAMS = 4096
_PAGE_EVENTS: Final = 500
_log = logging.getLogger(__name__)


class Streams:
    """Folds the streams that a service owns or follows."""

    def __init__(
        self,
        store: EventStore,
        subscribed: Sequence[Stream],
        *,
        cached_streams: int = _CACHED_STREAMS,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Fold the streams of one store.

        Args:
            store: the service's database.
            subscribed: the streams that it follows.
            cached_streams: how many folds are kept in memory.
            pause: lets other requests go on between the pages of a long stream.
        """
        self._store = store
        self.subscribed = tuple(subscribed)
        self._cached_streams = cached_streams
        self._pause = pause
        self._cache: OrderedDict[tuple[AccountId, Stream], _Known] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def own(self) -> Stream:
        """The stream that the service writes."""
        return self._store.stream

    def fold(self, uow: UnitOfWork, account: AccountId, kind: type[F]) -> F:
        """Fold a stream of an account, such as ``fold(uow, account, DevicesStream)``.

        Raises:
            AccountParkedError, NotYetAppliedError: an event of the account waits; not inside a reaction.
            LookupError: the service neither owns nor follows the stream.
        """
        if not uow.projecting:
            self.require_free(uow, account)
        return self.fold_parked(uow, account, kind)

    def require_free(self, uow: UnitOfWork, account: AccountId) -> None:
        """Refuse an account of which an event waits: what is known of it may be out of date.

        Raises:
            NotYetAppliedError: the event waits only for devices events that are on their way.
            AccountParkedError: an event is missing or could not be applied.
        """
        if account in uow.free:
            return
        parked = uow.tables.parked
        rows = uow.connection.execute(select(parked.c.reason).where(parked.c.account == account)).scalars()
        reasons = set(rows)
        if reasons == {AHEAD_OF_DEVICES}:
            raise NotYetAppliedError("devices events of the account are on their way")
        if reasons:
            raise AccountParkedError("an event of the account is missing or could not be applied")
        uow.free.add(account)

    def look_up(
        self, uow: UnitOfWork, *places: tuple[AccountId, Stream], proof: Digest | None = None
    ) -> bool:
        """Find how far streams go, and of which of their accounts no event waits: one query for all.

        What follows in the transaction decides as of then: a fold that the cache has up to there asks nothing
        more. Streams that the service neither owns nor follows are passed over.

        Returns:
            Whether a note of ``proof`` is committed; False without one.
        """
        known = [place for place in dict.fromkeys(places) if self._knows(place[1])]
        found = read_heads(uow.connection, uow.tables, self._store.stream, known, proof)
        uow.free |= {account for account, _ in known} - found.waiting
        uow.heads |= found.heads
        return found.is_used

    def position(self, uow: UnitOfWork, account: AccountId, stream: Stream) -> Head:
        """Return how far a stream of an account is known here."""
        if (found := self._find_head(uow, (account, stream))) is not None:
            return found
        if stream is self._store.stream:
            return uow.head(account)
        inbox = uow.tables.inbox
        row = uow.connection.execute(
            select(inbox.c.seq, inbox.c.digest)
            .where(inbox.c.account == account, inbox.c.stream == stream.value)
            .order_by(inbox.c.seq.desc())
            .limit(1)
        ).first()
        return EMPTY_HEAD if row is None else Head(row.seq, Digest(row.digest))

    def fold_parked(self, uow: UnitOfWork, account: AccountId, kind: type[F]) -> F:
        """Fold what is known of a stream, whether or not an event of its account waits.

        For whom an out-of-date state is good enough: the projector, and what only takes away.

        Raises:
            LookupError: the service neither owns nor follows the stream.
        """
        if not self._knows(kind.STREAM):
            raise LookupError(f"the {self._store.stream} service does not follow {kind.STREAM}")
        key = (account, kind.STREAM)
        if (head := self._find_head(uow, key)) is not None:
            with self._lock:
                cached = self._cache.get(key)
            if cached is not None and cached.fold.head == head:
                return cast("F", cached.fold)
            if head == EMPTY_HEAD:
                return kind.start(account)
        known = self._bring_up_to_date(uow, key, self._find_start(uow, account, kind))
        if known is None:  # neither cache nor snapshot stands on what is stored
            known = self._bring_up_to_date(uow, key, _Known(kind.start(account)))
        fold = kind.start(account) if known is None else cast("F", known.fold)
        if known is not None and key not in uow.changed:
            self._keep(uow, key, known)
        return fold

    def keep(self, uow: UnitOfWork, fold: Fold) -> None:
        """Keep a fold in the cache once the transaction that has followed its newest event is committed."""
        key = (fold.chain.account, fold.chain.stream)
        if not fold.head.seq:
            return
        with self._lock:
            cached = self._cache.get(key)
        known = _Known(fold) if cached is None else replace(cached, fold=fold)
        uow.afterwards.append(lambda: self._keep(uow, key, known))

    def prepare(self, *needed: tuple[AccountId, type[Fold]]) -> None:
        """Fold streams that the cache lacks before a transaction that writes needs them.

        A stream without a snapshot is read from its first event: that must not hold up other writers.
        """
        with self._lock:
            missing = [each for each in needed if (each[0], each[1].STREAM) not in self._cache]
        if missing:
            with self._store.read() as uow:
                self.look_up(uow, *((account, kind.STREAM) for account, kind in missing))
                for account, kind in missing:
                    self.fold_parked(uow, account, kind)

    def forget(self) -> None:
        """Empty the cache: after a rebuild."""
        with self._lock:
            self._cache.clear()

    def _knows(self, stream: Stream) -> bool:
        return stream is self._store.stream or stream in self.subscribed

    def _find_head(self, uow: UnitOfWork, key: tuple[AccountId, Stream]) -> Head | None:
        """How far a stream went when the transaction looked it up; None: it did not, or has changed it."""
        return None if key in uow.changed else uow.heads.get(key)

    def _find_start(self, uow: UnitOfWork, account: AccountId, kind: type[Fold]) -> "_Known":
        """Find what is known of a stream without its events: the cached fold, the snapshot, or nothing."""
        with self._lock:
            cached = self._cache.get((account, kind.STREAM))
        if cached is not None:
            return cached
        snapshot = load_snapshot(uow, account, kind)
        return _Known(kind.start(account)) if snapshot is None else _Known(snapshot, snapshot.head.seq)

    def _bring_up_to_date(
        self, uow: UnitOfWork, key: tuple[AccountId, Stream], known: "_Known"
    ) -> "_Known | None":
        """Fold what follows, a page at a time; None when the table does not hold what is known."""
        fold, is_first = known.fold, bool(known.fold.head.seq)
        while rows := self._read(uow, key, fold.head.seq if not is_first else fold.head.seq - 1):
            if is_first and compute_digest(bytes(rows[0].raw)) != fold.head.digest:
                return None
            for row in rows[1:] if is_first else rows:
                fold = fold.evolve(parse_event(bytes(row.raw)))
            is_first = False
            if len(rows) < _PAGE_EVENTS:
                break
            self._pause()
        return None if is_first else replace(known, fold=fold)

    def _read(self, uow: UnitOfWork, key: tuple[AccountId, Stream], after: int) -> Sequence[Row[Any]]:
        account, stream = key
        own = stream is self._store.stream
        table = uow.tables.events if own else uow.tables.inbox
        query = select(table.c.raw).where(table.c.account == account, table.c.seq > after)
        if not own:
            query = query.where(table.c.stream == stream.value)
        return uow.connection.execute(query.order_by(table.c.seq).limit(_PAGE_EVENTS)).all()

    def _keep(self, uow: UnitOfWork, key: tuple[AccountId, Stream], known: "_Known") -> None:
        seq = known.fold.head.seq
        if not seq:
            return  # anybody can ask for accounts that do not exist
        if seq - known.snapshot_seq >= SNAPSHOT_EVENTS:
            uow.afterwards.append(partial(self._save, known.fold))
            known = replace(known, snapshot_seq=seq)
        with self._lock:
            cached = self._cache.get(key)
            if cached is not None and cached.fold.head.seq > seq:
                return  # a transaction that began before the newest commit
            self._cache[key] = known
            self._cache.move_to_end(key)
            while len(self._cache) > self._cached_streams:
                self._cache.popitem(last=False)

    def _save(self, fold: Fold) -> None:
        """Save a snapshot in a transaction of its own; the next process does without when it fails."""
        try:
            with self._store.begin() as uow:
                save_snapshot(uow, fold)
        except (EventLogError, SQLAlchemyError) as error:
            _log.warning("%s/%s: no snapshot saved: %s", fold.chain.account, fold.chain.stream, error)


@dataclass(frozen=True, slots=True)
class _Known:
    """A fold, and the place of the snapshot that the database has of its stream; 0: none."""

    fold: Fold
    snapshot_seq: int = 0
