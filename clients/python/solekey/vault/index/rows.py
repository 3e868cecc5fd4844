"""What the index knows of an item, and of itself, as bytes that are sealed.

*Wire format* of a row: version (4) ‖ epoch (4) ‖ made in (8) ‖ content in (8) ‖ live since (8) ‖
content since (4) ‖ content size + 1 (8; 0: not known) ‖ header digest (32; zeros: removed) ‖ parts (4) ‖
(digest (32) ‖ size (4)) a part ‖ metadata (canonical JSON; empty: not opened). All numbers are big-endian.
The head is deterministic CBOR: ``[commit, seq, digest, begun, newest, live, sum (16 bytes),
[[epoch, items], …]]``. Spec: item-index.md §3.
"""

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from solekey.crypto import Confidential, ItemMetadata
from solekey.crypto.metadata import encode_metadata, parse_metadata
from solekey.errors import MetadataError
from solekey_protocol.change_list import Change, Part
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import KIB, MAX_EPOCH, MAX_SAFE_INTEGER, MAX_SEQ

TAG_BYTES: Final = 16
_NUMBERS: Final = struct.Struct(">IIQQQIQ32sI")
_PART: Final = struct.Struct(">32sI")
_NO_HEADER: Final = bytes(32)
_MAX_HEAD_BYTES: Final = 256 * KIB
StoredRow = tuple[bytes, bytes | None, int, int, bytes]
"""A row as it is stored: id, name tag, epoch, commit of the content, sealed."""


@dataclass(frozen=True, slots=True, repr=False)
class IndexRow(Confidential):
    """One item's newest version.

    Attributes:
        change: what the commit says of it.
        made_in: the commit of this version.
        content_in: the commit of its content, or of its removal: a rekey changes none.
        live_since: the commit since which it has been live.
        content_since: the oldest version that is known to have the same content.
        metadata: as it stands in the envelope; empty: not opened, or removed.
        content_size: bytes; None: not known.
        tag: of the sealed row in the file, as a number.
        name: as it stands in the metadata, where they were not parsed from the file; empty: see there.
    """

    change: Change
    made_in: int
    content_in: int
    live_since: int
    content_since: int
    metadata: bytes = b""
    content_size: int | None = None
    tag: int = field(default=0, compare=False)
    name: str = field(default="", compare=False)

    def with_metadata(self, metadata: ItemMetadata, content_size: int | None) -> Self:
        """This row with what was opened from the envelope."""
        return type(self)(
            self.change,
            self.made_in,
            self.content_in,
            self.live_since,
            self.content_since,
            encode_metadata(metadata),
            content_size,
            self.tag,
            metadata.name,
        )

    def with_tag(self, tag: int) -> Self:
        """This row as it is in the file."""
        return type(self)(
            self.change,
            self.made_in,
            self.content_in,
            self.live_since,
            self.content_since,
            self.metadata,
            self.content_size,
            tag,
            self.name,
        )

    def open_name(self) -> str:
        """What the item is called. Raises MalformedError: it was not opened."""
        return self.name or self.open_metadata().name

    def open_metadata(self) -> ItemMetadata:
        """What the item is called. Raises MalformedError: it was not opened."""
        try:
            return parse_metadata(self.metadata)
        except MetadataError as error:
            raise MalformedError(f"index row: {error}") from error

    def encode(self) -> bytes:
        """Encode it as the plaintext of a row."""
        change = self.change
        parts = [_PART.pack(bytes.fromhex(part.digest), part.size) for part in change.parts]
        size = 0 if self.content_size is None else self.content_size + 1
        numbers = _NUMBERS.pack(
            change.version,
            change.epoch,
            self.made_in,
            self.content_in,
            self.live_since,
            self.content_since,
            size,
            bytes.fromhex(change.header) if change.header else _NO_HEADER,
            len(parts),
        )
        return b"".join((numbers, *parts, self.metadata))


def parse_index_row(item: ItemId, data: bytes, tag: int = 0) -> IndexRow:
    """Parse the plaintext of a row. Raises MalformedError."""
    try:
        version, epoch, made_in, content_in, live_since, since, size, header, count = _NUMBERS.unpack_from(
            data
        )
        end = _NUMBERS.size + count * _PART.size
        if end > len(data) or not 1 <= version <= MAX_SEQ or epoch > MAX_EPOCH or size > MAX_SAFE_INTEGER + 1:
            raise MalformedError("index row: a number is out of range")
        parts = tuple(
            [
                Part(Digest.from_raw(digest), length)
                for digest, length in _PART.iter_unpack(data[_NUMBERS.size : end])
            ]
        )
    except struct.error as error:
        raise MalformedError("index row: cut off") from error
    if (count == 0) != (epoch == 0) or (epoch == 0 and (header != _NO_HEADER or size or end != len(data))):
        raise MalformedError("index row: a removal has no parts, and nothing else has none")
    change = Change(item, version, epoch, parts, Digest.from_raw(header) if epoch else None)
    content_size = size - 1 if size else None
    return IndexRow(change, made_in, content_in, live_since, since, data[end:], content_size, tag)


def read_tag(stored: StoredRow) -> int:
    """Read the tag of a sealed row as a number: no other row has it."""
    return int.from_bytes(stored[4][-TAG_BYTES:], "big")


@dataclass(frozen=True, slots=True)
class IndexHead:
    """What the index is as of.

    Attributes:
        commit: the last commit that was followed; 0: none.
        seq, digest: its event in the vault stream, as verified.
        begun: the commit that it began with: what came before is not known commit by commit.
        newest, live: how many rows there are, and how many of them are not removed.
        total: the sum of the rows' tags, modulo 2^128: a row that is missing or old is found by it.
        epochs: the live items of each epoch.
    """

    commit: int = 0
    seq: int = 0
    digest: bytes = bytes(32)
    begun: int = 0
    newest: int = 0
    live: int = 0
    total: int = 0
    epochs: tuple[tuple[int, int], ...] = ()

    def encode(self) -> bytes:
        """Encode it as the plaintext of the head."""
        epochs: list[Cbor] = [list(pair) for pair in self.epochs]
        total = self.total.to_bytes(TAG_BYTES, "big")
        numbers: list[Cbor] = [self.commit, self.seq, self.digest, self.begun, self.newest, self.live, total]
        return encode_cbor([*numbers, epochs])


def parse_index_head(data: bytes) -> IndexHead:
    """Parse the plaintext of the head. Raises MalformedError."""
    match parse_cbor(data, max_bytes=_MAX_HEAD_BYTES):
        case [
            int(commit),
            int(seq),
            bytes(digest),
            int(begun),
            int(newest),
            int(live),
            bytes(total),
            [*rows],
        ] if len(digest) == 32 and len(total) == TAG_BYTES and min(commit, seq, begun, newest, live) >= 0:
            epochs = tuple([_parse_epoch(row) for row in rows])
            return IndexHead(commit, seq, digest, begun, newest, live, int.from_bytes(total, "big"), epochs)
        case _:
            raise MalformedError("index head: expected eight members")


def _parse_epoch(row: Cbor) -> tuple[int, int]:
    match row:
        case [int(epoch), int(items)] if epoch >= 1 and items >= 1:
            return epoch, items
        case _:
            raise MalformedError("index head: expected an epoch and its items")
