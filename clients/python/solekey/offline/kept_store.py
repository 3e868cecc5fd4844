"""Ciphertext that this device keeps: one file an object, under its digest.

::

    kept/items/<digest>    parts of the items that the user keeps
    kept/cache/<digest>    parts of what was read, up to a limit; what was not read for longest goes first

An object is verified against its digest whenever it is read; one that is damaged is deleted and is not there.
Spec: offline.md §4.
"""

import logging
import os
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final

from solekey.errors import DiskFullError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.ids import Digest, compute_digest

_ITEMS: Final = "kept/items"
_CACHE: Final = "kept/cache"
_log = logging.getLogger(__name__)


class KeptStore:
    """The objects that one profile keeps. Processes may share it."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder

    def has(self, digest: Digest) -> bool:
        """Whether an object is there; what it is, is verified when it is read."""
        return any((self._folder.path / room / digest).is_file() for room in (_ITEMS, _CACHE))

    def read(self, digest: Digest) -> bytes | None:
        """Read an object; None: it is not there, or damaged."""
        for room in (_ITEMS, _CACHE):
            data = self._folder.read(f"{room}/{digest}")
            if data is None:
                continue
            if compute_digest(data) == digest:
                with suppress(OSError):
                    os.utime(self._folder.path / room / digest)  # it was read now
                return data
            _log.warning("a kept object is damaged and deleted")
            self._folder.delete(f"{room}/{digest}")
        return None

    def keep(self, digest: Digest, data: bytes) -> None:
        """Keep a part of an item that the user keeps. Raises DiskFullError."""
        self._folder.write(f"{_ITEMS}/{digest}", data)
        self._folder.delete(f"{_CACHE}/{digest}")

    def list_items(self) -> set[Digest]:
        """List the parts of kept items that are there."""
        return {Digest(path.name) for path in self._list(_ITEMS)}

    def drop_items(self, wanted: AbstractSet[Digest]) -> None:
        """Delete the parts of items that are not wanted any more."""
        for digest in self.list_items() - wanted:
            self._folder.delete(f"{_ITEMS}/{digest}")

    def cache(self, digest: Digest, data: bytes, limit_bytes: int) -> None:
        """Keep what was read, if it fits; a full disk keeps nothing, and nobody from reading."""
        if len(data) > limit_bytes or self.has(digest):
            return
        try:
            self.shrink_cache(limit_bytes - len(data))
            self._folder.write(f"{_CACHE}/{digest}", data)
        except DiskFullError:
            _log.info("the disk is full: what is read is not kept")

    def shrink_cache(self, limit_bytes: int) -> None:
        """Delete what was not read for longest until the cache is within a limit."""
        aged: list[tuple[float, int, Path]] = []
        for path in self._list(_CACHE):
            with suppress(OSError):
                state = path.stat()
                aged.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in aged)
        for _, size, path in sorted(aged):
            if total <= limit_bytes:
                break
            with suppress(OSError):
                path.unlink()
            total -= size

    def measure(self) -> tuple[int, int]:
        """Measure the kept items and the cache, in bytes."""
        items, cache = (
            sum(path.stat().st_size for path in self._list(room) if path.is_file())
            for room in (_ITEMS, _CACHE)
        )
        return items, cache

    def erase(self) -> None:
        """Erase all."""
        for room in (_ITEMS, _CACHE):
            for path in self._list(room):
                with suppress(FileNotFoundError):
                    path.unlink()

    def _list(self, room: str) -> list[Path]:
        return [path for path in (self._folder.path / room).glob("*") if not path.name.startswith(".")]
