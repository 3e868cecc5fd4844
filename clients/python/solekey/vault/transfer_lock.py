"""One transfer of a file at a time, also across the processes of one profile; no waiting, no stale locks.

The operating system drops a lock when its process ends, however it ends.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from solekey.errors import TransferBusyError

_MODE = 0o600
_FOLDER_MODE = 0o700


@contextmanager
def hold_transfer(path: Path) -> Iterator[None]:
    """Hold the lock of one transfer, a file that is there only while somebody holds it.

    Raises:
        TransferBusyError: another program, or another thread, holds it.
    """
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = _open_locked(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed, if nobody else has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX, Windows
        return False
    return True


def _open_locked(path: Path) -> int:
    """Open and lock the file that has this name: it may be deleted between the two."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), _MODE)
        locked = try_lock(descriptor)
        if locked and _has_name(descriptor, path):
            return descriptor
        os.close(descriptor)
        if not locked:
            raise TransferBusyError("another program transfers the same file right now")


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
