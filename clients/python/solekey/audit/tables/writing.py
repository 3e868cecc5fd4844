"""Rows into one database file: each process writes lines of JSON, and DuckDB reads them all at the end."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from solekey.audit.report import Report
from solekey.audit.tables.columns import EVENT_TABLES, OTHER_TABLES, TABLES, Columns
from solekey.audit.tables.rows import FieldCounts, Row
from solekey.files.scratch import open_scratch
from solekey_protocol.events import Stream

MEMORY: Final = "512MB"
"""What DuckDB may hold in memory while it sorts; the rest waits on disk."""
_PARTIAL: Final = ".partial"
_ACROSS: Final = "across"
"""Rows that are in no table: what is found at events once all accounts were gone through."""
_ACROSS_OF: Final = {"events": "own.stream", "wraps": "'vault'"}
"""The tables whose rows may be of such an event, and of which stream they are."""


class RowFiles:
    """Lines of JSON, a file a table, of one part of a log. A context manager."""

    def __init__(self, folder: Path, part: str) -> None:
        self._folder = folder
        self._part = part
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()
        self._encode = msgspec.json.Encoder(enc_hook=str).encode  # identifiers are texts
        self.fields = FieldCounts()

    def write(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Write rows, each with its table."""
        for table, row in rows:
            file = self._files.get(table)
            if file is None:
                path = self._folder / f"{table}-{self._part}.jsonl"
                file = self._files[table] = self._stack.enter_context(open_scratch(path))
            file.write(self._encode(row) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write(self.fields.rows())
        self._stack.close()


def write_tables(target: Path, folder: Path, report: Report) -> None:
    """Write a database of the rows in a folder and of a report, in the place of ``target``."""
    import duckdb

    with RowFiles(folder, "report") as files:
        files.write(_tell_report(report))
        files.write(_tell_across(report))
    partial = target.with_name(target.name + _PARTIAL)
    partial.unlink(missing_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(folder),
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(str(partial), config=settings) as database:
        for table, columns in TABLES.items():
            database.execute(_make(table, columns, folder))
    partial.replace(target)


def _make(table: str, columns: Columns, folder: Path) -> str:
    """The statement that makes a table; its names are ours, and no text of a log is in it."""
    names = ", ".join(f'"{name}"' for name in columns)
    if not any(folder.glob(f"{table}-*.jsonl")):
        declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        return f"CREATE TABLE {table} ({declared})"
    typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    files = str(folder / f"{table}-*.jsonl").replace("'", "''")
    rows = f"read_json('{files}', format='newline_delimited', columns={{{typed}}})"
    if table in _ACROSS_OF and any(folder.glob(f"{_ACROSS}-*.jsonl")):
        rows = _name_causes(table, rows, folder)
    if table == "fields":
        return (
            f"CREATE TABLE fields AS SELECT event, field, CAST(sum(count) AS BIGINT) AS count, "  # noqa: S608  # our names
            f"max(longest) AS longest FROM {rows} GROUP BY event, field ORDER BY event, field"
        )
    order = "time, account, seq" if table in EVENT_TABLES else ""
    order = order or ("account" if "account" in columns and table in {"accounts", "devices"} else "")
    return f"CREATE TABLE {table} AS SELECT {names} FROM {rows}" + (f" ORDER BY {order}" if order else "")  # noqa: S608  # our names


def _name_causes(table: str, rows: str, folder: Path) -> str:
    """Rows with the findings that only several accounts together show, where an event has no other."""
    files = str(folder / f"{_ACROSS}-*.jsonl").replace("'", "''")
    columns = "{'account': 'VARCHAR', 'stream': 'VARCHAR', 'seq': 'INTEGER', 'cause': 'VARCHAR'}"
    found = f"read_json('{files}', format='newline_delimited', columns={columns})"
    cause = "coalesce(own.cause, found.cause) AS cause"
    place = f"found.account = own.account AND found.seq = own.seq AND found.stream = {_ACROSS_OF[table]}"
    return f"(SELECT own.* REPLACE ({cause}) FROM {rows} own LEFT JOIN {found} found ON {place})"  # noqa: S608  # our names


def _tell_across(report: Report) -> Iterator[tuple[str, Row]]:
    causes = {(each.account, each.stream, each.seq): f"{each.check} {each.code}" for each in report.across}
    for (account, stream, seq), cause in causes.items():
        yield _ACROSS, {"account": account, "stream": stream, "seq": seq, "cause": cause}


def _tell_report(report: Report) -> Iterator[tuple[str, Row]]:
    for is_notice, findings in ((False, report.findings), (True, report.notices)):
        for finding in findings:
            yield "findings", {**finding.summary(), "is_notice": is_notice}
    for account in report.accounts.values():
        heads = {stream.value: account.head(stream) for stream in Stream}
        row: Row = {name: getattr(account, name, None) for name in OTHER_TABLES["accounts"]}
        yield "accounts", {**row, **heads, "live_wraps": len(account.live_wraps)}
    for row in report.summarise_coverage():
        yield "coverage", row
    encode = msgspec.json.Encoder(enc_hook=str).encode
    about = {
        "verdict": report.verdict.value,
        "records": report.records,
        "doubts": report.doubts,
        "covert": report.covert.summary(),
    }
    provenance = report.provenance.summary() if report.provenance is not None else {}
    for name, value in {**about, **provenance}.items():
        yield "about", {"name": name, "value": value if isinstance(value, str) else encode(value).decode()}
