"""Sealing and opening envelopes: the one ciphertext format for small items and huge files. Spec: envelope.md.

`seal_bytes` and `open_bytes` are the fast path for what fits in memory; `seal_envelope` streams, and
`EnvelopeReader` (in `envelope_reader`) opens metadata, ranges or everything from a range-readable source.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.utils import Buffer

from solekey.crypto.data_key import DataKey
from solekey.crypto.inner_plaintext import (
    TRAILER_BYTES,
    ContentSource,
    InnerReader,
    encode_head,
    encode_tail,
    measure_inner,
    parse_head,
    parse_head_size,
    parse_trailer,
    verify_padding,
)
from solekey.crypto.metadata import ItemMetadata
from solekey.crypto.secrets import Confidential, RandomSource
from solekey.crypto.stream import ItemCipher, ItemContext
from solekey.errors import OpenError
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES, compute_envelope_size, parse_envelope_size
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import MIB

SMALL_CHUNK_LOG2: Final = 16  # 64 KiB
LARGE_CHUNK_LOG2: Final = 20  # 1 MiB
LARGE_INNER_BYTES: Final = 16 * MIB
"""From this padded size on chunks are large: what decides is what everybody sees."""


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
    head = encode_head(metadata)
    tail = encode_tail(len(head), len(content))
    inner_size = len(head) + len(content) + len(tail)
    cipher = ItemCipher.make(data_key, context, choose_chunk_size_log2(inner_size), random)
    if inner_size <= cipher.chunk_size:
        return cipher.header_bytes + cipher.seal_chunk(0, b"".join((head, content, tail)), final=True)
    buffer = _allocate(compute_envelope_size(inner_size, cipher.chunk_size))
    _seal_chunks(cipher, (head, content, tail), buffer.getbuffer())
    return buffer.getvalue()


def open_bytes(envelope: bytes, *, data_key: DataKey, context: ItemContext) -> OpenedItem:
    """Open a whole envelope in memory. Spec: envelope.md §6.

    Raises:
        OpenError: it was not sealed with this key for this item and version, or was altered in any way.
        UnsupportedFormatError: another format version or suite than this release knows.
    """
    cipher = ItemCipher.open(envelope[:HEADER_BYTES], data_key, context)
    if len(envelope) <= HEADER_BYTES + cipher.chunk_size + TAG_BYTES:
        inner = cipher.open_chunk(0, envelope[HEADER_BYTES:], final=True)
        head_size, content_stop = _parse_layout(inner, len(envelope), cipher.chunk_size)
        return OpenedItem(parse_head(inner[:head_size]), inner[head_size:content_stop])
    buffer = _open_chunks(cipher, memoryview(envelope)[HEADER_BYTES:])
    with buffer.getbuffer() as view:
        head_size, content_stop = _parse_layout(view, len(envelope), cipher.chunk_size)
        metadata = parse_head(bytes(view[:head_size]))
        view[: content_stop - head_size] = view[head_size:content_stop]
    buffer.truncate(content_stop - head_size)
    return OpenedItem(metadata, buffer.getvalue())


def seal_envelope(
    source: ContentSource,
    *,
    content_size: int | None,
    metadata: ItemMetadata,
    data_key: DataKey,
    context: ItemContext,
    random: RandomSource,
) -> Iterator[bytes]:
    """Seal content from a source: yields the header, then sealed chunks. Holds three chunks in memory.

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
    log2 = LARGE_CHUNK_LOG2
    if content_size is not None:
        log2 = choose_chunk_size_log2(measure_inner(metadata, content_size))
    cipher = ItemCipher.make(data_key, context, log2, random)
    inner = InnerReader(metadata, source, content_size)
    yield cipher.header_bytes
    yield from seal_inner(cipher, inner)


def seal_inner(cipher: ItemCipher, inner: InnerReader) -> Iterator[bytes]:
    """Seal an inner plaintext chunk by chunk. Two buffers take turns: a look ahead tells the final chunk."""
    chunk, following = memoryview(bytearray(cipher.chunk_size)), memoryview(bytearray(cipher.chunk_size))
    index, size = 0, inner.read_into(chunk)
    while following_size := inner.read_into(following):
        yield cipher.seal_chunk(index, chunk[:size], final=False)
        index, size = index + 1, following_size
        chunk, following = following, chunk
    yield cipher.seal_chunk(index, chunk[:size], final=True)


def choose_chunk_size_log2(inner_size: int) -> int:
    """Choose 64 KiB chunks below 16 MiB of padded inner plaintext, 1 MiB from there. Spec: envelope.md §4."""
    return LARGE_CHUNK_LOG2 if inner_size >= LARGE_INNER_BYTES else SMALL_CHUNK_LOG2


def _seal_chunks(cipher: ItemCipher, parts: tuple[bytes, ...], envelope: memoryview) -> None:
    """Seal the joined parts, without joining them, into the memory of the envelope."""
    inner_size = sum(map(len, parts))
    chunk_size, sealed_size = cipher.chunk_size, cipher.chunk_size + TAG_BYTES
    envelope[:HEADER_BYTES] = cipher.header_bytes
    for index, start in enumerate(range(0, inner_size, chunk_size)):
        stop = min(start + chunk_size, inner_size)
        place = HEADER_BYTES + index * sealed_size
        sealed = envelope[place : place + sealed_size]
        cipher.seal_chunk_into(index, _cut(parts, start, stop), sealed, final=stop == inner_size)


def _open_chunks(cipher: ItemCipher, sealed: memoryview) -> io.BytesIO:
    """Open all chunks into one piece of memory: the inner plaintext."""
    sealed_size, chunk_size = cipher.chunk_size + TAG_BYTES, cipher.chunk_size
    chunks = -(-len(sealed) // sealed_size)
    buffer = _allocate(max(len(sealed) - chunks * TAG_BYTES, (chunks - 1) * chunk_size))
    view = buffer.getbuffer()
    for index in range(chunks):
        piece = sealed[index * sealed_size : (index + 1) * sealed_size]
        chunk = view[index * chunk_size : (index + 1) * chunk_size]
        cipher.open_chunk_into(index, piece, chunk, final=index == chunks - 1)
    return buffer


def _allocate(size: int) -> io.BytesIO:
    """Allocate memory that is written by views and then becomes `bytes`, in CPython without a copy.

    Every view must be gone by then.
    """
    return io.BytesIO(bytes(size))


def _cut(parts: tuple[bytes, ...], start: int, stop: int) -> Buffer:
    """Cut a piece of the joined parts; without a copy where it lies in one of them."""
    pieces = []
    for part in parts:
        if start < len(part) and stop > 0:
            pieces.append(memoryview(part)[max(start, 0) : stop])
        start, stop = start - len(part), stop - len(part)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _parse_layout(inner: bytes | memoryview, envelope_size: int, chunk_size: int) -> tuple[int, int]:
    """Parse where the content starts and stops; the sizes and the padding must be what a sealer makes."""
    try:
        parse_envelope_size(envelope_size, chunk_size)
    except MalformedError as error:
        raise OpenError("padding") from error
    head_size = parse_head_size(inner)
    content_stop = head_size + parse_trailer(inner[-TRAILER_BYTES:], head_size, len(inner))
    verify_padding(inner[content_stop:-TRAILER_BYTES])
    return head_size, content_stop
