"""One program at a time, also across processes; no stale locks.

The operating system drops a lock when its process ends, however it ends. The lock's file is there only while
somebody holds it or waits for it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from solekey.files.disk_room import naming_full_disk

_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class LockHeldError(Exception):
    """Another program, or another thread, holds the lock."""


@contextmanager
def hold_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Keep every other process and thread out of the block; not re-entrant.

    Args:
        path: the lock's file.
        wait: wait for another holder, or else refuse.

    Raises:
        LockHeldError: it is held, and `wait` is not given.
        DiskFullError: there is no room for the lock's file.
    """
    with naming_full_disk(path.parent):
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = _open_locked(path, wait=wait)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def lock_descriptor(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; False where somebody else has, and nobody waits."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX, Windows
        return False
    return True


def _open_locked(path: Path, *, wait: bool) -> int:
    """Open and lock the file that has this name: it may be deleted between the two."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), _MODE)
        locked = lock_descriptor(descriptor, wait=wait)
        if locked and has_name(descriptor, path):
            return descriptor
        os.close(descriptor)
        if not locked and not wait:
            raise LockHeldError(f"{path} is held")


def has_name(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
