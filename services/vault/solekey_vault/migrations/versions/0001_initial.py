"""The event tables, opaque bytes and the read model of the items."""

import sqlalchemy as sa
from alembic import op

from solekey_eventlog.migrations import create_event_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_event_tables_v1()
    _create_stores()
    _create_read_model()


def _create_stores() -> None:
    op.create_table(
        "wraps",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("claimed", sa.Boolean, nullable=False),
        sa.Column("stored_at", sa.String(24), nullable=False),
        sa.Column("dropped_at", sa.String(24)),
        sa.PrimaryKeyConstraint("account", "digest", name="wraps_pk"),
    )
    op.create_table(
        "objects",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("name", sa.String(96), nullable=False),
        sa.Column("large", sa.Boolean, nullable=False),
        sa.Column("claimed", sa.Boolean, nullable=False),
        sa.Column("stored_at", sa.String(24), nullable=False),
        sa.Column("dropped_at", sa.String(24)),
        sa.PrimaryKeyConstraint("account", "digest", name="objects_pk"),
    )
    op.create_index(
        "objects_unclaimed",
        "objects",
        ["stored_at"],
        sqlite_where=sa.text("claimed IS 0"),
        postgresql_where=sa.text("claimed IS false"),
    )
    dropped = sa.text("dropped_at IS NOT NULL")
    op.create_index(
        "objects_dropped", "objects", ["dropped_at"], sqlite_where=dropped, postgresql_where=dropped
    )
    op.create_table(
        "object_rows",
        sa.Column("name", sa.String(96), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "account_usage",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("sent_bytes", sa.BigInteger, nullable=False),
        sa.Column("sent_objects", sa.BigInteger, nullable=False),
        sa.Column("max_bytes", sa.BigInteger),
        sa.Column("max_objects", sa.BigInteger),
        sa.Column("max_bytes_per_hour", sa.BigInteger),
        sa.Column("max_objects_per_hour", sa.BigInteger),
    )
    op.create_table(
        "closed_accounts",
        sa.Column("account", sa.String(30), primary_key=True),
        sa.Column("closed_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "orphans",
        sa.Column("name", sa.String(96), primary_key=True),
        sa.Column("since", sa.String(24), nullable=False),
    )
    op.create_index("ix_orphans_since", "orphans", ["since"])


def _create_read_model() -> None:
    _create_commits()
    op.create_table(
        "item_versions",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("item", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("change", sa.LargeBinary, nullable=False),
        sa.Column("commit", sa.Integer, nullable=False),
        sa.Column("superseded_by", sa.Integer),
        sa.Column("superseded_at", sa.String(24)),
        sa.Column("replaced", sa.Integer, nullable=False),
        sa.Column("replaced_since", sa.String(24)),
        sa.PrimaryKeyConstraint("account", "item", "version", name="item_versions_pk"),
    )
    newest, superseded = sa.text("superseded_by IS NULL"), sa.text("superseded_by IS NOT NULL")
    op.create_index(
        "item_versions_newest",
        "item_versions",
        ["account", "item"],
        unique=True,
        sqlite_where=newest,
        postgresql_where=newest,
    )
    op.create_index(
        "item_versions_superseded",
        "item_versions",
        ["account", "superseded_by"],
        sqlite_where=superseded,
        postgresql_where=superseded,
    )
    _create_collection()
    op.create_table(
        "item_parts",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("item", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "digest", "item", "version", name="item_parts_pk"),
        sqlite_with_rowid=False,
    )


def _create_commits() -> None:
    op.create_table(
        "commits",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("commit", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("changes", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("account", "commit", name="commits_pk"),
    )
    op.create_index("commits_by_changes", "commits", ["account", "changes"])
    op.create_table(
        "commit_pages",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("commit", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "digest", "commit", name="commit_pages_pk"),
        sqlite_with_rowid=False,
    )


def _create_collection() -> None:
    for column, condition in (("replaced", "replaced > 0"), ("replaced_since", "replaced_since IS NOT NULL")):
        where = sa.text(f"superseded_by IS NULL AND epoch > 0 AND {condition}")
        op.create_index(
            f"item_versions_by_{column}",
            "item_versions",
            [column],
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_table(
        "history_limits",
        sa.Column("since", sa.String(24), primary_key=True),
        sa.Column("versions", sa.Integer, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("grace_days", sa.Integer, nullable=False),
    )
