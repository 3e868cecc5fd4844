"""Who migrates: a start, or a command with another role; and an older release on newer tables works on."""

import secrets
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ProgrammingError

from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.migrations import require_migrated, upgrade
from solekey_eventlog.secret import Secret
from tests.support.engines.postgres import NewPostgresUrl, connect

PACKAGE = "solekey_rotation"  # it has two versions


def open_sqlite(folder: Path) -> object:
    return open_engine(Secret(f"sqlite:///{folder}/service.db"))


def set_version(engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_an_empty_or_older_database_is_refused_by_who_may_not_migrate_it(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path)
    with pytest.raises(
        ConfigError, match=r"of version none, this release needs 0002.*solekey_rotation migrate"
    ):
        require_migrated(engine, PACKAGE)
    upgrade(engine, PACKAGE)
    require_migrated(engine, PACKAGE)
    set_version(engine, "0001")
    with pytest.raises(ConfigError, match="of version 0001"):
        require_migrated(engine, PACKAGE)


def test_an_older_release_works_on_the_tables_of_a_newer_one(tmp_path: Path) -> None:
    """In a rolling upgrade, and on the way back."""
    engine = open_sqlite(tmp_path)
    upgrade(engine, PACKAGE)
    set_version(engine, "9999")
    require_migrated(engine, PACKAGE)
    upgrade(engine, PACKAGE)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


@pytest.mark.postgres
def test_a_role_that_may_not_change_tables_serves_what_another_has_migrated(
    new_postgres_url: NewPostgresUrl, postgres_server: URL
) -> None:
    owner_url = new_postgres_url()
    owner = open_engine(Secret(owner_url))
    upgrade(owner, PACKAGE)
    owner.dispose()
    url = make_url(owner_url)
    role, password = sql.Identifier(f"serves_{secrets.token_hex(6)}"), secrets.token_hex(16)
    with connect(postgres_server.set(database=url.database)) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        try:
            for right in (
                "USAGE ON SCHEMA public",
                "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public",
            ):
                db.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
            served = url.set(username=role.as_string(db).strip('"'), password=password)
            engine = open_engine(Secret(served.render_as_string(hide_password=False)))
            require_migrated(engine, PACKAGE)
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO foundations VALUES ('a', 'b')"))
            with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
                connection.execute(text("CREATE TABLE more (a int)"))
            with pytest.raises(ProgrammingError, match="must be owner"), engine.begin() as connection:
                connection.execute(text("DROP TABLE events"))
            engine.dispose()
        finally:
            db.execute(sql.SQL("DROP OWNED BY {}").format(role))
            db.execute(sql.SQL("DROP ROLE {}").format(role))
