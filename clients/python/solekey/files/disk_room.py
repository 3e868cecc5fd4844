"""Room on disks: full ones are named, and what cannot fit is not begun."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from solekey.errors import DiskFullError

_FULL: Final = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})


def is_full_disk(error: OSError) -> bool:
    """Whether an error tells of a full disk, a quota or a file size limit."""
    return error.errno in _FULL


def verify_room(folder: Path, needed_bytes: int) -> None:
    """Verify that a folder's disk has room now. Raises DiskFullError."""
    disk = shutil.disk_usage(folder)
    if disk.total and needed_bytes > disk.free:  # some network file systems tell no sizes at all
        raise DiskFullError(f"{folder}: {needed_bytes:,} bytes are needed, {disk.free:,} are free")


def verify_writable(folder: Path, size: int) -> None:
    """Verify that so many bytes can be written in a folder: a quota is not told by how many are free.

    Raises:
        DiskFullError: they cannot.
    """
    with naming_full_disk(folder), tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size))
        file.flush()


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Raise DiskFullError where the operating system tells of a full disk, a quota or a file size limit."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            raise DiskFullError(f"{folder}: {error.strerror}") from error
        raise
