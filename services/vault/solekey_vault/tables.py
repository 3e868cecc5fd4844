"""The rows of the vault beside its events. Spec: vault.md §3, §6, §7.

``wraps``, ``objects``, ``object_rows`` and ``orphans`` are opaque bytes and where they lie: they cannot
be rebuilt. ``commits``, ``commit_pages``, ``item_versions`` and ``item_parts`` are the read model, which is
made of the events and their change lists: item_repository.py.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from solekey_eventlog.tables import ACCOUNT_CHARS, DIGEST_CHARS, Moment, define_event_tables

NAME_CHARS: Final = 96

metadata = MetaData()
event_tables = define_event_tables(metadata)

wraps = Table(
    "wraps",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("digest", String(DIGEST_CHARS), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("claimed", Boolean, nullable=False),  # an event names it
    Column("stored_at", Moment, nullable=False),
    Column("dropped_at", Moment),  # retired then; deleted after the grace time
    PrimaryKeyConstraint("account", "digest", name="wraps_pk"),
)

objects = Table(
    "objects",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("digest", String(DIGEST_CHARS), nullable=False),
    Column("size", Integer, nullable=False),  # bytes
    Column("name", String(NAME_CHARS), nullable=False),  # in its store; never used twice
    Column("large", Boolean, nullable=False),  # a blob, not a row
    Column("claimed", Boolean, nullable=False),  # a commit names it
    Column("stored_at", Moment, nullable=False),
    Column("dropped_at", Moment),  # purged then; deleted after the grace time
    PrimaryKeyConstraint("account", "digest", name="objects_pk"),
)

_unclaimed = objects.c.claimed.is_(False)
Index("objects_unclaimed", objects.c.stored_at, sqlite_where=_unclaimed, postgresql_where=_unclaimed)
_dropped = objects.c.dropped_at.is_not(None)
Index("objects_dropped", objects.c.dropped_at, sqlite_where=_dropped, postgresql_where=_dropped)

object_rows = Table(
    "object_rows",
    metadata,
    Column("name", String(NAME_CHARS), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

account_usage = Table(  # how much an account stores, and has sent in an hour; see usage_repository.py
    "account_usage",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("hour", Integer, nullable=False),  # since 1970
    Column("sent_bytes", BigInteger, nullable=False),
    Column("sent_objects", BigInteger, nullable=False),
    Column("max_bytes", BigInteger),  # its own limits; NULL: the operator's default
    Column("max_objects", BigInteger),
    Column("max_bytes_per_hour", BigInteger),
    Column("max_objects_per_hour", BigInteger),
)

closed_accounts = Table(  # of which something may be left
    "closed_accounts",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("closed_at", Moment, nullable=False),
)

stale_uploads = Table(  # of accounts whose data key is being replaced, or was; see stale_upload_repository.py
    "stale_uploads",
    metadata,
    Column("account", String(ACCOUNT_CHARS), primary_key=True),
    Column("rotation", String(ACCOUNT_CHARS), nullable=False),
    Column("sent_before", Moment, nullable=False),
    Column("committed", Boolean, nullable=False),
)

orphans = Table(  # on the way in or out: no row of ``objects`` names them
    "orphans",
    metadata,
    Column("name", String(NAME_CHARS), primary_key=True),
    Column("since", Moment, nullable=False, index=True),
)

commits = Table(
    "commits",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("commit", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("changes", String(DIGEST_CHARS), nullable=False),
    PrimaryKeyConstraint("account", "commit", name="commits_pk"),
)
Index("commits_by_changes", commits.c.account, commits.c.changes)

commit_pages = Table(  # the pages of snapshots
    "commit_pages",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("digest", String(DIGEST_CHARS), nullable=False),
    Column("commit", Integer, nullable=False),
    PrimaryKeyConstraint("account", "digest", "commit", name="commit_pages_pk"),
    sqlite_with_rowid=False,
)

item_versions = Table(
    "item_versions",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("item", LargeBinary, nullable=False),  # the raw id: sorts as change lists do
    Column("version", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),  # 0: removed
    Column("size", BigInteger, nullable=False),  # bytes
    Column("change", LargeBinary, nullable=False),  # as every change list has to state it
    Column("commit", Integer, nullable=False),
    Column("superseded_by", Integer),  # commit; NULL: the newest version
    Column("superseded_at", Moment),
    # Of the newest version, for the collection; brought up to date when it looks (history_repository.py):
    Column("replaced", Integer, nullable=False),  # there are at most so many replaced versions of the item
    Column("replaced_since", Moment),  # the first of them was replaced then, or later
    PrimaryKeyConstraint("account", "item", "version", name="item_versions_pk"),
)
_newest = item_versions.c.superseded_by.is_(None)
Index(
    "item_versions_newest",
    item_versions.c.account,
    item_versions.c.item,
    unique=True,
    sqlite_where=_newest,
    postgresql_where=_newest,
)
_superseded = item_versions.c.superseded_by.is_not(None)
Index(
    "item_versions_superseded",
    item_versions.c.account,
    item_versions.c.superseded_by,
    sqlite_where=_superseded,
    postgresql_where=_superseded,
)
_replaced = text("superseded_by IS NULL AND epoch > 0 AND replaced > 0")
_replaced_since = text("superseded_by IS NULL AND epoch > 0 AND replaced_since IS NOT NULL")
Index(
    "item_versions_by_replaced",
    item_versions.c.replaced,
    sqlite_where=_replaced,
    postgresql_where=_replaced,
)
Index(
    "item_versions_by_replaced_since",
    item_versions.c.replaced_since,
    sqlite_where=_replaced_since,
    postgresql_where=_replaced_since,
)

history_limits = Table(  # the operator's limits, and since when each were in force
    "history_limits",
    metadata,
    Column("since", Moment, primary_key=True),
    Column("versions", Integer, nullable=False),  # 0: no limit
    Column("days", Integer, nullable=False),  # 0: no limit
    Column("grace_days", Integer, nullable=False),
)

item_parts = Table(  # which versions name an object
    "item_parts",
    metadata,
    Column("account", String(ACCOUNT_CHARS), nullable=False),
    Column("digest", String(DIGEST_CHARS), nullable=False),
    Column("item", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("account", "digest", "item", "version", name="item_parts_pk"),
    sqlite_with_rowid=False,
)
