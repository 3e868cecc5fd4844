"""Where a reader finds the ciphertext of one item version: range-readable sources over parts and files.

    PartSource      whole parts, each checked against the signed commit, few in memory
    RangedSource    pieces of parts: nothing is fetched but what is asked for
    FileSource      an envelope on disk

A place can have several envelopes: a retry seals anew. `open_envelope`, the only way to a reader here, first
verifies that the header is the committed envelope's; every chunk is bound to the header.

Spec: vault.md §3.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from itertools import accumulate
from typing import BinaryIO, Final

from solekey.crypto import (
    ContentSource,
    DataKey,
    EnvelopeReader,
    ItemContext,
    OpenedItem,
    RangeSource,
    open_bytes,
)
from solekey.errors import SwappedObjectError
from solekey.transfer.objects import ObjectStore, verify_object
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.ids import AccountId, compute_digest
from solekey_protocol.limits import MIB

_PARTS_IN_MEMORY: Final = 2
"""The first or current one, and the last, whose end a reader looks at before anything else."""

_WINDOW_BYTES: Final = 4 * MIB
"""What is fetched by one request where several chunks are needed."""


@dataclass(slots=True)
class PartSource:
    """Whole parts that a signed commit names."""

    objects: ObjectStore
    change: Change
    _starts: list[int] = field(init=False)
    _recent: OrderedDict[int, bytes] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._starts = find_starts(self.change)

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`. Raises SwappedObjectError."""
        pieces = [self._part(index)[start:stop] for index, start, stop in cut(self._starts, offset, length)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _part(self, index: int) -> bytes:
        if index in self._recent:
            self._recent.move_to_end(index)
        else:
            self._recent[index] = self.objects.fetch(self.change.parts[index].digest)
            if len(self._recent) > _PARTS_IN_MEMORY:
                self._recent.popitem(last=False)
        return self._recent[index]


@dataclass(slots=True)
class RangedSource:
    """Pieces of parts.

    Attributes:
        prefix: the beginning of the first part, as far as it was fetched already.
        until: where the chunks end that are wanted next; up to there several are fetched by one request.
    """

    objects: ObjectStore
    change: Change
    prefix: InitVar[bytes] = b""
    until: int = 0
    _starts: list[int] = field(init=False)
    _ahead: tuple[int, bytes] = field(init=False)

    def __post_init__(self, prefix: bytes) -> None:
        self._starts = find_starts(self.change)
        first = self.change.parts[0]
        if len(prefix) >= first.size:
            verify_object(first.digest, prefix)
        self._ahead = (0, prefix)

    @property
    def size(self) -> int:
        """The envelope's size in bytes."""
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`. Raises LostObjectError."""
        if not self._has(offset, length):
            more = max(_WINDOW_BYTES // max(length, 1), 1) * length
            self.fetch_ahead(offset, max(length, min(more, self.until - offset)))
        start = offset - self._ahead[0]
        return self._ahead[1][start : start + length]

    def fetch_ahead(self, offset: int, length: int) -> None:
        """Fetch a piece, from which the next reads are answered.

        Raises:
            SwappedObjectError: the piece is a whole part, and not the committed one.
            LostObjectError: the vault does not have it.
        """
        pieces = [self._fetch(*piece) for piece in cut(self._starts, offset, length)]
        self._ahead = (offset, b"".join(pieces))

    def _fetch(self, index: int, start: int, stop: int) -> bytes:
        part = self.change.parts[index]
        if (start, stop) == (0, part.size):
            return self.objects.fetch(part.digest)
        return self.objects.fetch_range(part.digest, start, stop - start)

    def _has(self, offset: int, length: int) -> bool:
        start, data = self._ahead
        return start <= offset and offset + length <= start + len(data)


@dataclass(frozen=True, slots=True)
class FileSource:
    """An envelope on disk."""

    file: BinaryIO
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`."""
        self.file.seek(offset)
        return self.file.read(length)


def open_envelope(
    source: RangeSource, change: Change, account: AccountId, data_key: DataKey
) -> EnvelopeReader:
    """Open a reader of the envelope that a signed commit names, once its header is known to be that one's.

    Raises:
        SwappedObjectError: another envelope, perhaps one that was sealed for this place and never committed.
        OpenError: the committed one does not open.
    """
    verify_header(change, source.read_at(0, HEADER_BYTES))
    reader = EnvelopeReader(
        source, data_key=data_key, context=ItemContext(account, change.item, change.version)
    )
    verify_header(change, reader.header)  # the source may have answered another way this time
    return reader


def open_whole(envelope: bytes, change: Change, account: AccountId, data_key: DataKey) -> OpenedItem:
    """Open the envelope of one part that a signed commit names, and that is here as a whole.

    Raises:
        SwappedObjectError: another envelope.
        OpenError: the committed one does not open.
    """
    verify_object(change.parts[0].digest, envelope)
    verify_header(change, envelope[:HEADER_BYTES])
    return open_bytes(envelope, data_key=data_key, context=ItemContext(account, change.item, change.version))


def verify_header(change: Change, header: bytes) -> None:
    """Verify that a header is that of the committed envelope. Raises SwappedObjectError."""
    if compute_digest(header) != change.header:
        raise SwappedObjectError(
            f"the server has another envelope for {change.item}, version {change.version}, "
            "than the one that was committed"
        )


def find_starts(change: Change) -> list[int]:
    """Find where each part begins in the envelope, and where the last one ends."""
    return list(accumulate((part.size for part in change.parts), initial=0))


def cut(starts: list[int], offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Cut a piece of an envelope along its parts: index of the part, and from where to where in it."""
    stop = min(offset + length, starts[-1])
    for index, start in enumerate(starts[:-1]):
        end = starts[index + 1]
        if start < stop and offset < end:
            yield index, max(offset - start, 0), min(stop, end) - start


def read_pieces(pieces: Iterator[bytes]) -> ContentSource:
    """Make a source to be sealed of what a reader opens piece by piece."""
    rest = bytearray()

    def read(size: int) -> bytes:
        while len(rest) < size and (piece := next(pieces, b"")):
            rest.extend(piece)
        taken = bytes(rest[:size])
        del rest[:size]
        return taken

    return read
