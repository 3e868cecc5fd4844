"""Records what a Python program writes to disk, also what it removes again. A test puts it on PYTHONPATH.

An audit hook sees every opening, renaming and removing before it happens; what would vanish is copied away
first. What it could not copy (a file without a name, another program, mapped memory) is named in the log, and
the test refuses it. SQLite writes by itself: what is handed to it is recorded; its files are with the rest.
"""

import itertools
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORD = Path(os.environ["RECORD_FOLDER"])
WANTED = Path(os.environ["WANTED_FOLDER"])
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NAMELESS = getattr(os, "O_TMPFILE", 0)
OTHER_WAYS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
STORES = ("mmap.__new__", "sqlite3.connect", "os.mkfifo", "os.mknod", "dbm.open", "shelve.open")

_log = os.open(RECORD / f"log-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_statements = os.open(RECORD / f"sql-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_numbers = itertools.count()
_busy = threading.local()


def _say(kind: str, what: object) -> None:
    os.write(_log, f"{kind}\t{what}\n".encode())


def _locate(path: Any) -> Path:
    return Path(os.fsdecode(path)).absolute()


def _keep(path: Any) -> None:
    """Copy what stands in a file now."""
    file = _locate(path)
    if file.is_file() and file.stat().st_size:
        asked_for = file.resolve().is_relative_to(WANTED)  # also what has no name yet: /proc/self/fd/4
        folder = RECORD / "wanted" if asked_for else RECORD
        shutil.copyfile(file, folder / f"{os.getpid()}-{next(_numbers)}-{file.name}")


def _open(path: Any, _: Any, flags: Any) -> None:
    if isinstance(path, int) or path is None or not isinstance(flags, int) or not flags & WRITES:
        return
    if NAMELESS and flags & NAMELESS == NAMELESS:
        _say("nameless", path)
        return
    _keep(path)
    _say("written", _locate(path))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if getattr(_busy, "now", False):
        return
    _busy.now = True
    try:
        if event == "open":
            _open(*arguments)
        elif event in {"os.rename", "os.link"}:
            _keep(arguments[0])
            _keep(arguments[1])
            _say("written", _locate(arguments[1]))
        elif event in {"os.remove", "os.truncate"} and not isinstance(arguments[0], int):
            _keep(arguments[0])
        elif event in OTHER_WAYS or event in STORES:
            _say(event, arguments)
    finally:
        _busy.now = False


class RecordedCursor(sqlite3.Cursor):
    """Writes down each statement with its values."""

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        _record_statement(statement, values)
        return super().execute(statement, values)

    def executemany(self, statement: str, rows: Any, /) -> sqlite3.Cursor:
        rows = list(rows)
        _record_statement(statement, rows)
        return super().executemany(statement, rows)

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        _record_statement(script, ())
        return super().executescript(script)


class RecordedDatabase(sqlite3.Connection):
    """A database whose every statement is written down."""

    def cursor(self, *_: Any, **__: Any) -> sqlite3.Cursor:
        return RecordedCursor(self)

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        return self.cursor().execute(statement, values)

    def executemany(self, statement: str, rows: Any, /) -> sqlite3.Cursor:
        return self.cursor().executemany(statement, rows)

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        return self.cursor().executescript(script)


def _record_statement(statement: str, values: Any) -> None:
    for value in _flatten((statement, values)):
        os.write(_statements, (value if isinstance(value, bytes) else str(value).encode()) + b"\n")


def _flatten(values: Any) -> Iterator[Any]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (list, tuple, dict)):
            yield from _flatten(value)
        else:
            yield value


def _connect(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
    """Connect as `sqlite3.connect` does; who connects in another way is in the log, and refused."""
    _busy.now = True
    try:
        made = sqlite3.Connection.__new__(RecordedDatabase)
        made.__init__(database, *arguments, **options)
    finally:
        _busy.now = False
    _say("database", database if database == ":memory:" else _locate(database))
    return made


sqlite3.connect = _connect
sys.addaudithook(_hook)

if planted := os.environ.get("PLANTED"):
    exec(planted)  # noqa: S102  # the positive controls: a build that leaks
