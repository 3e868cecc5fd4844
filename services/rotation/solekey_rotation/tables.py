"""The rows of the rotation service beside its events: the age of each account's keys. Spec: rotation.md §5.

Rebuilt from events by due_dates.py. They exist so that the timer finds the few accounts of which a key has
become too old without folding the streams of all.
"""

from typing import Final

from sqlalchemy import Boolean, Column, Index, MetaData, PrimaryKeyConstraint, String, Table

from solekey_eventlog.tables import ACCOUNT_CHARS, Moment, define_event_tables

KIND_CHARS: Final = 16

metadata = MetaData()
event_tables = define_event_tables(metadata)

key_ages = Table(
    "key_ages",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("kind", String(KIND_CHARS), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("due_at", Moment),  # by the account's policy; NULL: it has none, the configured age holds
    Column("announced", Boolean, nullable=False),  # due, and said so
    PrimaryKeyConstraint("account", "kind", name="key_ages_pk"),
)
_waiting = key_ages.c.announced.is_(False)
for _column in (key_ages.c.due_at, key_ages.c.made_at):
    Index(
        f"key_ages_by_{_column.name}",
        key_ages.c.kind,
        _column,
        sqlite_where=_waiting,
        postgresql_where=_waiting,
    )
