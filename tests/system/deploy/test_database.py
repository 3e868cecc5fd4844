"""deploy/postgres/init.sh gives each service a role and a schema of its own, and no way into another's."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import URL

from tests.support.deployment.compose import SERVICES
from tests.support.deployment.database import make_database
from tests.support.engines.postgres import connect

pytestmark = pytest.mark.postgres


@pytest.fixture
def installation(postgres_server: URL) -> Iterator[dict[str, URL]]:
    """The URLs by service, after init.sh has run on a new database as PostgreSQL's image runs it."""
    passwords = {f"{service.upper()}_DATABASE_PASSWORD": secrets.token_hex(16) for service in SERVICES}
    with make_database(postgres_server, passwords) as urls:
        yield urls


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_makes_its_tables_in_its_own_schema(installation: dict[str, URL], service: str) -> None:
    with connect(installation[service]) as db:
        db.execute("CREATE TABLE events (id integer)")
        schemas = db.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'events'").fetchall()
        is_super = db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert schemas == [(service,)]
    assert is_super == (False,)


def test_a_service_can_neither_read_nor_write_another_s_tables(installation: dict[str, URL]) -> None:
    with connect(installation["auth"]) as db:
        db.execute("CREATE TABLE credentials (id integer)")
        db.execute("SELECT * FROM auth.credentials")  # its owner can
    with connect(installation["vault"]) as db:
        for statement in (
            "SELECT * FROM auth.credentials",
            "INSERT INTO auth.credentials VALUES (1)",
            "CREATE TABLE auth.mine (id integer)",
            "CREATE TABLE public.mine (id integer)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement)
