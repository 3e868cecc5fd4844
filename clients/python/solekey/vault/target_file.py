"""A file that appears under its name when it is whole and on disk, and not before.

Until then it has no name at all where the system can do that (Linux): a process that is killed leaves no
plaintext behind. Elsewhere it has a temporary name in the same folder, readable by its owner alone; what a
killed process has left under one is deleted by the next that writes the same file.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from solekey.errors import TargetError
from solekey.vault.disk_room import naming_full_disk
from solekey.vault.transfer_lock import try_lock

_MODE: Final = 0o600
_OWN_FILES: Final = Path("/proc/self/fd")


@dataclass(slots=True)
class TargetFile:
    """A file on its way. Write to ``file``, then `publish`."""

    path: Path
    file: BinaryIO
    temporary: Path | None

    @classmethod
    @contextmanager
    def make(cls, path: Path) -> "Iterator[TargetFile]":
        """Make the file in the target's folder; what is not published by the end of the block is deleted.

        A symbolic link is followed, so that what it names is replaced, unless another user has made it.

        Raises:
            TargetError: no folder, no permission, or something that is not a file stands there.
            DiskFullError: there is no room.
        """
        resolved = _resolve(path)
        try:
            _delete_abandoned(resolved)
            descriptor, temporary = _open_unnamed(resolved) or _open_named(resolved)
        except OSError as error:
            raise TargetError(f"{path}: {error.strerror}") from error
        with os.fdopen(descriptor, "wb") as file:
            target = cls(resolved, cast("BinaryIO", file), temporary)
            try:
                with naming_full_disk(resolved.parent):
                    yield target
            finally:
                if target.temporary is not None:
                    with suppress(OSError):
                        target.temporary.unlink()

    def publish(self) -> None:
        """Bring the file to disk and give it its name, in the place of what had it."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if self.temporary is None:
            named = _choose_temporary(self.path)
            # a directory descriptor makes Python call linkat, which follows the link in /proc
            source = _OWN_FILES / str(self.file.fileno())
            os.link(source, named, src_dir_fd=self.file.fileno(), follow_symlinks=True)
            self.temporary = named
        self.temporary.replace(self.path)
        self.temporary = None


def _resolve(path: Path) -> Path:
    try:
        resolved = path.resolve()
        if path.is_symlink() and hasattr(os, "geteuid") and path.lstat().st_uid not in {0, os.geteuid()}:
            raise TargetError(f"{path} is a link that another user has made")
        if not stat.S_ISREG(resolved.stat().st_mode):
            raise TargetError(f"{path} is {'a folder' if resolved.is_dir() else 'not a file'}")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from error
    except RuntimeError as error:
        raise TargetError(f"{path} is a link that leads back to itself") from error
    return resolved


def _open_unnamed(path: Path) -> tuple[int, None] | None:
    """Open a file that has no name; None where the system or the file system cannot do that."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not _OWN_FILES.is_dir():
        return None
    try:
        descriptor = os.open(path.parent, flag | os.O_WRONLY, _MODE)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:
        return None
    try_lock(descriptor)
    return descriptor, None


def _open_named(path: Path) -> tuple[int, Path]:
    temporary = _choose_temporary(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, _MODE)
    try_lock(descriptor)
    return descriptor, temporary


def _choose_temporary(path: Path) -> Path:
    """Choose a name that fits beside every target's, however long that is."""
    return path.with_name(f"{_find_stem(path)}{os.getpid()}-{os.urandom(4).hex()}.part")


def _find_stem(path: Path) -> str:
    return f".solekey-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def _delete_abandoned(path: Path) -> None:
    """Delete what killed processes have left beside the target: nobody holds its lock."""
    for left in path.parent.glob(f"{_find_stem(path)}*.part"):
        with suppress(OSError):
            if sys.platform != "win32":
                descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
                abandoned = try_lock(descriptor)
                os.close(descriptor)
                if not abandoned:
                    continue
            left.unlink()  # Windows refuses this while the file is open
