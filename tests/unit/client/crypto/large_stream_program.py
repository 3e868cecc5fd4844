"""Seals or opens a stream of a given size in a process of its own, without a disk, and prints what it held.

    python large_stream_program.py seal|open stream|hold MIB

The content is made as it is read and dropped as it is written; ``hold`` keeps all pieces instead. Opening
reads an envelope that is sealed meanwhile, so its memory holds a sealer too. Prints
{"bytes": …, "growth_bytes": …}.
"""

import json
import sys
from collections import deque
from pathlib import Path

from solekey.crypto import DataKey, EnvelopeReader, ItemContext, ItemMetadata, seal_envelope
from solekey_protocol.envelope import HEADER_BYTES
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MIB

KEY = DataKey(1, bytes(range(32)))
PLACE = ItemContext(AccountId.from_raw(bytes(16)), ItemId.from_raw(bytes(16)), 1)
METADATA = ItemMetadata("holiday film", "video/mp4", 1, 2)
PATTERN = bytes(range(251)) * (2 * MIB // 251 + 1)
"""251 is prime: a piece that is missing or out of place has other bytes."""


class Content:
    """Content of a size, made as it is read."""

    def __init__(self, size):
        self.size = size
        self.position = 0

    def read(self, size):
        start = self.position % 251
        piece = PATTERN[start : start + min(size, self.size - self.position)]
        self.position += len(piece)
        return piece


class SealedMeanwhile:
    """An envelope that is never there as a whole: sealed twice, first for its end, then as it is read."""

    def __init__(self, size):
        self.size = HEADER_BYTES
        self.pieces = seal(size)
        self.header = next(self.pieces)
        for piece in seal(size):
            self.final = piece
            self.size += len(piece)
        self.size -= HEADER_BYTES
        self.position = HEADER_BYTES

    def read_at(self, offset, length):
        if offset == 0:
            return self.header
        if offset + length == self.size:
            return self.final
        assert offset == self.position, "a reader of everything reads it in order"
        self.position += length
        return next(self.pieces)


def seal(size):
    """Seal; the salt is fixed, so that twice the same comes out."""
    return seal_envelope(
        Content(size).read, content_size=size, metadata=METADATA, data_key=KEY, context=PLACE, random=bytes
    )


def open_(size):
    """Open, and compare with what was sealed."""
    expected = Content(size)
    for piece in EnvelopeReader(SealedMeanwhile(size), data_key=KEY, context=PLACE).iter_content():
        assert piece == expected.read(len(piece))
        yield piece
    assert expected.position == size


def read_status(field):
    """Read a size of this process."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def main(task, way, mib):
    """Run, and print what came of it."""
    before = read_status("VmRSS:")
    kept = deque(maxlen=None if way == "hold" else 1)
    total = 0
    for piece in {"seal": seal, "open": open_}[task](int(mib) * MIB):
        kept.append(piece)
        total += len(piece)
    print(json.dumps({"bytes": total, "growth_bytes": read_status("VmHWM:") - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
