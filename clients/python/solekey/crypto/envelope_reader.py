"""Opens an envelope from a range-readable source: metadata, ranges, or everything. Spec: envelope.md §6.

Nothing leaves this module that is not authentic. Reading content first opens the final chunk, so a cut
envelope is refused before its first byte is released.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from solekey.crypto.data_key import DataKey
from solekey.crypto.inner_plaintext import (
    LENGTH_BYTES,
    TRAILER_BYTES,
    parse_head,
    parse_head_size,
    parse_trailer,
    verify_padding,
)
from solekey.crypto.metadata import ItemMetadata
from solekey.crypto.stream import ItemCipher, ItemContext
from solekey.errors import OpenError
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES, parse_envelope_size
from solekey_protocol.errors import MalformedError


class RangeSource(Protocol):
    """Ciphertext that can be read at any offset: a file, stored parts, or HTTP ranges."""

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`. Fewer or other bytes make the chunk unauthentic."""


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A RangeSource over bytes."""

    data: bytes

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`."""
        return self.data[offset : offset + length]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parts of the inner plaintext stand."""

    content_start: int
    content_stop: int
    padding_stop: int


class EnvelopeReader:
    """Opens one envelope chunk by chunk; holds at most two chunks. One reader serves one thread.

    ``header`` is what every chunk is bound to: who knows the right one's digest compares it.

    Args:
        source: the ciphertext.
        data_key: the data key of the epoch that the signed commit names.
        context: the item's place, from the signed commit.

    Raises:
        UnsupportedFormatError: another format version or suite than this release knows.
        OpenError: stage ``header`` or ``commitment``.
    """

    def __init__(self, source: RangeSource, *, data_key: DataKey, context: ItemContext) -> None:
        self._source = source
        self.header = source.read_at(0, HEADER_BYTES)
        self._cipher = ItemCipher.open(self.header, data_key, context)
        self._chunk_size = self._cipher.chunk_size
        self._sealed_chunk = self._chunk_size + TAG_BYTES
        self._chunks = -(-(source.size - HEADER_BYTES) // self._sealed_chunk)
        self._final = b""
        self._recent: tuple[int | None, bytes] = (None, b"")
        self._layout: _Layout | None = None

    def open_metadata(self) -> ItemMetadata:
        """Open the metadata; reads only the first chunk, or more where the metadata is longer.

        Raises:
            OpenError: stage ``chunk`` or ``metadata``.
        """
        head = b"".join(self._iter_inner(0, self._open_head_size()))
        return parse_head(head)

    def open_content_size(self) -> int:
        """Open the content's size; reads the first and the final chunk.

        Raises:
            OpenError: stage ``chunk``, ``padding`` or ``metadata``.
        """
        layout = self._open_layout()
        return layout.content_stop - layout.content_start

    def open_range(self, start: int, size: int) -> bytes:
        """Open at most `size` bytes of the content from `start`; fewer at its end. Reads only their chunks.

        Raises:
            ValueError: a negative start or size.
            OpenError: stage ``chunk``, ``padding`` or ``metadata``.
        """
        if start < 0 or size < 0:
            raise ValueError("a range starts at 0 or later and has a size of 0 or more")
        layout = self._open_layout()
        first = min(layout.content_start + start, layout.content_stop)
        return b"".join(self._iter_inner(first, min(first + size, layout.content_stop)))

    def iter_content(self) -> Iterator[bytes]:
        """Open the whole content piece by piece, then verify the padding.

        Each piece is authentic and the end is known to be there; still keep a file temporary until the
        iterator has ended, for a later chunk may fail.

        Raises:
            OpenError: stage ``chunk``, ``padding`` or ``metadata``.
        """
        layout = self._open_layout()
        yield from self._iter_inner(layout.content_start, layout.content_stop)
        for padding in self._iter_inner(layout.content_stop, layout.padding_stop):
            verify_padding(padding)

    def _open_head_size(self) -> int:
        return parse_head_size(self._open_chunk(0)[:LENGTH_BYTES])

    def _open_layout(self) -> _Layout:
        if self._layout is None:
            self._open_chunk(self._chunks - 1)
            try:
                inner_size = parse_envelope_size(self._source.size, self._chunk_size)
            except MalformedError as error:
                raise OpenError("padding") from error
            head_size = self._open_head_size()
            padding_stop = inner_size - TRAILER_BYTES
            trailer = b"".join(self._iter_inner(padding_stop, inner_size))
            content_stop = head_size + parse_trailer(trailer, head_size, inner_size)
            self._layout = _Layout(head_size, content_stop, padding_stop)
        return self._layout

    def _iter_inner(self, start: int, stop: int) -> Iterator[bytes]:
        """Open the inner plaintext from `start` to `stop`."""
        for index in range(start // self._chunk_size, -(-stop // self._chunk_size)):
            offset = index * self._chunk_size
            piece = self._open_chunk(index)[max(start - offset, 0) : stop - offset]
            if piece:  # a content that ends where a chunk ends, and an empty range
                yield piece

    def _open_chunk(self, index: int) -> bytes:
        final = index == self._chunks - 1
        if final and self._final:
            return self._final
        if index == self._recent[0]:
            return self._recent[1]
        if not 0 <= index < self._chunks:
            raise OpenError("chunk")
        offset = HEADER_BYTES + index * self._sealed_chunk
        sealed = self._source.read_at(offset, min(self._sealed_chunk, self._source.size - offset))
        chunk = self._cipher.open_chunk(index, sealed, final=final)
        if final:
            self._final = chunk
        else:
            self._recent = (index, chunk)
        return chunk
