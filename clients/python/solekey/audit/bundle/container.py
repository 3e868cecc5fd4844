"""Where the files of a bundle lie: in a folder, or in one tar file (POSIX ustar). Spec: audit-bundle.md §1.

Nothing is unpacked. Only names of the format are opened; a link, or anything but a plain file, is refused.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from solekey.audit.bundle.errors import BundleError, BundleTrailingError, BundleTruncatedError
from solekey.audit.bundle.layout import MANIFEST, MAX_FILES, SIGNATURE, is_path
from solekey.audit.bundle.parts import is_converted
from solekey.audit.sources.errors import LogConvertedError
from solekey.files.text import find_mark

_TAR_BLOCK: Final = 512
_TAR_END: Final = bytes(_TAR_BLOCK)
_LOOK_BYTES: Final = 64 * 1024


class Container(Protocol):
    """The files of a bundle."""

    name: str

    def names(self) -> Mapping[str, int]:
        """Map the name of each file to its size in bytes; others than the format's, too."""
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give one file, for the length of a ``with`` block."""
        ...


class Folder:
    """A bundle in a folder."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def names(self) -> Mapping[str, int]:
        """See Container.names."""
        found: dict[str, int] = {}
        for folder, folders, files in os.walk(self._path, followlinks=False):
            for name in (*files, *(each for each in folders if Path(folder, each).is_symlink())):
                path = Path(folder, name)
                state = path.lstat()
                relative = path.relative_to(self._path).as_posix()
                if is_known(relative) and not stat.S_ISREG(state.st_mode):
                    raise BundleError(f"{path} is no plain file")
                found[relative] = state.st_size
                if len(found) > MAX_FILES:
                    raise BundleError(f"{self.name} has more than {MAX_FILES} files")
        return found

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """See Container.open."""
        path = self._path
        for piece in Path(name).parts:  # a folder that is a link would lead elsewhere
            path = path / piece
            if path.is_symlink():
                raise BundleError(f"{path} is a symbolic link")
        with path.open("rb") as file:
            yield file


class TarFile:
    """A bundle in one tar file, as ``solekey audit export`` writes it: ustar, plain files, nothing behind."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._places = self._index()

    def names(self) -> Mapping[str, int]:
        """See Container.names."""
        return {name: size for name, (_, size) in self._places.items()}

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """See Container.open."""
        start, size = self._places[name]
        with self._path.open("rb") as file:
            file.seek(start)
            yield _Piece(file, size)  # type: ignore[misc]  # it reads as a file does

    def _index(self) -> dict[str, tuple[int, int]]:
        total = self._path.stat().st_size
        places: dict[str, tuple[int, int]] = {}
        with self._path.open("rb") as file:
            begin = file.read(_LOOK_BYTES)
            if find_mark(begin) or _has_converted_part(begin):
                raise LogConvertedError(f"{self.name} was converted; that is no sign of tampering")
            position = 0
            while (header := self._read_header(file, position)) != _TAR_END:
                name, size = _parse_header(header, self.name)
                start = position + _TAR_BLOCK
                position = start + -(-size // _TAR_BLOCK) * _TAR_BLOCK
                if position > total:
                    raise BundleTruncatedError(f"{self.name} is cut off in {name}")
                if name in places:
                    raise BundleError(f"{self.name} holds {name} twice")
                if len(places) >= MAX_FILES:
                    raise BundleError(f"{self.name} has more than {MAX_FILES} files")
                places[name] = start, size
            rest = file.read(_TAR_BLOCK)
        if rest != _TAR_END:
            raise BundleTruncatedError(f"{self.name} is cut off at its end")
        if total != position + 2 * _TAR_BLOCK:
            raise BundleTrailingError(
                f"{self.name}: {total - position - 2 * _TAR_BLOCK} bytes behind its end"
            )
        return places

    def _read_header(self, file: BinaryIO, position: int) -> bytes:
        file.seek(position)
        header = file.read(_TAR_BLOCK)
        if len(header) != _TAR_BLOCK:
            raise BundleTruncatedError(f"{self.name} is cut off")
        return header


class _Piece:
    """A piece of a file, to read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        return data


def open_container(path: Path) -> Container:
    """Open a bundle's folder or tar file."""
    return Folder(path) if path.is_dir() else TarFile(path)


def looks_like_tar(path: Path) -> bool:
    """Tell from its first bytes whether a file is a tar file, also one that was converted."""
    try:
        with path.open("rb") as file:
            begin = file.read(_LOOK_BYTES)
    except (OSError, ValueError):
        return False
    # a converted one still begins with a name of ours, behind whatever mark
    return begin[257:263] == b"ustar\x00" or begin.lstrip(b"\xef\xbb\xbf").startswith(
        MANIFEST.encode() + b"\x00"
    )


def is_known(name: str) -> bool:
    """Tell whether the format has a file of this name."""
    return name in {MANIFEST, SIGNATURE} or is_path(name)


def _parse_header(header: bytes, container: str) -> tuple[str, int]:
    """Take the name and size from a header block (POSIX.1-1988 ustar)."""
    try:
        checksum = int(header[148:156].rstrip(b"\x00 "), 8)
        size = int(header[124:136].rstrip(b"\x00 "), 8)
        name = b"/".join(
            piece for piece in (header[345:500].rstrip(b"\x00"), header[:100].rstrip(b"\x00")) if piece
        ).decode("ascii")
    except ValueError as error:
        raise BundleError(f"{container} is no tar file of a bundle") from error
    if sum(header[:148]) + sum(header[156:]) + 8 * ord(" ") != checksum or size < 0:
        raise BundleError(f"{container} is no tar file of a bundle: a header is damaged")
    if header[156:157] not in (b"0", b"\x00") or not is_known(name):
        raise BundleError(f"{container} holds {name[:80]!r}, which is no file of a bundle")
    return name, size


def _has_converted_part(begin: bytes) -> bool:
    at = begin.find(b"\x89SKB")
    return at >= 0 and (begin[at - 1 : at] == b"\xc2" or is_converted(begin[at : at + 16]))
