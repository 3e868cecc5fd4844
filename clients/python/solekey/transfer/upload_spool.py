"""Sealed files on their way up: an envelope on disk, cut into parts, so that an upload can be resumed.

A large file is sealed once, into the profile folder, and uploaded from there. After a crash the same bytes go
on; sealing again under a stored salt could meet a changed file under the same key stream. Only ciphertext,
digests and a fingerprint of the source are on disk::

    uploads/<fingerprint>.sealed   the envelope
    uploads/<fingerprint>.json     the change that it makes; written when the envelope is whole
    uploads/<fingerprint>.lock     held by the process that works on it

Spec: vault.md §10.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from solekey.errors import ProfileError, TransferBusyError
from solekey.files.private_folder import PrivateFolder
from solekey.files.whole_file import WholeFile, delete_abandoned
from solekey.transfer.lock import hold_transfer
from solekey.transfer.sealed_sources import find_starts
from solekey_protocol.change_list import Change, Part
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, ItemId, compute_digest
from solekey_protocol.limits import MAX_PART_BYTES, MIB

KEPT_S: Final = 7 * 24 * 3600
"""How long an interrupted transfer is kept after its last attempt: 7 days."""

_FOLDER: Final = "uploads"
_MAX_PLAN_BYTES: Final = 64 * MIB
_SOURCE_CHARS: Final = 16


@dataclass(frozen=True, slots=True)
class UploadSpool:
    """The place of one file's envelope. ``fingerprint`` names the source as it is now."""

    folder: PrivateFolder
    fingerprint: str

    def hold(self) -> AbstractContextManager[None]:
        """Keep other processes away while this one works on it. Raises TransferBusyError."""
        return hold_transfer(self._file("lock"))

    def load(self) -> Change | None:
        """Load what was sealed before: the change that the upload leads to. None: nothing, or not whole."""
        document = self.folder.read(f"{_FOLDER}/{self.fingerprint}.json")
        if document is None:
            return None
        try:
            change = _parse_plan(parse_json(document, max_bytes=_MAX_PLAN_BYTES))
        except MalformedError:
            return None
        return change if self._is_whole(change) else None

    def seal(self, item: ItemId, version: int, epoch: int, envelope: Iterable[bytes]) -> Change:
        """Write an envelope, in constant memory, and return the change that it makes.

        What was sealed before stays readable until the new one is whole: it may be what is sealed anew.

        Raises:
            DiskFullError: there is no room.
        """
        self.sealed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with WholeFile.make(self.sealed) as whole:
            parts, header = write_parts(envelope, whole.file)
            self.folder.delete(f"{_FOLDER}/{self.fingerprint}.json")
            whole.publish()
        change = Change(item, version, epoch, parts, header)
        self.folder.write(f"{_FOLDER}/{self.fingerprint}.json", encode_json(_encode_plan(change)))
        return change

    def read_part(self, change: Change, index: int) -> bytes:
        """Read one of the envelope's parts again.

        Raises:
            ProfileError: the file was damaged; it is deleted, so that the next attempt seals anew.
        """
        part = change.parts[index]
        try:
            with self.sealed.open("rb") as file:
                file.seek(find_starts(change)[index])
                data = file.read(part.size)
        except FileNotFoundError:  # another thread, which read another part, has found the damage
            data = b""
        if compute_digest(data) != part.digest:
            self.delete()
            raise ProfileError(f"{self.sealed} was damaged and is deleted: run the same command again")
        return data

    def touch(self) -> None:
        """Note that it is worked on: it is kept for some days from now."""
        with suppress(FileNotFoundError):
            os.utime(self.sealed)

    def delete(self) -> None:
        """Delete what was sealed."""
        for kind in ("json", "sealed"):  # the plan first: without it nothing is resumed
            self._file(kind).unlink(missing_ok=True)

    @property
    def sealed(self) -> Path:
        """The envelope's file."""
        return self._file("sealed")

    def _is_whole(self, change: Change) -> bool:
        return self.sealed.is_file() and self.sealed.stat().st_size == change.size

    def _file(self, kind: str) -> Path:
        return self.folder.path / _FOLDER / f"{self.fingerprint}.{kind}"


