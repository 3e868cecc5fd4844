"""An item as a read-only, seekable file: fetches and decrypts only the chunks that are read.

Every chunk is authentic before a byte of it is returned, and the final one is opened first, so that a cut
envelope is refused before any content is released. Pieces of parts cannot be checked against the commit's
digests; the header is, and each chunk's own seal binds it to the header and its place. Spec: vault.md §10.
"""

import io
from typing import Final

from solekey.crypto.metadata import encode_metadata
from solekey.transfer.sealed_sources import RangedSource
from solekey.vault.item_info import ItemInfo
from solekey.vault.item_version import ItemVersion
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES, parse_envelope_header
from solekey_protocol.limits import KIB, MIB

BUFFER_BYTES: Final = 256 * KIB
"""What small reads are gathered to."""

_LENGTH_BYTES: Final = 4
_SMALL_CHUNK_BYTES: Final = 64 * KIB
_LARGE_CHUNK_BYTES: Final = MIB
_LARGE_ENVELOPE_BYTES: Final = 16 * MIB


class ItemRanges:
    """Reads ranges of one item version's content. Not for use by several threads."""

    def __init__(self, version: ItemVersion) -> None:
        self._version = version
        self._source = RangedSource(version.unlocked.objects, version.change)
        with version.telling_failure():
            self._source.fetch_ahead(0, _guess_first_bytes(self._source.size))
            self._reader = version.open_reader(self._source)
            self._chunk_size = parse_envelope_header(self._reader.header).chunk_size
            self._head_size = _LENGTH_BYTES + len(encode_metadata(self._reader.open_metadata()))
            self.size = self._reader.open_content_size()

    def read(self, start: int, size: int) -> bytes:
        """Read at most `size` bytes from `start`; fewer at the end of the content.

        Raises:
            OpenError, LostObjectError: the server's ciphertext is not what was committed.
            VersionGoneError: another device has replaced this version, and it is purged.
            WipedSecretError: the vault is locked again.
        """
        self._version.data_key()
        stop = min(start + size, self.size)
        if start >= stop:
            return b""
        self._source.until = self._find_end(stop)
        with self._version.telling_failure():
            return self._reader.open_range(start, stop - start)

    def _find_end(self, stop: int) -> int:
        """Find where the chunks end in the envelope that hold the content up to `stop`; not the final one."""
        sealed_chunk = self._chunk_size + TAG_BYTES
        chunks = -(-(self._head_size + stop) // self._chunk_size)
        final = -(-(self._source.size - HEADER_BYTES) // sealed_chunk) - 1
        return HEADER_BYTES + min(chunks, final) * sealed_chunk


class ItemFile(io.RawIOBase):
    """A binary file, read-only and seekable, over one item version. `Vault.open` puts a buffer before it."""

    def __init__(self, version: ItemVersion) -> None:
        super().__init__()
        self.info: ItemInfo = version.info
        self._ranges = ItemRanges(version)
        self._position = 0

    @property
    def name(self) -> str:
        """The item's name."""
        return self.info.name

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another position; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ranges.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: "memoryview[int] | bytearray", /) -> int:  # type: ignore[override]  # every buffer
        """Read into a buffer; see `ItemRanges.read` for what is refused."""
        if self.closed:
            raise ValueError("read of a closed file")
        view = memoryview(buffer).cast("B")
        data = self._ranges.read(self._position, len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _guess_first_bytes(size: int) -> int:
    """Guess header and first chunk, as our sealer cuts them: the header alone would cost a request more."""
    chunk = _LARGE_CHUNK_BYTES if size >= _LARGE_ENVELOPE_BYTES else _SMALL_CHUNK_BYTES
    return min(size, HEADER_BYTES + chunk + TAG_BYTES)
