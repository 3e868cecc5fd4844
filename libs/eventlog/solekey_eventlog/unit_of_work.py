"""One transaction of a service, and what it asks of its own stream. Spec: events.md §6.

Its events and the rows that belong to them become durable together or not at all. UNIQUE(account, seq) is the
optimistic lock: of two that continue the same head, one is refused.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    LargeBinary,
    String,
    bindparam,
    cast,
    delete,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from solekey_eventlog.errors import StalePositionError
from solekey_eventlog.event_observer import EventObserver
from solekey_eventlog.log_context import Facts, find_log_facts
from solekey_eventlog.tables import EventTables
from solekey_protocol.event import Event, encode_event, parse_event
from solekey_protocol.events import Body, Stream
from solekey_protocol.ids import AccountId, Digest, Timestamp
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement

_LOCK_ACCOUNTS = text(
    "SELECT pg_advisory_xact_lock(lock) FROM ("
    "SELECT DISTINCT hashtextextended('solekey apply ' || current_schema() || account, 0) AS lock"
    " FROM unnest(CAST(:accounts AS varchar[])) AS account ORDER BY lock) AS locks"
)
"""In one order everywhere, so that of two transactions that lock several accounts one goes on."""


@lru_cache
def _select_head(tables: EventTables) -> Any:
    """Build the query for a head: SQLAlchemy takes longer for that than to run it."""
    events = tables.events.c
    mine = events.account == bindparam("account", type_=String)
    return select(events.seq, events.digest).where(mine).order_by(events.seq.desc()).limit(1)


@lru_cache
def _select_page(tables: EventTables) -> Any:
    """Build the query for a page of events, and the seq of the head without its bytes."""
    events = tables.events.c
    mine = events.account == bindparam("account", type_=String)
    page = (
        select(events.seq, events.raw)
        .where(mine, events.seq > bindparam("after", type_=Integer))
        .order_by(events.seq)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
    )
    head = select(events.seq, null().label("raw")).where(mine).order_by(events.seq.desc()).limit(1).subquery()
    return union_all(select(page), select(head.c.seq, cast(head.c.raw, LargeBinary)))


@lru_cache
def _insert_events(tables: EventTables, dialect: str) -> Any:
    """Build the statement that appends events, and returns those that found their place free.

    No exception: on PostgreSQL it would end the transaction, or cost a savepoint and its release.
    """
    query = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(tables.events)
    return query.on_conflict_do_nothing().returning(tables.events.c.seq)


class UnitOfWork:
    """One transaction. ``now`` is the one moment at which everything in it happens."""

    def __init__(
        self, connection: Connection, stream: Stream, tables: EventTables, now: datetime, *, projecting: bool
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.now = now
        self.projecting = projecting
        """Whether the projector runs it: reactions happen although their account is parked."""
        self.changed: set[tuple[AccountId, Stream]] = set()
        """Streams with events that nobody else can see before the commit: not to be cached."""
        self.free: set[AccountId] = set()
        """Accounts of which no event waited when the transaction asked first: it decides as of then."""
        self.heads: dict[tuple[AccountId, Stream], Head] = {}
        """How far streams went when the transaction looked them up together (``Streams.look_up``)."""
        self.appended: list[tuple[Event, Facts]] = []
        """Own events that it appended, and what the lines of the log were about meanwhile."""
        self.observer: EventObserver | None = None
        """Who is told afterwards of foreign events that it applied."""
        self.afterwards: list[Callable[[], None]] = []
        """What is done once the transaction has ended well: never a part of what was asked for."""
        self._stream = stream

    def head(self, account: AccountId) -> Head:
        """Return the head of the account's own stream; EMPTY_HEAD before its first event."""
        row = self.connection.execute(_select_head(self.tables), {"account": account}).first()
        return EMPTY_HEAD if row is None else Head(row.seq, Digest(row.digest))

    def events(self, account: AccountId, after: int = 0, limit: int | None = None) -> list[Event]:
        """Return the account's own events after a seq, in order."""
        return [parse_event(raw) for raw in self.records(account, after, limit)]

    def records(self, account: AccountId, after: int = 0, limit: int | None = None) -> list[bytes]:
        """Return the exact bytes of the account's own events after a seq, in order."""
        events = self.tables.events
        rows = self.connection.execute(
            select(events.c.raw)
            .where(events.c.account == account, events.c.seq > after)
            .order_by(events.c.seq)
            .limit(limit)
        )
        return [bytes(row.raw) for row in rows]

    def lock(self, *accounts: AccountId) -> None:
        """Let no other process of the service apply events of accounts until the transaction ends.

        What is read afterwards is what the one before has committed. SQLite has one writer anyway.
        """
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(_LOCK_ACCOUNTS, {"accounts": list(accounts)})

    def note_applied(self, event: Event) -> None:
        """Have the observer, if there is one, told of a foreign event once it is applied."""
        if self.observer is not None:
            self.afterwards.append(partial(self.observer.note_applied, event, self.now))

    def page(self, account: AccountId, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return what `records` does, and the seq of the stream's head (0: it is empty): one query."""
        asked = {"account": account, "after": after, "limit": limit}
        rows = sorted(self.connection.execute(_select_page(self.tables), asked), key=lambda row: row.seq)
        return [bytes(row.raw) for row in rows if row.raw is not None], rows[-1].seq if rows else 0

    def find_statement(self, account: AccountId, digest: Digest) -> Event | None:
        """Return the event that a signed statement has become, if it was appended before (idempotency)."""
        events = self.tables.events
        raw = self.connection.execute(
            select(events.c.raw).where(events.c.account == account, events.c.statement == digest)
        ).scalar()
        return None if raw is None else parse_event(bytes(raw))

    def append(self, account: AccountId, after: Head, *content: Body | SignedStatement) -> list[Event]:
        """Append events to the account's own stream, unpublished, all of them at ``now``.

        Args:
            account: whose stream.
            after: the head that they continue.
            content: what becomes an event each: a signed statement, or a body of the service's own.

        Raises:
            StalePositionError: ``after`` is not the head, or another transaction was faster.
            SchemaError: a statement for another place, or a body outside its schema.
            MalformedError: a record that exceeds MAX_EVENT_BYTES.
        """
        if not content:
            return []
        self._require_head(account, after)
        appended: list[Event] = []
        time = Timestamp.from_datetime(self.now)
        for each in content:
            event = encode_event(each, account=account, after=after, time=time)
            if event.stream is not self._stream:
                raise ValueError(f"{event.body.TYPE} does not belong to the {self._stream} stream")
            appended.append(event)
            after = event.head
        self._insert(account, appended)
        self.appended += [(event, find_log_facts()) for event in appended]
        return appended

    def _require_head(self, account: AccountId, after: Head) -> None:
        """Require that a stream goes so far; asks nothing where the transaction has looked it up."""
        key = (account, self._stream)
        if key not in self.changed and self.heads.get(key) == after:
            return  # whoever has appended since has taken the place: the insert finds out
        head = self.head(account)
        if after != head:
            raise StalePositionError(head)

    def _insert(self, account: AccountId, appended: list[Event]) -> None:
        rows = [
            {
                "account": event.account,
                "seq": event.seq,
                "digest": event.digest,
                "statement": event.signed.digest if event.signed else None,
                "raw": event.raw,
                "appended_at": self.now,
                "published_at": None,
            }
            for event in appended
        ]
        events = self.tables.events
        query = _insert_events(self.tables, self.connection.dialect.name)
        placed = list(self.connection.execute(query, rows if len(rows) > 1 else rows[0]).scalars())
        if len(placed) < len(rows):
            self.connection.execute(
                delete(events).where(events.c.account == account, events.c.seq.in_(placed))
            )
            raise StalePositionError(self.head(account), "another event took this place")
        self.changed.add((account, self._stream))
