"""Migrations: Alembic, run when a service starts; one linear history a service in ``<package>/migrations``.

A migration only adds (docs/decisions/0138): the release before works on the tables of the one after it, so
replicas of both run side by side, and the way back is to start the older release again.

``migrations/env.py`` imports ``run_environment`` from here and calls it. The first version calls
``create_event_tables_v1()`` and creates the service's own tables.
"""

import logging
import threading
from functools import cache

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from solekey_eventlog.engine import is_sqlite, is_unavailable
from solekey_eventlog.errors import ConfigError, UnavailableError

_log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # Alembic's context is global to the process


def upgrade(engine: Engine, package: str) -> None:
    """Bring a database to the newest version; several processes may try at once.

    One that a newer release has migrated stays as it is.

    Raises:
        UnavailableError: the database does not answer.
    """
    try:
        with _one_at_a_time, engine.begin() as connection:
            if not is_sqlite(engine):  # SQLite's write transaction is a lock already
                key = "hashtextextended('solekey migrations ' || current_schema(), 0)"
                connection.execute(text(f"SELECT pg_advisory_xact_lock({key})"))
            present, known = _read_version(connection), _list_versions(package)
            if present == known[0]:
                return
            if present is not None and present not in known:
                _log.warning(
                    "the database is of a newer release (%s); this one knows up to %s", present, known[0]
                )
                return
            config = _make_config(package)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        if is_unavailable(error):
            raise UnavailableError("the database does not answer") from error
        raise


def require_migrated(engine: Engine, package: str) -> None:
    """Demand that somebody else has migrated the database: for a role that may not.

    Raises:
        ConfigError: its tables are older than this release.
        UnavailableError: the database does not answer.
    """
    known = _list_versions(package)
    try:
        with engine.connect() as connection:
            present = _read_version(connection)
    except SQLAlchemyError as error:
        if is_unavailable(error):
            raise UnavailableError("the database does not answer") from error
        raise
    if present is None or present in known[1:]:
        problem = (
            f"the database's tables are of version {present or 'none'}, this release needs {known[0]}: "
            f"run `python -m {package} migrate` with a role that may change tables"
        )
        raise ConfigError([problem])


def _make_config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    return config


@cache
def _list_versions(package: str) -> tuple[str, ...]:
    """List the versions that this release knows, the newest first."""
    scripts = ScriptDirectory.from_config(_make_config(package))
    return tuple(script.revision for script in scripts.walk_revisions())


def _read_version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


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
