"""Sealing by the letter of the pages, and against it: any inner plaintext, any chunk, any header.

A vector that must fail after the tags have verified needs a sealer that holds the key and breaks a rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vector_makers.primitives import (
    ACCOUNT_RAW,
    DATA_KEY,
    ITEM_RAW,
    SALT,
    counting,
    derive,
    encode_id,
    encode_json,
    encrypt,
)

HEADER_BYTES = 74
SMALLEST_CHUNK_LOG2 = 12
METADATA: Mapping[str, Any] = {
    "attributes": {"user": "ada"},
    "conflict": None,
    "created_ms": 1_700_000_000_000,
    "modified_ms": 1_700_000_000_001,
    "name": "Wi-Fi",
    "revision": 2,
    "tags": ["home"],
    "type": "login",
}
CONTENT = b"correct horse"
LONG_CONTENT = counting(0x00, 8300)  # with METADATA 8,704 bytes: two whole chunks of 4 KiB, and 512 bytes


@dataclass(frozen=True, slots=True)
class Sealer:
    """The header and the item key of one envelope. Spec: envelope.md §2, §4."""

    header: bytes
    place: bytes
    item_key: bytes

    @property
    def chunk_size(self) -> int:
        """Plaintext bytes of every chunk but the last."""
        return 1 << self.header[5]

    def seal_chunk(self, index: int, chunk: bytes, *, final: int) -> bytes:
        """Seal one chunk."""
        nonce = index.to_bytes(11, "big") + bytes([final])
        return encrypt(self.item_key, nonce, chunk, self.header + self.place)

    def seal_chunks(self, inner: bytes) -> list[bytes]:
        """Seal an inner plaintext, chunk by chunk; an empty one is one empty chunk."""
        starts = range(0, max(len(inner), 1), self.chunk_size)
        return [
            self.seal_chunk(index, inner[start : start + self.chunk_size], final=start == starts[-1])
            for index, start in enumerate(starts)
        ]

    def seal(self, inner: bytes) -> bytes:
        """Seal an inner plaintext into an envelope."""
        return self.header + b"".join(self.seal_chunks(inner))


def encode_place(account: bytes = ACCOUNT_RAW, item: bytes = ITEM_RAW, version: int = 3) -> bytes:
    """Encode an item version's place. Spec: envelope.md §1."""
    return account + item + version.to_bytes(8, "big")


def encode_prefix(*, suite: int = 1, log2: int = SMALLEST_CHUNK_LOG2, epoch: int = 1) -> bytes:
    """Encode bytes 0…9 of a header, also outside their limits."""
    return b"SKE1" + bytes([suite, log2]) + epoch.to_bytes(4, "big")


def make_sealer(
    prefix: bytes | None = None, *, place: bytes | None = None, data_key: bytes = DATA_KEY
) -> Sealer:
    """Derive the item key and its commitment."""
    prefix = encode_prefix() if prefix is None else prefix
    place = encode_place() if place is None else place
    block = derive(data_key, SALT, "solekey/v1/item", prefix + place, 64)
    return Sealer(prefix + SALT + block[32:], place, block[:32])


def compute_padme(size: int) -> int:
    """Round up to a Padmé size, by the formula of envelope.md §3."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    step = 1 << max(exponent - exponent.bit_length(), 0)
    return -(-size // step) * step


def encode_head(metadata: bytes) -> bytes:
    """Encode what stands before the content."""
    return len(metadata).to_bytes(4, "big") + metadata


def encode_inner(
    metadata: Mapping[str, Any] | bytes = METADATA,
    content: bytes = CONTENT,
    *,
    size: int | None = None,
    claimed: int | None = None,
) -> bytes:
    """Encode an inner plaintext; `size` and `claimed` content length follow the rules unless given."""
    encoded = metadata if isinstance(metadata, bytes) else encode_json(metadata)
    head = encode_head(encoded) + content
    size = compute_padme(max(len(head) + 8, 256)) if size is None else size
    claimed = len(content) if claimed is None else claimed
    return head.ljust(size - 8, b"\x00") + claimed.to_bytes(8, "big")


def open_input(
    envelope: bytes,
    *,
    data_key: bytes = DATA_KEY,
    epoch: int = 1,
    account: bytes = ACCOUNT_RAW,
    item: bytes = ITEM_RAW,
    version: int = 3,
) -> dict[str, Any]:
    """What an opener is given: the envelope, and from the signed commit all the rest."""
    return {
        "data_key": data_key.hex(),
        "epoch": epoch,
        "account": encode_id("acc", account),
        "item": encode_id("itm", item),
        "version": version,
        "envelope": envelope.hex(),
    }
