"""A disk of a few MiB, which a test fills and empties: a real file system in memory, mounted by root.

Where none can be mounted its tests are skipped with the reason; with SOLEKEY_REQUIRE_REAL=1 they fail.
"""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from solekey_protocol.limits import MIB
from tests.support.engines.engine import EngineUnavailableError, required

FILES = 400
"""How many files and folders fit on one, if room does not end first and nothing else is said."""


@dataclass(frozen=True)
class SmallDisk:
    """What is mounted at a folder."""

    path: Path

    def fill(self) -> None:
        """Take all room that is left, to the last byte."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for size in (64 * 1024, 1):
                _repeat_until_full(lambda size=size: ballast.write(bytes(size)))

    def use_up_names(self) -> None:
        """Take all files that may be made: nothing new can be, though there is room for bytes."""
        self._ballast.mkdir()
        numbers = iter(range(FILES + 1))
        _repeat_until_full(lambda: (self._ballast / str(next(numbers))).touch())

    def empty(self) -> None:
        """Give all of that back."""
        if self._ballast.is_dir():
            for path in self._ballast.iterdir():
                path.unlink()
            self._ballast.rmdir()
        else:
            self._ballast.unlink()

    def leave(self, room_bytes: int) -> None:
        """Make the disk as large as what is on it, and some room."""
        state = os.statvfs(self.path)
        self.resize((state.f_blocks - state.f_bfree) * state.f_frsize + room_bytes)

    def resize(self, size_bytes: int) -> None:
        """Make the disk larger or smaller."""
        _run("mount", "-o", f"remount,size={size_bytes}", str(self.path))

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"


@contextmanager
def mount_small_disk(folder: Path, size_bytes: int = 4 * MIB, *, files: int = FILES) -> Iterator[SmallDisk]:
    """Mount a disk at a folder; what is in the folder is on it."""
    with required(_mount(folder, size_bytes, files)) as disk:
        yield disk


@contextmanager
def _mount(folder: Path, size_bytes: int, files: int) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        raise EngineUnavailableError("only root mounts a file system")
    covered = folder.with_name(f"{folder.name} covered")
    folder.rename(covered)
    folder.mkdir(mode=0o700)
    try:
        options = f"size={size_bytes},nr_inodes={files},mode=700"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    except subprocess.CalledProcessError as error:
        raise EngineUnavailableError(f"no file system can be mounted: {error.stderr}") from error
    try:
        _run("cp", "-a", f"{covered}/.", str(folder))
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))


def _repeat_until_full(step: Callable[[], object]) -> None:
    try:
        while True:
            step()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