def derive_fingerprint(source: tuple[str | int, ...], state: tuple[str | int, ...]) -> str:
    """Derive the name of a source's spool, 32 hex characters: half for what it is, half for its state."""
    return "".join(
        hashlib.sha256("\x00".join(map(str, members)).encode(errors="surrogateescape")).hexdigest()[
            :_SOURCE_CHARS
        ]
        for members in (source, state)
    )


def clean_uploads(folder: PrivateFolder, *, now_s: float, replaced_by: str = "") -> None:
    """Delete what nobody will resume: not worked on for days, not whole, or of a source as it was before.

    Args:
        folder: the profile's folder.
        now_s: the time by the clock of the file system.
        replaced_by: the fingerprint of a source as it is now.
    """
    uploads = folder.path / _FOLDER
    delete_abandoned(uploads)
    for fingerprint in {path.name.partition(".")[0] for path in uploads.glob("*.*") if path.name[0] != "."}:
        spool = UploadSpool(folder, fingerprint)
        outdated = fingerprint != replaced_by and fingerprint[:_SOURCE_CHARS] == replaced_by[:_SOURCE_CHARS]
        with suppress(TransferBusyError, OSError), spool.hold():
            if outdated or spool.load() is None or now_s - spool.sealed.stat().st_mtime > KEPT_S:
                spool.delete()


def cut_parts(envelope: Iterable[bytes]) -> Iterator[bytes]:
    """Cut an envelope into parts of MAX_PART_BYTES, and a last one."""
    buffer = bytearray()
    for piece in envelope:
        buffer += piece
        while len(buffer) >= MAX_PART_BYTES:
            with memoryview(buffer) as view:
                part = bytes(view[:MAX_PART_BYTES])
            yield part
            del buffer[:MAX_PART_BYTES]
    if buffer:
        yield bytes(buffer)


def write_parts(envelope: Iterable[bytes], file: BinaryIO) -> tuple[tuple[Part, ...], Digest]:
    """Write an envelope; digest its parts and its header as it comes: no part is in memory as a whole."""
    parts: list[Part] = []
    header = b""
    digest, size = hashlib.sha256(), 0
    for piece in envelope:
        header += piece[: HEADER_BYTES - len(header)]
        rest = memoryview(piece)
        while rest:
            taken, rest = rest[: MAX_PART_BYTES - size], rest[MAX_PART_BYTES - size :]
            file.write(taken)
            digest.update(taken)
            size += len(taken)
            if size == MAX_PART_BYTES:
                parts.append(Part(Digest(digest.hexdigest()), size))
                digest, size = hashlib.sha256(), 0
    if size:
        parts.append(Part(Digest(digest.hexdigest()), size))
    return tuple(parts), compute_digest(header)


def _encode_plan(change: Change) -> dict[str, Json]:
    return {
        "item": change.item,
        "version": change.version,
        "epoch": change.epoch,
        "header": change.header,
        "parts": [[part.digest, part.size] for part in change.parts],
    }


def _parse_plan(document: Json) -> Change:
    match document:
        case {
            "item": str(item),
            "version": int(version),
            "epoch": int(epoch),
            "header": str(header),
            "parts": [*rows],
            **rest,
        } if rows and not rest and not isinstance(version, bool) and not isinstance(epoch, bool):
            parts = tuple(_parse_part(row) for row in rows)
            return Change(ItemId(item), version, epoch, parts, Digest(header))
        case _:
            raise MalformedError("expected the plan of an upload")


def _parse_part(row: Json) -> Part:
    match row:
        case [str(digest), int(size)] if 1 <= size <= MAX_PART_BYTES and not isinstance(size, bool):
            return Part(Digest(digest), size)
        case _:
            raise MalformedError("expected a digest and a size")
