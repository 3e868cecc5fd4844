"""A file that is to be stored, as it was looked at: read only while it is still that. Spec: vault.md §10."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from solekey.crypto import ContentSource
from solekey.errors import ContentSizeError, SourceError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file and its state. Every write changes the state, whatever a program does to the times.

    Attributes:
        path: the file, without links.
        size: bytes, as the file system claims; files that are made as they are read (/proc) say 0.
        state: what changes with the content: size, times of content and inode, number of the inode.
    """

    path: Path
    size: int
    state: tuple[int, ...]

    @classmethod
    def look_at(cls, path: Path) -> Self:
        """Look at a file that is to be stored.

        Raises:
            SourceError: it is not there, a folder, a device, or may not be read.
        """
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
                raise SourceError(f"{path} is {kind}")
            with path.open("rb"):
                return cls(path.resolve(), status.st_size, _describe(status))
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error

    @contextmanager
    def open(self) -> Iterator[ContentSource]:
        """Open it for one reading.

        Raises:
            SourceError: it cannot be opened any more.
            ContentSizeError: it changed since it was looked at, or while it was read.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.path}: {error.strerror}") from error
        with file:
            self._verify_unchanged(file.fileno())
            yield file.read
            self._verify_unchanged(file.fileno())

    def _verify_unchanged(self, descriptor: int) -> None:
        if _describe(os.fstat(descriptor)) != self.state:
            raise ContentSizeError(f"{self.path} changed while it was read")


def _describe(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
