"""Opens the database of a service: PostgreSQL when deployed, one SQLite file when embedded."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.offload import Offload, make_connection_class, run_here
from solekey_eventlog.secret import Secret

BUSY_TIMEOUT_S = 10
DEFAULT_POOL = 8
"""Connections to PostgreSQL; SQLite has one writer, and its readers open what they need."""
_CONNECT_S = 10
_UNANSWERED = {
    "tcp_user_timeout": 5_000,  # ms: what was sent and nobody has acknowledged
    "keepalives_idle": 5,  # s: while a result is awaited, and nothing is on its way
    "keepalives_interval": 1,
    "keepalives_count": 5,
}
"""A database whose host died ends no connection; the kernel alone would go on for a quarter of an hour."""
_POOL_WAIT_S = 5.0
"""How long a transaction waits for a connection; after that it is better made again by who asked for it."""
_REFUSED = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "not permitted")
_SQLITE_SETTINGS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -16384",  # KiB: rows of random ids touch every page of an index, again with each commit
    "wal_autocheckpoint = 4096",  # pages, 16 MiB: what many commits touch is copied once
)
_READ_ONLY = "solekey_read_only"
_IDLE_SINCE = "solekey_idle_since"
_TRUSTED_IDLE_S = 1.0
_SQLITE_DOWN = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)


def open_engine(url: Secret, pool: int = DEFAULT_POOL, *, offload: Offload = run_here) -> Engine:
    """Open an engine; connects when first used.

    SQLite: WAL, every commit reaches the disk, and a transaction that may write takes the write lock at
    once, so that it cannot fail half-way for lack of it. PostgreSQL: READ COMMITTED; UNIQUE is the lock;
    at most ``pool`` connections, and whoever needs another waits for one. A connection whose other end has
    vanished without a word fails within seconds.

    Args:
        url: of the database.
        pool: how many connections to PostgreSQL.
        offload: runs SQLite's commits, which wait for the disk; what waits for PostgreSQL waits for a socket.

    Raises:
        ConfigError: the URL is not sqlite:///path or postgresql+psycopg://…
    """
    try:
        parsed = make_url(url.reveal())
    except ArgumentError as error:
        raise ConfigError(["database_url: not an SQLAlchemy URL"]) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        engine = create_engine(
            parsed,
            isolation_level="READ COMMITTED",
            pool_size=pool,
            max_overflow=0,
            pool_timeout=_POOL_WAIT_S,
            pool_use_lifo=True,  # few connections that stay warm; the others are idle
            connect_args={"connect_timeout": _CONNECT_S, **_UNANSWERED},
            hide_parameters=True,
        )
        _ping_idle_connections(engine)
        return engine
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ConfigError(["database_url: expected postgresql+psycopg://… or sqlite:////absolute/path.db"])
    try:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"database_url: {error}"]) from error
    engine = create_engine(
        parsed,
        connect_args={
            "timeout": BUSY_TIMEOUT_S,
            "check_same_thread": False,
            "factory": make_connection_class(offload),
        },
        hide_parameters=True,  # an error must not carry a row's values into a log
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_sqlite(engine: Engine) -> bool:
    """Tell the two kinds of engine apart."""
    return engine.dialect.name == "sqlite"


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database does not answer now: the same again may succeed."""
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        # To sqlite3 a missing table is an OperationalError too. The low byte is the primary code.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DOWN
    return isinstance(error, OperationalError | InterfaceError)


def describe_cause(error: BaseException) -> str:
    """Describe in one line why the database does not answer, without any value of a row."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, DBAPIError):
        cause = cause.__cause__
    if cause is None or cause.orig is None:
        return str(error)
    return " ".join(str(cause.orig).split())


def is_refused(error: BaseException) -> bool:
    """Tell whether the database answers but refuses the role, its password or the database's name."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError):
            text = str(cause.orig)  # psycopg gives no SQLSTATE while it connects
            return any(words in text for words in _REFUSED)
        cause = cause.__cause__
    return False


def connect_read_only(engine: Engine, *, with_cursor: bool = False) -> Connection:
    """Connect for transactions that only read.

    On SQLite they neither wait for a writer nor hold one up. On PostgreSQL each statement is a transaction of
    its own: under READ COMMITTED each sees what was committed when it began anyway, and BEGIN and ROLLBACK
    would be two round trips. A cursor lives in a transaction, though.
    """
    connection = engine.connect()
    if is_sqlite(engine):
        return connection.execution_options(**{_READ_ONLY: True})
    return connection if with_cursor else connection.execution_options(isolation_level="AUTOCOMMIT")


def _ping_idle_connections(engine: Engine) -> None:
    """Try a connection before its use when it has been idle: the server may have been started again.

    One that was in use a moment ago is not tried, which would cost each transaction a round trip. Where it
    has died since, one transaction fails as `is_unavailable`, and the pool drops all others of before.
    """

    def note(_: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    def ping(connection: Any, record: Any, _: Any) -> None:
        since_s = record.info.get(_IDLE_SINCE)
        if since_s is None or time.monotonic() - since_s < _TRUSTED_IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool opens another

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", ping)


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in _SQLITE_SETTINGS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def upsert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that may say ON CONFLICT: SQLAlchemy spells it by dialect, in the same words."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
