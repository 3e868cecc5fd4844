"""A folder that only its owner may enter: 0700, files 0600, whole-file writes, one writer at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from solekey.errors import ProfileError
from solekey.files.disk_room import naming_full_disk
from solekey.files.locks import hold_lock
from solekey.files.whole_file import write_whole

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

    def write(self, name: str, data: bytes, *, tidies: bool = True) -> None:
        """Write a whole file: after a crash it is the old one or the new one, never a half.

        Args:
            name: the file.
            data: what it is to hold.
            tidies: see `WholeFile.make`.
        """
        target = self.path / name
        self._make_parent(target)
        write_whole(target, data, tidies=tidies)

    def overwrite(self, name: str, data: bytes) -> None:
        """Overwrite a file where it lies, which takes no room on most file systems; a crash may leave a half.

        Raises:
            DiskFullError: it takes room after all; the file is as it was, or a half.
            FileNotFoundError: there is no such file.
        """
        descriptor = os.open(self.path / name, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            with naming_full_disk(self.path):
                _write_all(descriptor, data)
                os.ftruncate(descriptor, len(data))
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_beginning(self, name: str, size: int) -> bytes | None:
        """Read the first bytes of a file; None when there is none."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def append(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Append to a file; a crash may leave a cut end, which the reader drops.

        Args:
            name: the file.
            data: what to append.
            durable: it is on disk when this returns; otherwise it outlives the process, not a power cut.

        Raises:
            DiskFullError: there is no room; the file is as it was.
        """
        target = self.path / name
        self._make_parent(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        with naming_full_disk(target.parent):
            descriptor = os.open(target, flags, _FILE_MODE)
        before = os.fstat(descriptor).st_size
        try:
            with naming_full_disk(target.parent):
                _write_all(descriptor, data)
                if durable:
                    os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
        finally:
            os.close(descriptor)

    def _make_parent(self, target: Path) -> None:
        with naming_full_disk(self.path):
            target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)

    def cut(self, name: str, size_bytes: int) -> None:
        """Cut a file to a size, durably."""
        descriptor = os.open(self.path / name, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.ftruncate(descriptor, size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            (self.path / name).unlink()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep every other process (and thread) out of what `name` guards; not re-entrant."""
        with hold_lock(self.path / f"{name}.lock", wait=True):
            yield


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def open_private(path: Path, flags: int) -> Iterator[BinaryIO]:
    """Open a file that only this user may read, also while it is being made."""
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), _FILE_MODE)
    mode = {os.O_WRONLY: "wb", os.O_RDWR: "r+b"}[flags & (os.O_WRONLY | os.O_RDWR)]
    with os.fdopen(descriptor, "ab" if flags & os.O_APPEND else mode) as file:
        yield cast("BinaryIO", file)
