"""SQLite databases for services in a test's own process: migrated once, statements compiled once.

A migration to an empty database always ends in the same file. So the first test that asks for a service's
database runs the migrations, and the next ones start from a copy; the service then finds nothing left to do.

SQLAlchemy keeps what it has compiled with the engine, for a service opens one and keeps it. Tests open
thousands, and would spend a fifth of their time on compiling the same statements; so theirs share it.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

import solekey_eventlog.engine
from solekey_eventlog.engine import open_engine
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.secret import Secret


def name_database(folder: Path, service: str) -> str:
    """Return the URL of a service's database that is not there yet: SERVICE.db, or SERVICE-1.db."""
    taken = len(list(folder.glob(f"{service}*.db")))
    return f"sqlite:///{folder / service}{f'-{taken}' if taken else ''}.db"


def copy_migrated(url: str, package: str) -> None:
    """Put a migrated database of a service's package where the URL names a file that is not there yet."""
    path = Path(str(make_url(url).database))
    if not path.exists():
        path.write_bytes(_migrate(package))


@cache
def _migrate(package: str) -> bytes:
    with TemporaryDirectory(prefix="solekey-migrated-") as folder:
        path = Path(folder) / "service.db"
        engine = open_engine(Secret(f"sqlite:///{path}"))
        upgrade(engine, package)
        engine.dispose()  # the last connection writes the log into the file
        return path.read_bytes()


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """Have the services' SQLite engines share compiled statements, and the dialect in their key."""
    first = create_engine("sqlite://")
    first.connect().close()  # a dialect learns of its database when it first connects
    first.dispose()
    compiled: dict[Any, Any] = {}

    def create(*arguments: Any, **settings: Any) -> Engine:
        engine = create_engine(*arguments, **settings)
        if engine.dialect.name == first.dialect.name:
            engine.dialect = first.dialect
            engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solekey_eventlog.engine, "create_engine", create)
        yield
