"""A folder that only its owner may enter: 0700, files 0600, whole-file writes, one writer at a time."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from solekey.errors import ProfileError

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """A folder of this user. Names are relative to it."""

    path: Path

    def make(self) -> None:
        """Make the folder if it is not there, and close it to others."""
        try:
            self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise ProfileError(f"{self.path}: {error.strerror}") from error
        self.verify_private()

    def verify_private(self) -> None:
        """Verify that nobody else may enter. Raises ProfileError."""
        if os.name == "posix" and self.path.stat().st_mode & _OTHERS:
            raise ProfileError(f"{self.path} is open to other users of this machine (chmod 700 it)")

    def read(self, name: str) -> bytes | None:
        """Read a file; None when there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file: after a crash it is the old one or the new one, never a half."""
        target = self.path / name
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        with open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)

    def append(self, name: str, data: bytes) -> None:
        """Append to a file durably; a crash may leave a cut end, which the reader drops."""
        target = self.path / name
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with open_private(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            (self.path / name).unlink()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep every other process (and thread) out of what `name` guards; not re-entrant."""
        with open_private(self.path / f"{name}.lock", os.O_RDWR | os.O_CREAT) as file:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def open_private(path: Path, flags: int) -> Iterator[BinaryIO]:
    """Open a file that only this user may read, also while it is being made."""
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), _FILE_MODE)
    mode = {os.O_WRONLY: "wb", os.O_RDWR: "r+b"}[flags & (os.O_WRONLY | os.O_RDWR)]
    with os.fdopen(descriptor, "ab" if flags & os.O_APPEND else mode) as file:
        yield cast("BinaryIO", file)
