"""Sealed files on their way up: an envelope on disk, cut into parts, so that an upload can be resumed.

A large file is sealed once, into the profile folder, and uploaded from there. After a crash the same bytes go
on; sealing again under a stored salt could meet a changed file under the same key stream. Only ciphertext,
digests and a fingerprint of the source are on disk. Spec: vault.md §5.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from solekey.errors import ProfileError
from solekey.profile.private_folder import PrivateFolder, open_private
from solekey_protocol.change_list import Change, Part
from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, ItemId, compute_digest
from solekey_protocol.limits import MAX_PART_BYTES, MIB

_FOLDER: Final = "uploads"
_MAX_PLAN_BYTES: Final = 64 * MIB


@dataclass(frozen=True, slots=True)
class Spool:
    """The place of one file's envelope. ``fingerprint`` names the source as it is now."""

    folder: PrivateFolder
    fingerprint: str

    def load(self) -> Change | None:
        """Load what was sealed before: the change that the upload leads to. None: nothing, or not whole."""
        document = self.folder.read(f"{_FOLDER}/{self.fingerprint}.json")
        if document is None:
            return None
        try:
            return _parse_plan(parse_json(document, max_bytes=_MAX_PLAN_BYTES))
        except (MalformedError, KeyError, TypeError):
            return None

    def seal(self, item: ItemId, version: int, epoch: int, envelope: Iterable[bytes]) -> Change:
        """Write an envelope, in constant memory, and return the change that it makes."""
        self.delete()
        self.folder.write(f"{_FOLDER}/{self.fingerprint}.sealed", b"")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        parts: list[Part] = []
        with open_private(self._sealed, flags) as file:
            for part in cut_parts(envelope):
                file.write(part)
                parts.append(Part(compute_digest(part), len(part)))
        change = Change(item, version, epoch, tuple(parts))
        self.folder.write(f"{_FOLDER}/{self.fingerprint}.json", encode_json(_encode_plan(change)))
        return change

    def read_parts(self, change: Change) -> Iterator[bytes]:
        """Read the envelope's parts again.

        Raises:
            ProfileError: the file was damaged.
        """
        with self._sealed.open("rb") as file:
            for part in change.parts:
                data = file.read(part.size)
                if compute_digest(data) != part.digest:
                    raise ProfileError(f"{self._sealed} is damaged: delete it and start again")
                yield data

    def delete(self) -> None:
        """Delete what was sealed."""
        self.folder.delete(f"{_FOLDER}/{self.fingerprint}.json")
        self.folder.delete(f"{_FOLDER}/{self.fingerprint}.sealed")

    @property
    def _sealed(self) -> Path:
        return self.folder.path / _FOLDER / f"{self.fingerprint}.sealed"


def derive_fingerprint(*members: str | int) -> str:
    """Derive the name of a source's spool: 32 hex characters."""
    text = "\x00".join(str(member) for member in members)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def cut_parts(envelope: Iterable[bytes]) -> Iterator[bytes]:
    """Cut an envelope into parts of MAX_PART_BYTES, and a last one."""
    buffer = bytearray()
    for piece in envelope:
        buffer += piece
        while len(buffer) >= MAX_PART_BYTES:
            yield bytes(buffer[:MAX_PART_BYTES])
            del buffer[:MAX_PART_BYTES]
    if buffer:
        yield bytes(buffer)


def _encode_plan(change: Change) -> dict[str, Json]:
    return {
        "item": change.item,
        "version": change.version,
        "epoch": change.epoch,
        "parts": [[part.digest, part.size] for part in change.parts],
    }


def _parse_plan(document: Json) -> Change:
    members = cast("dict[str, Json]", document)
    rows = cast("list[list[Json]]", members["parts"])
    parts = tuple(Part(Digest(str(digest)), cast("int", size)) for digest, size in rows)
    return Change(
        ItemId(str(members["item"])), cast("int", members["version"]), cast("int", members["epoch"]), parts
    )
