"""Takes what the server side has touched, channel by channel, as pieces for the search."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import LargeBinary, create_engine, inspect, quoted_name, select, table
from sqlalchemy import column as make_column

from evidence.channels import Channel
from evidence.processes import (
    dump_core,
    find_processes,
    read_deleted,
    read_environment,
    read_memory,
)
from evidence.recorder import Line
from evidence.search import Piece
from evidence.site import Database, Site

CORE_OF: Final = (
    "solekey_auth",
    "solekey_devices",
    "solekey_vault",
    "solekey_rotation",
    "solekey_standalone",
)
"""The processes whose core is dumped: the services. Of the others the memory is read."""


def capture_traffic(lines: Iterable[Line]) -> Iterator[Piece]:
    """Take what passed between clients and server."""
    for number, line in enumerate(lines):
        yield Channel.REQUESTS, f"connection {number}", bytes(line.up)
        yield Channel.RESPONSES, f"connection {number}", bytes(line.down)


def capture_memory(site: Site, channel: Channel, *, services_only: bool = False) -> Iterator[Piece]:
    """Take the memory of every process of the server side, or of our own processes among them."""
    for process in find_processes(site.find_roots()):
        if services_only and not process.name.startswith("solekey_"):
            continue
        for block in read_memory(process):
            yield channel, f"{process.name} ({process.pid})", block


def capture_at_rest(site: Site) -> Iterator[Piece]:
    """Take everything that is not memory."""
    for service, database in site.databases.items():
        yield from _capture_rows(service, database)
    for channel, places in site.files.items():
        for place in places:
            for file in _find_files(place):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    yield channel, str(file), file.read_bytes()
    for name, answer in site.ask_health():
        yield Channel.HEALTH, name, answer
    for name, answer in site.ask_metrics():
        yield Channel.METRICS, name, answer
    for process in find_processes(site.find_roots()):
        where = f"{process.name} ({process.pid})"
        yield Channel.ENVIRONMENT, where, read_environment(process)
        for target, content in read_deleted(process):
            yield Channel.DELETED, f"{where}: {target}", content


def capture_cores(site: Site, *, by_gcore: bool) -> Iterator[Piece]:
    """Dump the core of each process of the services, and take it."""
    for process in find_processes(site.find_roots()):
        if process.name in CORE_OF:
            core = dump_core(process, site.cores, by_gcore=by_gcore)
            for piece in core.read():
                yield Channel.CORE, f"{core.path.name}, by {core.made_by}", piece
            core.path.unlink()


def _find_files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(file for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    return [place] if place.is_file() else []


def _capture_rows(service: str, database: Database) -> Iterator[Piece]:
    for name, columns, rows in read_tables(database):
        lines = [
            b"\t".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
            for row in rows
        ]
        yield Channel.DATABASE_ROWS, f"{service}.{name} ({', '.join(columns)})", b"\n".join(lines)


def read_tables(database: Database) -> Iterator[tuple[str, list[str], list[tuple[object, ...]]]]:
    """Read each table of a service: its name, its columns, its rows."""
    engine = create_engine(database.url)
    try:
        found = inspect(engine)
        with engine.connect() as connection:
            for name in sorted(found.get_table_names(schema=database.schema)):
                columns = [each["name"] for each in found.get_columns(name, schema=database.schema)]
                source = table(
                    quoted_name(name, quote=True),
                    *[make_column(quoted_name(each, quote=True)) for each in columns],
                    schema=database.schema,
                )
                yield name, columns, [tuple(row) for row in connection.execute(select(source))]
    finally:
        engine.dispose()


def find_byte_columns(database: Database) -> dict[tuple[str, str], None]:
    """Find every column that holds bytes: (table, column)."""
    engine = create_engine(database.url)
    try:
        found = inspect(engine)
        return {
            (name, each["name"]): None
            for name in sorted(found.get_table_names(schema=database.schema))
            for each in found.get_columns(name, schema=database.schema)
            if isinstance(each["type"], LargeBinary)
        }
    finally:
        engine.dispose()
