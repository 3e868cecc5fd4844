"""Sealed files on their way down: an envelope on disk, or its beginning, so that a download can be resumed.

What is there is ciphertext, and each part is checked against the signed commit's digest: on arrival, and
again by who resumes. Nothing else says what is there, so nothing can be out of step. Spec: vault.md §10.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from solekey.errors import TransferBusyError
from solekey.files.disk_room import naming_full_disk, verify_room
from solekey.files.private_folder import PrivateFolder, open_private
from solekey.progress import Progress
from solekey.transfer.lock import hold_transfer
from solekey.transfer.objects import ObjectStore
from solekey.transfer.parallel import map_ahead
from solekey.transfer.sealed_sources import find_starts
from solekey.transfer.upload_spool import KEPT_S
from solekey_protocol.change_list import Change
from solekey_protocol.ids import ItemId, compute_digest

_FOLDER: Final = "downloads"
_SUFFIX: Final = ".sealed"


class DownloadSpool:
    """One item version on its way down: ``downloads/<item>.<version>.sealed``. Use it in a `held` block."""

    def __init__(self, change: Change, path: Path, file: BinaryIO) -> None:
        self._change = change
        self._path = path
        self.file = file

    @classmethod
    @contextmanager
    def held(cls, folder: PrivateFolder, change: Change) -> "Iterator[DownloadSpool]":
        """Open the spool, and keep other processes away.

        Raises:
            TransferBusyError: another program fetches the same version.
            DiskFullError: there is no room.
        """
        path = folder.path / _FOLDER / f"{change.item}.{change.version}{_SUFFIX}"
        with ExitStack() as stack:
            stack.enter_context(hold_transfer(path.with_suffix(".lock")))
            with naming_full_disk(path.parent):
                file = stack.enter_context(open_private(path, os.O_RDWR | os.O_CREAT))
            os.utime(path)
            yield cls(change, path, file)

    def fetch(self, objects: ObjectStore, progress: Progress) -> None:
        """Fetch the parts that are not there, or damaged.

        Raises:
            SwappedObjectError: the server has other bytes, or none.
            DiskFullError: there is no room; what was fetched is kept.
        """
        parts, starts = self._change.parts, find_starts(self._change)
        missing = self._find_missing(starts)
        left = sum(parts[index].size for index in missing)
        verify_room(self._path.parent, left)
        progress(self._change.size - left, self._change.size)
        arriving = map_ahead(lambda index: objects.fetch(parts[index].digest), missing)
        for index, data in zip(missing, arriving, strict=True):
            with naming_full_disk(self._path.parent):
                self.file.seek(starts[index])
                self.file.write(data)
                self.file.flush()  # what arrived outlives this process
            left -= len(data)
            progress(self._change.size - left, self._change.size)

    def delete(self) -> None:
        """Delete it: the content has reached its target."""
        self._path.unlink(missing_ok=True)

    def _find_missing(self, starts: list[int]) -> list[int]:
        missing = []
        there = os.fstat(self.file.fileno()).st_size
        for index, part in enumerate(self._change.parts):
            self.file.seek(starts[index])
            if starts[index + 1] > there or compute_digest(self.file.read(part.size)) != part.digest:
                missing.append(index)
        return missing


def clean_downloads(folder: PrivateFolder, live: Mapping[ItemId, Change], *, now_s: float) -> None:
    """Delete what nobody will resume: versions that are not live any more, or not asked for in days.

    Args:
        folder: the profile's folder.
        live: the live items.
        now_s: the time by the clock of the file system.
    """
    for path in (folder.path / _FOLDER).glob(f"*{_SUFFIX}"):
        with suppress(TransferBusyError, OSError), hold_transfer(path.with_suffix(".lock")):
            item, _, version = path.stem.partition(".")
            change = live.get(cast("ItemId", item))  # the index finds none for what is no id
            if change is None or str(change.version) != version or now_s - path.stat().st_mtime > KEPT_S:
                path.unlink()
