"""The inner plaintext of an envelope: metadata, content, padding, content length. Spec: envelope.md §3.

Wire format: metadata length (4, big-endian) ‖ metadata ‖ content ‖ zeros ‖ content length (8, big-endian).
The whole is a Padmé size of at least 256 bytes. The length stands last, so that content of unknown size
streams.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from solekey.crypto.metadata import ItemMetadata, encode_metadata, parse_metadata
from solekey.errors import ContentSizeError, MetadataError, OpenError
from solekey_protocol.envelope import compute_inner_size
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import KIB, MAX_METADATA_BYTES

LENGTH_BYTES: Final = 4
TRAILER_BYTES: Final = 8
_ZEROS: Final = bytes(64 * KIB)

_PIECE_BYTES: Final = 128 * KIB
"""What a source is asked for at once. Larger objects are taken from the system and given back each time."""

ContentSource = Callable[[int], bytes]
"""Returns at most as many bytes as asked for, and none at the end; a binary file's `read`."""


def encode_head(metadata: ItemMetadata) -> bytes:
    """Encode what stands before the content. Raises MetadataError for too much metadata."""
    encoded = encode_metadata(metadata)
    return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded


def encode_tail(head_size: int, content_size: int) -> bytes:
    """Encode what stands after the content: zeros, then its length.

    Raises:
        ContentSizeError: too much content.
    """
    return bytes(_padding_size(head_size, content_size)) + content_size.to_bytes(TRAILER_BYTES, "big")


def measure_inner(metadata: ItemMetadata, content_size: int) -> int:
    """Measure the inner plaintext: its padded size, which is what a server learns.

    Raises:
        MetadataError: too much metadata.
        ContentSizeError: too much content.
    """
    return _pad(len(encode_head(metadata)) + content_size + TRAILER_BYTES)


def parse_head_size(start: bytes | memoryview) -> int:
    """Parse the size of length and metadata from the first 4 bytes.

    Raises:
        OpenError: stage ``metadata``: more than the limit.
    """
    metadata_size = int.from_bytes(start[:LENGTH_BYTES], "big")
    if metadata_size > MAX_METADATA_BYTES:
        raise OpenError("metadata")
    return LENGTH_BYTES + metadata_size


def parse_head(head: bytes) -> ItemMetadata:
    """Parse authenticated metadata. Raises OpenError, stage ``metadata``, when it is outside its schema."""
    try:
        return parse_metadata(head[LENGTH_BYTES:])
    except MetadataError as error:
        raise OpenError("metadata") from error


def parse_trailer(trailer: bytes | memoryview, head_size: int, inner_size: int) -> int:
    """Parse the content's length; the whole must be padded exactly as a sealer pads.

    Raises:
        OpenError: stage ``padding``.
    """
    content_size = int.from_bytes(trailer, "big")
    unpadded_size = head_size + content_size + TRAILER_BYTES
    if unpadded_size > inner_size or compute_inner_size(unpadded_size) != inner_size:
        raise OpenError("padding")
    return content_size


def verify_padding(padding: bytes | memoryview) -> None:
    """Require zeros. Raises OpenError, stage ``padding``."""
    # Not byte by byte: a file of 1 GiB has up to 32 MiB of it.
    while len(padding) > len(_ZEROS):
        if not _ZEROS.startswith(padding[: len(_ZEROS)]):
            raise OpenError("padding")
        padding = padding[len(_ZEROS) :]
    if not _ZEROS.startswith(padding):
        raise OpenError("padding")


class InnerReader:
    """Reads the inner plaintext of a source, in pieces and in constant memory."""

    __slots__ = ("_content_size", "_declared_size", "_head_size", "_pieces", "_source", "_stages")

    def __init__(self, metadata: ItemMetadata, source: ContentSource, declared_size: int | None) -> None:
        head = encode_head(metadata)
        self._head_size = len(head)
        self._source = source
        self._declared_size = declared_size
        self._content_size = 0
        self._stages: deque[ContentSource] = deque([_read_from(head), self._read_content])

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer, or what is left of the inner plaintext fills; returns how many bytes.

        Raises:
            ContentSizeError: the source is shorter or longer than declared, or too long.
        """
        filled = 0
        while filled < len(buffer) and self._stages:
            piece = self._stages[0](min(len(buffer) - filled, _PIECE_BYTES))
            if not piece:
                self._stages.popleft()
                continue
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def _read_content(self, size: int) -> bytes:
        piece = self._source(size)
        self._content_size += len(piece)
        declared = self._declared_size
        if declared is not None and (
            self._content_size > declared or (not piece and self._content_size < declared)
        ):
            raise ContentSizeError(f"the source was declared as {declared} bytes and is not that long")
        if not piece:
            zeros = _padding_size(self._head_size, self._content_size)
            self._stages += [
                _read_zeros(zeros),
                _read_from(self._content_size.to_bytes(TRAILER_BYTES, "big")),
            ]
        return piece


def _padding_size(head_size: int, content_size: int) -> int:
    unpadded_size = head_size + content_size + TRAILER_BYTES
    return _pad(unpadded_size) - unpadded_size


def _pad(unpadded_size: int) -> int:
    try:
        return compute_inner_size(unpadded_size)
    except MalformedError as error:
        raise ContentSizeError(str(error)) from error


def _read_from(data: bytes) -> ContentSource:
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        piece = data[position : position + size]
        position += len(piece)
        return piece

    return read


def _read_zeros(total: int) -> ContentSource:
    left = total

    def read(size: int) -> bytes:
        nonlocal left
        piece = bytes(min(size, left))
        left -= len(piece)
        return piece

    return read
