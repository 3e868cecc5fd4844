"""The rows of the rotation service beside its events: key ages. Spec: rotation.md §4."""

from typing import Final

from sqlalchemy import Column, Index, Integer, MetaData, String, Table

from solekey_eventlog.tables import ACCOUNT_CHARS, Moment, define_event_tables

KIND_CHARS: Final = 16

metadata = MetaData()
event_tables = define_event_tables(metadata)

key_ages: Final = Table(
    "key_ages",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("user_key_since", Moment),
    Column("data_key_since", Moment),
    Column("epoch", Integer, nullable=False),
    Column("due_at", Moment, index=True),  # the earliest moment at which something becomes due
    Column("open_kind", String(KIND_CHARS)),  # of the open rotation
    Column("open_seq", Integer),  # of the event that started it
)

_is_open = key_ages.c.open_kind.is_not(None)
Index("key_ages_open", key_ages.c.open_kind, sqlite_where=_is_open, postgresql_where=_is_open)
