"""The tables that every service has beside its own. Spec: events.md §6.

``events`` is the source of truth and the outbox; ``inbox`` the verbatim copy of the foreign streams that the
service follows; ``fold_snapshots`` what long streams of both amount to; everything but ``events`` can be lost
and rebuilt.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from solekey_protocol.ids import Timestamp

ACCOUNT_CHARS = 30
DIGEST_CHARS = 64
STREAM_CHARS = 16
FOUNDATION_CHARS = 64
REASON_CHARS = 64
TIMESTAMP_CHARS = 24


@lru_cache(maxsize=256)
def _encode_moment(moment: datetime) -> str:
    return str(Timestamp.from_datetime(moment))  # many rows of one statement have the same


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime with milliseconds, kept as the protocol's Timestamp text: sorts, and reads."""

    impl = String(TIMESTAMP_CHARS)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Encode. Raises ValueError for a naive datetime."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime says no moment")
        return _encode_moment(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Decode."""
        return None if value is None else Timestamp(value).datetime


@dataclass(frozen=True, slots=True)
class EventTables:
    """The tables of one service's event log."""

    events: Table
    inbox: Table
    fold_snapshots: Table
    parked: Table
    applied: Table
    published: Table
    dpop_proofs: Table
    foundations: Table


def define_event_tables(metadata: MetaData) -> EventTables:
    """Define the tables in a service's metadata. Their migration is migrations.create_event_tables_v1."""
    return EventTables(
        events=_define_events(metadata),
        inbox=_define_inbox(metadata),
        fold_snapshots=_define_fold_snapshots(metadata),
        parked=_define_parked(metadata),
        applied=_define_offsets(metadata, "applied"),
        published=_define_offsets(metadata, "published"),
        dpop_proofs=Table(
            "dpop_proofs",
            metadata,
            Column("proof", String(DIGEST_CHARS), primary_key=True),
            Column("expires_at", Moment, nullable=False, index=True),
        ),
        foundations=Table(  # what the data depends on: never made anew
            "foundations",
            metadata,
            Column("name", String(FOUNDATION_CHARS), primary_key=True),
            Column("value", String(DIGEST_CHARS), nullable=False),
        ),
    )


def _define_events(metadata: MetaData) -> Table:
    table = Table(
        "events",
        metadata,
        Column("account", String(ACCOUNT_CHARS), nullable=False),
        Column("seq", Integer, nullable=False),
        Column("digest", String(DIGEST_CHARS), nullable=False),
        Column("statement", String(DIGEST_CHARS)),  # digest of the signed statement: its idempotency key
        Column("raw", LargeBinary, nullable=False),
        Column("appended_at", Moment, nullable=False),
        Column("published_at", Moment),
        PrimaryKeyConstraint("account", "seq", name="events_pk"),
        UniqueConstraint("account", "statement", name="events_statement_once"),
    )
    unpublished = table.c.published_at.is_(None)
    Index(
        "events_unpublished",
        table.c.account,
        table.c.seq,
        sqlite_where=unpublished,
        postgresql_where=unpublished,
    )
    return table


def _define_inbox(metadata: MetaData) -> Table:
    return Table(
        "inbox",
        metadata,
        Column("account", String(ACCOUNT_CHARS), nullable=False),
        Column("stream", String(STREAM_CHARS), nullable=False),
        Column("seq", Integer, nullable=False),
        Column("digest", String(DIGEST_CHARS), nullable=False),
        Column("raw", LargeBinary, nullable=False),
        PrimaryKeyConstraint("account", "stream", "seq", name="inbox_pk"),
    )


def _define_fold_snapshots(metadata: MetaData) -> Table:
    """Define what the streams amount to, as of a place: to be thrown away and made anew at any time."""
    return Table(
        "fold_snapshots",
        metadata,
        Column("account", String(ACCOUNT_CHARS), nullable=False),
        Column("stream", String(STREAM_CHARS), nullable=False),
        Column("seq", Integer, nullable=False),
        Column("snapshot", LargeBinary, nullable=False),
        PrimaryKeyConstraint("account", "stream", name="fold_snapshots_pk"),
    )


def _define_parked(metadata: MetaData) -> Table:
    """Define where events wait; seq 0 for one that cannot be read, several where one place is disputed."""
    return Table(
        "parked",
        metadata,
        Column("account", String(ACCOUNT_CHARS), nullable=False),
        Column("stream", String(STREAM_CHARS), nullable=False),
        Column("seq", Integer, nullable=False),
        Column("digest", String(DIGEST_CHARS), nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("reason", String(REASON_CHARS), nullable=False),
        Column("parked_at", Moment, nullable=False),
        PrimaryKeyConstraint("account", "stream", "seq", "digest", name="parked_pk"),
    )


def _define_offsets(metadata: MetaData, name: str) -> Table:
    """Define how far each partition was read or written without a hole: the offset that comes next."""
    return Table(
        name,
        metadata,
        Column("topic", String(249), nullable=False),
        Column("partition", Integer, nullable=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("tail", String(DIGEST_CHARS)),  # of the record before next_offset
        PrimaryKeyConstraint("topic", "partition", name=f"{name}_pk"),
    )
