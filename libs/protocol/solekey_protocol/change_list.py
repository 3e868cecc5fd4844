"""What a commit changes: items, versions, epochs and the parts of their ciphertext. Spec: vault.md §4.

*Wire format.* Deterministic CBOR (RFC 8949 §4.2.1): ``[2, [change, ...]]`` sorted by item id, each
``[item (16 bytes), version, epoch, size, header (32 bytes), [[digest (32 bytes), size], ...]]``, where
``header`` is the SHA-256 of the envelope's 74-byte header. A removal has epoch 0, size 0, an empty header
and no parts. An item stands once. The vault stores the bytes under their SHA-256, which the commit names. A
snapshot's changes stand in pages, each a change list: page_list.py.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from solekey_protocol.cbor import iter_cbor
from solekey_protocol.encoding import Cbor, encode_cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import (
    MAX_CHANGE_LIST_VALUES,
    MAX_EPOCH,
    MAX_PART_BYTES,
    MAX_SAFE_INTEGER,
    MAX_SEQ,
)

FORMAT_VERSION = 2
MIN_CHANGE_BYTES = 23
"""A removal whose numbers are small."""
_DIGEST_BYTES = 32
_BEGIN = bytes([0x82, FORMAT_VERSION])  # an array of two
_CBOR_ARRAY = 4
_NUMBER = rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00)....)"
_PLAIN = re.compile(  # an item in one part, as nearly all are
    rb"\x86\x50(.{16})%b%b%b\x58\x20(.{32})\x81\x82\x58\x20(.{32})%b" % ((_NUMBER,) * 4), re.DOTALL
)
_PLAIN_VALUES = 10


@dataclass(frozen=True, slots=True)
class Part:
    """One content-addressed piece of an envelope, at most MAX_PART_BYTES."""

    digest: Digest
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Change:
    """An item's new version.

    Attributes:
        item, version: the place.
        epoch: of the data key that it is sealed under; 0: removed.
        parts: the pieces of its envelope, in order; none: removed.
        header: SHA-256 of the envelope's header, which no other envelope of this place has; None: removed.
    """

    item: ItemId
    version: int
    epoch: int
    parts: tuple[Part, ...]
    header: Digest | None = None

    def __hash__(self) -> int:
        """Hash the place alone: it nearly always tells changes apart, and takes a fifth of the time."""
        return hash((self.item, self.version))

    @property
    def removed(self) -> bool:
        """Whether this version is a removal."""
        return not self.parts

    @property
    def size(self) -> int:
        """Size of the envelope in bytes."""
        parts = self.parts
        return parts[0].size if len(parts) == 1 else sum([part.size for part in parts])


def encode_change_list(changes: Sequence[Change]) -> bytes:
    """Encode a change list; sorts it.

    Raises:
        MalformedError: the result would not parse: an item twice, or a number out of range.
    """
    ordered = sorted(changes, key=lambda change: change.item.raw)
    for before, after in pairwise(ordered):
        if before.item == after.item:
            raise MalformedError(f"change list: {after.item} stands twice")
    encoded = join_changes([encode_change(_verify_change(change)) for change in ordered])
    if len(encoded) > MAX_PART_BYTES:
        raise MalformedError(f"change list: {len(encoded)} bytes, limit {MAX_PART_BYTES}")
    return encoded


def encode_change(change: Change) -> bytes:
    """Encode one change as it stands in every list that states it."""
    return encode_cbor(
        [
            change.item.raw,
            change.version,
            change.epoch,
            change.size,
            bytes.fromhex(change.header or ""),
            [[bytes.fromhex(part.digest), part.size] for part in change.parts],
        ]
    )


def parse_change(data: bytes) -> Change:
    """Parse one change. Raises MalformedError."""
    return _parse_change(parse_cbor(data, max_bytes=MAX_PART_BYTES, max_values=MAX_CHANGE_LIST_VALUES))


def join_changes(rows: Sequence[bytes]) -> bytes:
    """Make a change list of encoded changes, which are in their order."""
    return encode_list_head(len(rows)) + b"".join(rows)


def encode_list_head(count: int) -> bytes:
    """Encode how a list of so many changes begins: before the first of them."""
    if count < 24:
        return _BEGIN + bytes([_CBOR_ARRAY << 5 | count])
    power = next(power for power in range(4) if count < 1 << (8 << power))
    return _BEGIN + bytes([_CBOR_ARRAY << 5 | 24 + power]) + count.to_bytes(1 << power, "big")


def read_change_count(data: bytes) -> int:
    """Read from its first bytes how many changes a list claims to have; its work does not depend on them.

    Raises:
        MalformedError: it does not begin as a change list does.
    """
    if len(data) < len(_BEGIN) + 1 or not data.startswith(_BEGIN) or data[2] >> 5 != _CBOR_ARRAY:
        raise MalformedError(f"change list: expected [{FORMAT_VERSION}, [change, ...]]")
    size_code = data[2] & 0x1F
    if size_code < 24:
        return size_code
    size = 1 << (size_code - 24) if size_code <= 27 else 0
    if not size or len(data) < len(_BEGIN) + 1 + size:
        raise MalformedError("change list: its number of changes is malformed")
    return int.from_bytes(data[3 : 3 + size], "big")


def parse_change_list(data: bytes) -> list[Change]:
    """Parse a change list.

    Raises:
        MalformedError: not deterministic CBOR of this shape, unsorted, an item twice, or sizes that differ.
    """
    return list(iter_change_list(data))


def iter_change_list(data: bytes) -> Iterator[Change]:
    """Parse a change list change by change, so that a server can do other things in between.

    Raises:
        MalformedError: see parse_change_list; what came before the end is not to be believed.
    """
    if len(data) > MAX_PART_BYTES:
        raise MalformedError(f"change list: {len(data)} bytes, limit {MAX_PART_BYTES}")
    count = read_change_count(data)
    head = encode_list_head(count)
    if not data.startswith(head):
        raise MalformedError("change list: its number of changes is not in its shortest form")
    before = b""
    for change in _iter_changes(data, len(head), count):
        if change.item.raw <= before:
            raise MalformedError(f"change list: {change.item} is out of order or stands twice")
        before = change.item.raw
        yield change


def _iter_changes(data: bytes, at: int, count: int) -> Iterator[Change]:
    """Parse what needs no CBOR decoder without one: half the time. The decoder goes on at anything else."""
    left, max_values = count, MAX_CHANGE_LIST_VALUES
    while left and (match := _PLAIN.match(data, at)) and (change := _take_plain(match)):
        yield change
        at, left, max_values = match.end(), left - 1, max_values - _PLAIN_VALUES
    for row in iter_cbor(data, start=at, count=left, max_values=max_values, depth=2):
        yield _parse_change(row)


def _take_plain(match: re.Match[bytes]) -> Change | None:
    """Make the change of a row in one part; None: a number is out of range, and the decoder says which."""
    item, version, epoch, size, header, digest, part_size = match.groups()
    numbers = [int.from_bytes(each[1:] or each, "big") for each in (version, epoch, size)]
    if size != part_size or not (
        1 <= numbers[0] <= MAX_SEQ and 1 <= numbers[1] <= MAX_EPOCH and 1 <= numbers[2] <= MAX_PART_BYTES
    ):
        return None
    parts = (Part(Digest.from_raw(digest), numbers[2]),)
    return Change(ItemId.from_raw(item), numbers[0], numbers[1], parts, Digest.from_raw(header))


def _parse_change(row: Cbor) -> Change:
    match row:
        case [bytes(item), version, epoch, size, bytes(header), [*parts]]:
            change = Change(
                ItemId.from_raw(item),
                _integer(version, 1, MAX_SEQ, "version"),
                _integer(epoch, 0, MAX_EPOCH, "epoch"),
                tuple([_parse_part(part) for part in parts]),
                Digest.from_raw(header) if header else None,
            )
        case _:
            raise MalformedError("change list: expected [item, version, epoch, size, header, parts]")
    if change.size != _integer(size, 0, MAX_SAFE_INTEGER, "size"):
        raise MalformedError(f"change list: sizes of the parts of {change.item} do not add up")
    return _verify_shape(change)


def _verify_change(change: Change) -> Change:
    """Verify a change that nobody has parsed, before it is encoded."""
    _integer(change.version, 1, MAX_SEQ, "version")
    _integer(change.epoch, 0, MAX_EPOCH, "epoch")
    for part in change.parts:
        _integer(part.size, 1, MAX_PART_BYTES, "part size")
    return _verify_shape(change)


def _verify_shape(change: Change) -> Change:
    """Verify that a removal has nothing, and everything else all of it."""
    if change.removed != (change.epoch == 0):
        raise MalformedError(f"change list: {change.item} has an epoch and no parts, or parts and no epoch")
    if change.removed != (change.header is None):
        raise MalformedError(
            f"change list: {change.item} has parts and no header digest, or no parts and one"
        )
    return change


def _parse_part(row: Cbor) -> Part:
    match row:
        case [bytes(digest), size] if len(digest) == _DIGEST_BYTES:
            return Part(Digest.from_raw(digest), _integer(size, 1, MAX_PART_BYTES, "part size"))
        case _:
            raise MalformedError("change list: expected [digest, size]")


def _integer(value: Cbor, minimum: int, maximum: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise MalformedError(f"change list: {what} must be an integer in {minimum}..{maximum}")
    return value
