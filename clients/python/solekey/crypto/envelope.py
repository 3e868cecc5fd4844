"""Sealing and opening envelopes: the one ciphertext format for small items and huge files. Spec: envelope.md.

`seal_bytes` and `open_bytes` are the fast path for what fits in memory; `seal_envelope` streams, and
`EnvelopeReader` (in `envelope_reader`) opens metadata, ranges or everything from a range-readable source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from solekey.crypto.data_key import DataKey
from solekey.crypto.inner_plaintext import (
    TRAILER_BYTES,
    ContentSource,
    InnerReader,
    encode_head,
    encode_tail,
    parse_head,
    parse_head_size,
    parse_trailer,
    verify_padding,
)
from solekey.crypto.metadata import ItemMetadata
from solekey.crypto.secrets import Confidential, RandomSource
from solekey.crypto.stream import ItemCipher, ItemContext
from solekey.errors import OpenError
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES, parse_envelope_size
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import MIB

SMALL_CHUNK_LOG2: Final = 16  # 64 KiB
LARGE_CHUNK_LOG2: Final = 20  # 1 MiB
LARGE_CONTENT_BYTES: Final = 16 * MIB


@dataclass(frozen=True, slots=True, repr=False)
class OpenedItem(Confidential):
    """The authenticated plaintext of one item version."""

    metadata: ItemMetadata
    content: bytes


def seal_bytes(
    content: bytes, *, metadata: ItemMetadata, data_key: DataKey, context: ItemContext, random: RandomSource
) -> bytes:
    """Seal content that fits in memory into one envelope. Spec: envelope.md §2-4.

    Raises:
        MetadataError: too much metadata.
        ContentSizeError: too much content.
    """
    cipher = ItemCipher.make(data_key, context, choose_chunk_size_log2(len(content)), random)
    head = encode_head(metadata)
    inner = b"".join((head, content, encode_tail(len(head), len(content))))
    chunk_size = cipher.chunk_size
    if len(inner) <= chunk_size:
        return cipher.header_bytes + cipher.seal_chunk(0, inner, final=True)
    view = memoryview(inner)
    pieces = [cipher.header_bytes]
    for index, start in enumerate(range(0, len(inner), chunk_size)):
        stop = start + chunk_size
        pieces.append(cipher.seal_chunk(index, view[start:stop], final=stop >= len(inner)))
    return b"".join(pieces)


def open_bytes(envelope: bytes, *, data_key: DataKey, context: ItemContext) -> OpenedItem:
    """Open a whole envelope in memory. Spec: envelope.md §6.

    Raises:
        OpenError: it was not sealed with this key for this item and version, or was altered in any way.
        UnsupportedFormatError: another format version or suite than this release knows.
    """
    cipher = ItemCipher.open(envelope[:HEADER_BYTES], data_key, context)
    inner = _open_chunks(cipher, memoryview(envelope)[HEADER_BYTES:])
    try:
        parse_envelope_size(len(envelope), cipher.chunk_size)
    except MalformedError as error:
        raise OpenError("padding") from error
    head_size = parse_head_size(inner)
    content_size = parse_trailer(inner[-TRAILER_BYTES:], head_size, len(inner))
    stop = head_size + content_size
    verify_padding(memoryview(inner)[stop:-TRAILER_BYTES])
    return OpenedItem(parse_head(inner[:head_size]), inner[head_size:stop])


def seal_envelope(
    source: ContentSource,
    *,
    content_size: int | None,
    metadata: ItemMetadata,
    data_key: DataKey,
    context: ItemContext,
    random: RandomSource,
) -> Iterator[bytes]:
    """Seal content from a source: yields the header, then sealed chunks. Holds two chunks in memory.

    Args:
        source: a binary file's `read`, or alike.
        content_size: the content's size where it is known (it is then enforced), else None.
        metadata: what stands inside, before the content.
        data_key: the data key of the current epoch.
        context: the item's place.
        random: the salt's source.

    Raises:
        MetadataError: too much metadata.
        ContentSizeError: the source is not as long as declared, or too long.
    """
    log2 = LARGE_CHUNK_LOG2 if content_size is None else choose_chunk_size_log2(content_size)
    cipher = ItemCipher.make(data_key, context, log2, random)
    inner = InnerReader(metadata, source, content_size)
    yield cipher.header_bytes
    index, chunk = 0, inner.read(cipher.chunk_size)
    while following := inner.read(cipher.chunk_size):
        yield cipher.seal_chunk(index, chunk, final=False)
        index, chunk = index + 1, following
    yield cipher.seal_chunk(index, chunk, final=True)


def choose_chunk_size_log2(content_size: int) -> int:
    """Choose 64 KiB chunks below 16 MiB of content, 1 MiB from there. Spec: envelope.md §4."""
    return LARGE_CHUNK_LOG2 if content_size >= LARGE_CONTENT_BYTES else SMALL_CHUNK_LOG2


def _open_chunks(cipher: ItemCipher, sealed: memoryview) -> bytes:
    sealed_chunk = cipher.chunk_size + TAG_BYTES
    if len(sealed) <= sealed_chunk:
        return cipher.open_chunk(0, sealed, final=True)
    pieces = []
    for index, start in enumerate(range(0, len(sealed), sealed_chunk)):
        stop = start + sealed_chunk
        pieces.append(cipher.open_chunk(index, sealed[start:stop], final=stop >= len(sealed)))
    return b"".join(pieces)
