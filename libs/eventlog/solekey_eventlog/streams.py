"""The folded streams of an account, own and foreign, as of the transaction that asks.

Own events come from ``events``, foreign ones from ``inbox``, where the projector put them after it had
verified them. Folds are kept in a bounded cache and brought up to date inside the transaction; one whose head
is not in the table (a rollback, a rebuild) is dropped.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import select

from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError
from solekey_eventlog.store import EventStore, UnitOfWork
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import Fold

F = TypeVar("F", bound=Fold)

AHEAD_OF_DEVICES = "ahead_of_devices"
"""Why an event is parked whose author had seen more of the devices stream than this service has."""

_CACHED_STREAMS = 4096


class Streams:
    """Folds the streams that a service owns or follows."""

    def __init__(
        self, store: EventStore, subscribed: Sequence[Stream], *, cached_streams: int = _CACHED_STREAMS
    ) -> None:
        self._store = store
        self.subscribed = tuple(subscribed)
        self._cached_streams = cached_streams
        self._cache: OrderedDict[tuple[AccountId, Stream], Fold] = OrderedDict()
        self._lock = threading.Lock()

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
        parked = uow.tables.parked
        rows = uow.connection.execute(select(parked.c.reason).where(parked.c.account == account)).scalars()
        reasons = set(rows)
        if reasons == {AHEAD_OF_DEVICES}:
            raise NotYetAppliedError("devices events of the account are on their way")
        if reasons:
            raise AccountParkedError("an event of the account is missing or could not be applied")

    def position(self, uow: UnitOfWork, account: AccountId, stream: Stream) -> Head:
        """Return how far a stream of an account is known here."""
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
        if kind.STREAM is not self._store.stream and kind.STREAM not in self.subscribed:
            raise LookupError(f"the {self._store.stream} service does not follow {kind.STREAM}")
        key = (account, kind.STREAM)
        with self._lock:
            cached = self._cache.get(key)
        known = cached if isinstance(cached, kind) else kind.start(account)
        events = self._read(uow, key, known.head)
        if events is None:
            known = kind.start(account)
            events = self._read(uow, key, EMPTY_HEAD) or []
        for event in events:
            known = known.evolve(event)
        if key not in uow.changed:
            self._keep(key, known)
        return known

    def forget(self) -> None:
        """Empty the cache: after a rebuild."""
        with self._lock:
            self._cache.clear()

    def _read(self, uow: UnitOfWork, key: tuple[AccountId, Stream], head: Head) -> list[Event] | None:
        """Read what follows a head, or None when the table does not hold that head."""
        account, stream = key
        own = stream is self._store.stream
        table = uow.tables.events if own else uow.tables.inbox
        query = select(table.c.digest, table.c.raw).where(table.c.account == account, table.c.seq >= head.seq)
        if not own:
            query = query.where(table.c.stream == stream.value)
        rows = uow.connection.execute(query.order_by(table.c.seq)).all()
        if head.seq:
            if not rows or rows[0].digest != head.digest:
                return None
            rows = rows[1:]
        return [parse_event(bytes(row.raw), is_own=True) for row in rows]

    def _keep(self, key: tuple[AccountId, Stream], known: Fold) -> None:
        if not known.head.seq:
            return  # anybody can ask for accounts that do not exist
        with self._lock:
            cached = self._cache.get(key)
            if cached is not None and cached.head.seq > known.head.seq:
                return  # a transaction that began before the newest commit
            self._cache[key] = known
            self._cache.move_to_end(key)
            while len(self._cache) > self._cached_streams:
                self._cache.popitem(last=False)
