"""Records what a Python program writes to disk, also what it removes again. A test puts it on PYTHONPATH.

An audit hook sees every opening, renaming and removing before it happens; what would vanish is copied away
first. What it could not copy (a file without a name, another program, mapped memory) is named in the log, and
the test refuses it.
"""

import itertools
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

RECORD = Path(os.environ["RECORD_FOLDER"])
WANTED = Path(os.environ["WANTED_FOLDER"])
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NAMELESS = getattr(os, "O_TMPFILE", 0)
OTHER_WAYS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
STORES = ("mmap.__new__", "sqlite3.connect", "os.mkfifo", "os.mknod", "dbm.open", "shelve.open")

_log = os.open(RECORD / f"log-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
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


sys.addaudithook(_hook)

if planted := os.environ.get("PLANTED"):
    exec(planted)  # noqa: S102  # the positive controls: a build that leaks
