"""A file that appears under its name when it is whole and on disk, and not before. All files are written so.

Until then it has no name at all where the system can do that (Linux): a process that is killed leaves nothing
behind. Elsewhere it has a random temporary name in the same folder; what a killed process has left under one
is deleted by the next that writes the same file. It is readable by its owner alone (0600).

What is not a plain file is never replaced: no folder, device, pipe or symbolic link. ADR 0042.
"""

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from solekey.errors import OutputExistsError, TargetError
from solekey.files.disk_room import naming_full_disk
from solekey.files.locks import has_name, lock_descriptor

_MODE: Final = 0o600
_STEM: Final = ".solekey-"
_OWN_FILES: Final = Path("/proc/self/fd")
_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link: name the file itself"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISREG, ""),
)


def write_whole(path: Path, data: bytes, *, new: bool = False, tidies: bool = True) -> None:
    """Write a whole file: after a crash there is the old one or the new one. See `WholeFile.make`."""
    with WholeFile.make(path, new=new, tidies=tidies) as whole:
        whole.file.write(data)
        whole.publish()


@dataclass(slots=True)
class WholeFile:
    """A file on its way. Write to ``file``, then `publish`."""

    path: Path
    file: BinaryIO
    temporary: Path | None
    new: bool

    @classmethod
    @contextmanager
    def make(cls, path: Path, *, new: bool = False, tidies: bool = True) -> "Iterator[WholeFile]":
        """Make the file in the target's folder; what is not published by the end of the block is deleted.

        Args:
            path: the file's name.
            new: replace nothing, also nothing that comes into being meanwhile.
            tidies: delete what was abandoned of the file, which looks at every name in the folder; otherwise
                the caller has it deleted (`delete_abandoned`).

        Raises:
            TargetError: no folder, no permission, or something that is not a plain file stands there.
            OutputExistsError: there is a file of this name, and ``new`` is given.
            DiskFullError: there is no room.
        """
        _verify_target(path, new=new)
        with naming_full_disk(path.parent):
            try:
                if tidies:
                    delete_abandoned(path.parent, _find_stem(path))
                descriptor, temporary = _open_unnamed(path) or _open_named(path)
            except OSError as error:
                raise _explain(path, error) from error
        with os.fdopen(descriptor, "wb") as file:
            whole = cls(path, cast("BinaryIO", file), temporary, new)
            try:
                with naming_full_disk(path.parent):
                    yield whole
            except BaseException:
                _drop_buffer(whole.file)
                raise
            finally:
                if whole.temporary is not None:
                    with suppress(OSError):
                        whole.temporary.unlink()

    def publish(self) -> None:
        """Bring the file to disk and give it its name. Raises as `make`."""
        with naming_full_disk(self.path.parent):
            self.file.flush()
            os.fsync(self.file.fileno())
            try:
                self._give_name()
            except FileExistsError as error:
                raise OutputExistsError(f"{self.path} came into being meanwhile") from error
            except OSError as error:
                raise _explain(self.path, error) from error
            sync_folder(self.path.parent)

    def _give_name(self) -> None:
        temporary = self.temporary or self._name_unnamed()
        if temporary is None:
            return
        self.temporary = temporary
        _verify_target(self.path, new=self.new)
        if self.new:
            _move_new(temporary, self.path)
        else:
            temporary.replace(self.path)
            self.temporary = None

    def _name_unnamed(self) -> Path | None:
        """Give a file without a name a temporary one; a new file gets its own at once: None."""
        try:
            if self.new:
                self._link(self.path)
                return None
            named = _choose_temporary(self.path)
            self._link(named)
        except FileExistsError:
            raise
        except OSError:  # no links here, after all
            return self._copy_to_name()
        return named

    def _link(self, name: Path) -> None:
        # a directory descriptor makes Python call linkat, which follows the link in /proc
        source = _OWN_FILES / str(self.file.fileno())
        os.link(source, name, src_dir_fd=self.file.fileno(), follow_symlinks=True)

    def _copy_to_name(self) -> Path:
        descriptor, self.temporary = _open_named(self.path)
        with os.fdopen(descriptor, "wb") as named, os.fdopen(os.dup(self.file.fileno()), "rb") as whole:
            whole.seek(0)
            shutil.copyfileobj(whole, named)
            named.flush()
            os.fsync(named.fileno())
        return self.temporary


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _verify_target(path: Path, *, new: bool) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _explain(path, error) from error
    kind = next((kind for is_it, kind in _KINDS if is_it(mode)), "not a plain file")
    if kind:
        raise TargetError(f"{path} is {kind}")
    if new:
        raise OutputExistsError(f"{path} exists")


def _explain(path: Path, error: Exception) -> Exception:
    """Explain why a file cannot be written; a full disk is named by who called."""
    from solekey.files.disk_room import is_full_disk

    if isinstance(error, OSError) and is_full_disk(error):
        return error
    return TargetError(f"{path}: {getattr(error, 'strerror', None) or error}")


def _open_unnamed(path: Path) -> tuple[int, None] | None:
    """Open a file that has no name; None where the system or the file system cannot do that."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not _OWN_FILES.is_dir():
        return None
    try:
        descriptor = os.open(path.parent, flag | os.O_RDWR, _MODE)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:
        return None
    lock_descriptor(descriptor, wait=False)
    return descriptor, None


def _open_named(path: Path) -> tuple[int, Path]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    while True:
        temporary = _choose_temporary(path)
        descriptor = os.open(temporary, flags, _MODE)
        lock_descriptor(descriptor, wait=True)
        if has_name(descriptor, temporary):  # else it looked abandoned before it was locked
            return descriptor, temporary
        os.close(descriptor)


def _choose_temporary(path: Path) -> Path:
    """Choose a name that nobody can guess, and that fits beside every target's, however long that is."""
    return path.with_name(f"{_find_stem(path)}{os.urandom(8).hex()}.part")


def _find_stem(path: Path) -> str:
    return f"{_STEM}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def _move_new(temporary: Path, path: Path) -> None:
    """Give a file a name that nobody has. File systems without links (FAT) take a rename."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError as error:
        if os.path.lexists(path):
            raise FileExistsError(f"{path} exists") from error
        temporary.rename(path)


def _drop_buffer(file: BinaryIO) -> None:
    """Keep what could not be written from being written again when the file is closed."""
    with suppress(OSError, AttributeError):
        file.raw.close()  # type: ignore[attr-defined]  # a BufferedWriter has it


def delete_abandoned(folder: Path, stem: str = _STEM) -> None:
    """Delete what killed processes have left in a folder: nobody holds its lock."""
    for left in folder.glob(f"{stem}*.part"):
        with suppress(OSError):
            if sys.platform == "win32":
                left.unlink()  # refused while the file is open
                continue
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if lock_descriptor(descriptor, wait=False):
                    left.unlink()
            finally:
                os.close(descriptor)
