"""Files of a bundle that are compressed. Spec: audit-bundle.md §2.

*Wire format.* ``89 53 4B 42 0D 0A 1A 0A`` ‖ one zlib stream (RFC 1950). As in PNG, the first bytes show a
transfer that has converted line ends or put a byte order mark before them.
"""

import zlib
from typing import BinaryIO, Final

from solekey.files.text import find_mark

SIGNATURE: Final = b"\x89SKB\r\n\x1a\n"
_BLOCK_BYTES: Final = 256 * 1024
_CONVERTED: Final = (b"\x89SKB\n\x1a\n", b"\x89SKB\r\r\n\x1a\r\n", b"\x89SKB\r\n\x1a\r\n", b"\x89SKB\r\x1a\r")
_LEVEL: Final = 6


class PartError(Exception):
    """Bytes that are no compressed file of a bundle."""


def encode_part(data: bytes) -> bytes:
    """Compress the content of a file."""
    return SIGNATURE + zlib.compress(data, _LEVEL)


def decode_part(raw: bytes, limit: int) -> bytes:
    """Take the content out of a whole file. Raises PartError."""
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(raw[len(SIGNATURE) :], limit)
    except zlib.error as error:
        raise PartError(f"its compressed bytes are damaged: {error}") from error
    if not raw.startswith(SIGNATURE) or not inflate.eof or inflate.unused_data:
        raise PartError("it is no whole compressed file of a bundle")
    return content


def is_converted(begin: bytes) -> bool:
    """Tell from its first bytes whether a transfer has converted a compressed file."""
    if find_mark(begin) or begin.startswith(b"\xc2\x89SKB"):
        return True
    return begin.startswith(_CONVERTED)


class PartReader:
    """Reads the content of a compressed file as a stream, within limits.

    Args:
        file: the file.
        content_bytes: how long its content is, as the manifest states.

    Raises:
        PartError: on reading: no compressed file, or longer than stated.
    """

    def __init__(self, file: BinaryIO, content_bytes: int) -> None:
        self._file = file
        self._left = content_bytes
        self._inflate = zlib.decompressobj()
        self._buffer = b""
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise PartError("it does not begin as a compressed file of a bundle does")

    def read(self, count: int) -> bytes:
        """Read so many bytes, or fewer at the end, where the whole file is checked."""
        pieces = []
        wanted = count
        while wanted:
            if not self._buffer and not self._fill():
                break
            piece, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
            pieces.append(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fill(self) -> bool:
        while not self._buffer and not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._file.read(_BLOCK_BYTES)
            try:
                self._buffer = self._inflate.decompress(data, _BLOCK_BYTES)  # without data: what is pending
            except zlib.error as error:
                raise PartError(f"its compressed bytes are damaged: {error}") from error
            if not data and not self._buffer and not self._inflate.eof:
                raise PartError("its compressed bytes are cut off")
            self._left -= len(self._buffer)
            if self._left < 0:
                raise PartError("it holds more than the manifest states")
        if not self._buffer and (self._left or self._inflate.unused_data or self._file.read(1)):
            raise PartError("it does not hold what the manifest states")
        return bool(self._buffer)
