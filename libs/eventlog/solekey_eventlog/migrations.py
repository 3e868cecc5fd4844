"""Migrations: Alembic, run when a service starts; one linear history a service in ``<package>/migrations``.

``migrations/env.py`` imports ``run_environment`` from here and calls it. The first version calls
``create_event_tables_v1()`` and creates the service's own tables.
"""

import threading

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from solekey_eventlog.engine import is_sqlite, is_unavailable
from solekey_eventlog.errors import UnavailableError

_one_at_a_time = threading.Lock()  # Alembic's context is global to the process


def upgrade(engine: Engine, package: str) -> None:
    """Bring a database to the newest version; several processes may try at once.

    Raises:
        UnavailableError: the database does not answer.
    """
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    try:
        with _one_at_a_time, engine.begin() as connection:
            if not is_sqlite(engine):  # SQLite's write transaction is a lock already
                key = "hashtextextended('solekey migrations ' || current_schema(), 0)"
                connection.execute(text(f"SELECT pg_advisory_xact_lock({key})"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        if is_unavailable(error):
            raise UnavailableError("the database does not answer") from error
        raise


def run_environment() -> None:
    """Run the migrations on the connection of ``upgrade``; the whole of an ``env.py``."""
    context.configure(connection=context.config.attributes["connection"])
    with context.begin_transaction():
        context.run_migrations()


def create_event_tables_v1() -> None:
    """Create the tables of solekey_eventlog.tables as of version 1. History: never changed."""
    op.create_table(
        "events",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("statement", sa.String(64)),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("appended_at", sa.String(24), nullable=False),
        sa.Column("published_at", sa.String(24)),
        sa.PrimaryKeyConstraint("account", "seq", name="events_pk"),
        sa.UniqueConstraint("account", "statement", name="events_statement_once"),
    )
    waiting = sa.text("published_at IS NULL")
    op.create_index(
        "events_unpublished", "events", ["account", "seq"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "inbox",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("account", "stream", "seq", name="inbox_pk"),
    )
    op.create_table(
        "fold_snapshots",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("account", "stream", name="fold_snapshots_pk"),
    )
    op.create_table(
        "parked",
        sa.Column("account", sa.String(30), nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("parked_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("account", "stream", "seq", "digest", name="parked_pk"),
    )
    for name in ("applied", "published"):
        op.create_table(
            name,
            sa.Column("topic", sa.String(249), nullable=False),
            sa.Column("partition", sa.Integer, nullable=False),
            sa.Column("next_offset", sa.BigInteger, nullable=False),
            sa.Column("tail", sa.String(64)),
            sa.PrimaryKeyConstraint("topic", "partition", name=f"{name}_pk"),
        )
    op.create_table(
        "dpop_proofs",
        sa.Column("proof", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.String(24), nullable=False),
    )
    op.create_index("ix_dpop_proofs_expires_at", "dpop_proofs", ["expires_at"])
    op.create_table(
        "foundations",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
