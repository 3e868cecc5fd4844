"""The folded streams of an account, own and foreign, as of the transaction that asks.

Own events come from ``events``, foreign ones from ``inbox``, where the projector put them after it had
verified them. Folds are kept in a bounded cache and brought up to date inside the transaction; one whose head
is not in the table (a rollback, a rebuild) is dropped.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import select

from solekey_eventlog.bus.topics import AUTH_TOPIC, DEVICES_TOPIC, ROTATION_TOPIC, VAULT_TOPIC
from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError
from solekey_eventlog.store import EventStore, UnitOfWork
from solekey_protocol.event import Event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.statements import EMPTY_HEAD, Head
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

AnyStream = AuthStream | DevicesStream | VaultStream | RotationStream

TOPICS: Mapping[Stream, str] = {
    Stream.AUTH: AUTH_TOPIC,
    Stream.DEVICES: DEVICES_TOPIC,
    Stream.VAULT: VAULT_TOPIC,
    Stream.ROTATION: ROTATION_TOPIC,
}
"""The topic that carries each stream."""

AHEAD_OF_DEVICES = "ahead_of_devices"
"""Why an event is parked whose author had seen more of the devices stream than this service has."""

_STARTS: Mapping[Stream, type[AnyStream]] = {
    Stream.AUTH: AuthStream,
    Stream.DEVICES: DevicesStream,
    Stream.VAULT: VaultStream,
    Stream.ROTATION: RotationStream,
}
_CACHED_STREAMS = 4096


class Streams:
    """Folds the streams that a service owns or follows."""

    def __init__(
        self, store: EventStore, subscribed: Sequence[Stream], *, cached_streams: int = _CACHED_STREAMS
    ) -> None:
        self._store = store
        self.subscribed = tuple(subscribed)
        self._cached_streams = cached_streams
        self._cache: OrderedDict[tuple[AccountId, Stream], AnyStream] = OrderedDict()
        self._lock = threading.Lock()

    def auth(self, uow: UnitOfWork, account: AccountId) -> AuthStream:
        """Fold the account's auth stream. Raises what ``require_free`` does."""
        return cast("AuthStream", self._fold_free(uow, account, Stream.AUTH))

    def devices(self, uow: UnitOfWork, account: AccountId) -> DevicesStream:
        """Fold the account's devices stream. Raises what ``require_free`` does."""
        return cast("DevicesStream", self._fold_free(uow, account, Stream.DEVICES))

    def vault(self, uow: UnitOfWork, account: AccountId) -> VaultStream:
        """Fold the account's vault stream. Raises what ``require_free`` does."""
        return cast("VaultStream", self._fold_free(uow, account, Stream.VAULT))

    def rotation(self, uow: UnitOfWork, account: AccountId) -> RotationStream:
        """Fold the account's rotation stream. Raises what ``require_free`` does."""
        return cast("RotationStream", self._fold_free(uow, account, Stream.ROTATION))

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

    def fold(self, uow: UnitOfWork, account: AccountId, stream: Stream) -> AnyStream:
        """Fold a stream whether or not its account is parked; for the projector.

        Raises:
            LookupError: the service neither owns nor follows the stream.
        """
        if stream is not self._store.stream and stream not in self.subscribed:
            raise LookupError(f"the {self._store.stream} service does not follow {stream}")
        key = (account, stream)
        with self._lock:
            cached = self._cache.get(key)
        known: AnyStream = cached or _STARTS[stream].start(account)
        events = self._read(uow, key, known.head)
        if events is None:
            known = _STARTS[stream].start(account)
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

    def _fold_free(self, uow: UnitOfWork, account: AccountId, stream: Stream) -> AnyStream:
        if not uow.projecting:
            self.require_free(uow, account)
        return self.fold(uow, account, stream)

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
        return [parse_event(bytes(row.raw)) for row in rows]

    def _keep(self, key: tuple[AccountId, Stream], known: AnyStream) -> None:
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
