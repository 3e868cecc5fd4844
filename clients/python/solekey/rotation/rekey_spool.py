"""Small items of a re-key on their way up: what was sealed is on disk before it is sent.

Whoever is stopped goes on with the same ciphertext, so that next to nothing is sealed twice. Only ciphertext,
item ids and versions are there::

    rekey/<epoch>.<number>.sealed   one batch: a record for each item, appended as it is sealed
    rekey/lock                      held by the process that re-encrypts

*Wire format* of a record: item id (16) ‖ item version (8, big-endian) ‖ size (4, big-endian) ‖ SHA-256 of the
envelope (32) ‖ envelope. A record that was cut or damaged, and all that follows it in its file, is not used.

Spec: rotation.md §3.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from solekey.crypto import Confidential
from solekey.errors import ProfileError
from solekey.files.disk_room import naming_full_disk
from solekey.files.private_folder import PrivateFolder, open_private
from solekey.transfer.lock import hold_transfer
from solekey_protocol.change_list import Change
from solekey_protocol.ids import Digest, ItemId, compute_digest
from solekey_protocol.limits import MAX_PART_BYTES

_FOLDER: Final = "rekey"
_SUFFIX: Final = ".sealed"
_RECORD: Final = struct.Struct(">16sQI32s")


@dataclass(slots=True)
class SealedBatch(Confidential):
    """One batch's file. Threads write to one batch each."""

    path: Path
    file: BinaryIO = field(repr=False)

    def add(self, change: Change, envelope: bytes) -> None:
        """Append what was sealed. Raises DiskFullError."""
        with naming_full_disk(self.path.parent):
            self.file.write(encode_record(change.item, change.version, envelope))
            self.file.flush()  # it outlives this process, which is all that is wanted of it

    def delete(self) -> None:
        """Delete it: the batch is committed."""
        self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class RekeySpool(Confidential):
    """What a re-key to one epoch has sealed. Use it in a `held` block."""

    folder: Path
    epoch: int
    _left: dict[tuple[ItemId, int], bytes] = field(default_factory=dict, repr=False)
    _numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    @contextmanager
    def held(cls, folder: PrivateFolder, epoch: int) -> "Iterator[RekeySpool]":
        """Take up what an interrupted run has left, and delete it when the block ends without an error.

        Raises:
            TransferBusyError: another program of this profile re-encrypts the same items.
        """
        path = folder.path / _FOLDER
        with hold_transfer(path / "lock"):
            spool = cls(path, epoch)
            spool._load()
            yield spool
            for file in path.glob(f"*{_SUFFIX}"):
                file.unlink()

    def find(self, item: ItemId, version: int) -> bytes | None:
        """Find the envelope of a version that an interrupted run has sealed."""
        return self._left.get((item, version))

    @contextmanager
    def make_batch(self) -> Iterator[SealedBatch]:
        """Make the file of a new batch."""
        path = self.folder / f"{self.epoch}.{next(self._numbers)}{_SUFFIX}"
        with naming_full_disk(self.folder):
            opened = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with opened as file:
            yield SealedBatch(path, file)

    def _load(self) -> None:
        numbers = [-1]
        for path in self.folder.glob(f"*{_SUFFIX}"):
            epoch, number = _parse_name(path)
            if epoch != self.epoch:
                path.unlink()
                continue
            numbers.append(number)
            for item, version, envelope in parse_records(path.read_bytes()):
                self._left[item, version] = envelope
        self._numbers = count(max(numbers) + 1)


def encode_record(item: ItemId, version: int, envelope: bytes) -> bytes:
    """Encode one record."""
    digest = bytes.fromhex(compute_digest(envelope))
    return _RECORD.pack(item.raw, version, len(envelope), digest) + envelope


def parse_records(data: bytes) -> Iterator[tuple[ItemId, int, bytes]]:
    """Parse the records of a batch; ends at the first that is cut or damaged."""
    place = 0
    while place + _RECORD.size <= len(data):
        item, version, size, digest = _RECORD.unpack_from(data, place)
        start, place = place + _RECORD.size, place + _RECORD.size + size
        envelope = data[start:place]
        if size > MAX_PART_BYTES or len(envelope) != size or compute_digest(envelope) != Digest(digest.hex()):
            return
        yield ItemId.from_raw(item), version, envelope


def _parse_name(path: Path) -> tuple[int, int]:
    epoch, _, number = path.name.removesuffix(_SUFFIX).partition(".")
    if not (epoch.isdecimal() and number.isdecimal()):
        raise ProfileError(f"{path} is no file of this program: delete it, then run the same command again")
    return int(epoch), int(number)
