"""Where the index is kept: in its file, or in memory while nothing can be written there.

A full disk keeps nobody from reading. What the file holds is copied as far as it can be read, and followed on
in memory; once there is room, the file is taken up again and followed on. Spec: item-index.md §3.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from solekey.errors import DiskFullError, ProfileError
from solekey.files.disk_room import verify_writable
from solekey.vault.index.index_database import delete_index_file, is_unwritable
from solekey.vault.index.index_file import IndexFile
from solekey_protocol.limits import MIB

_ROOM_BYTES: Final = MIB
"""Room that the file waits for: with less it would soon be left again."""
_log = logging.getLogger(__name__)
T = TypeVar("T")


class IndexKeeping:
    """Opens the index, and writes to it wherever that is possible.

    Args:
        path: the file; None: in memory only.

    Attributes:
        file: what is read and written now.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._is_away = False
        self.file = self._open()

    def write(self, attempt: Callable[[], T]) -> T:
        """Write; where nothing can be written, go on in memory and write there."""
        try:
            return attempt()
        except (DiskFullError, ProfileError) as error:
            if self.file.is_in_memory or not is_unwritable(error):
                raise
            self._leave(error)
            self.file.detach()
        return attempt()

    def go_back(self) -> bool:
        """Go back to the file if it can be written again; True: what it holds is behind, and followed on."""
        if not self._is_away or self._path is None:
            return False
        try:
            verify_writable(self._path.parent, _ROOM_BYTES)
            self.file.attach(self._path)
        except (DiskFullError, ProfileError) as error:
            if not is_unwritable(error):
                raise
            return False
        self._is_away = False
        _log.info("the item index is written again")
        return True

    def drop_outdated(self) -> None:
        """Delete the file where what it holds is sealed anew in memory alone: under a newer key."""
        if self._is_away and self._path is not None:
            with suppress(OSError):
                delete_index_file(self._path)

    def give_up(self) -> None:
        """Keep nothing: go on with an empty index in memory."""
        self.file.close()
        self._path, self._is_away = None, False
        self.file = IndexFile(None)

    def _open(self) -> IndexFile:
        try:
            return IndexFile(self._path)
        except (DiskFullError, ProfileError) as error:
            if self._path is None or not is_unwritable(error):
                raise
            self._leave(error)
            return IndexFile.copy(self._path)

    def _leave(self, error: Exception) -> None:
        self._is_away = True
        _log.warning("the item index cannot be written, and is followed in memory: %s", error)
