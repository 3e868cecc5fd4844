"""Seals and opens in a process of its own, and prints what that took: ``python -m bench.crypto_worker``.

A fresh process is what a user starts: its memory has not been warmed, and its peak is its own.

    seal SOURCE TARGET     file to file       {"seconds": …, "growth_bytes": …}
    open SOURCE TARGET
    seal-whole, open-whole SOURCE TARGET      the same with all of it in memory: what the others must not do
    memory MIB ROUNDS      in memory          {"one_piece_seal": seconds, …}: medians
"""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import BinaryIO, Final

from solekey.crypto import (
    DataKey,
    EnvelopeReader,
    ItemContext,
    ItemMetadata,
    MemorySource,
    open_bytes,
    seal_bytes,
    seal_envelope,
)
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import KIB, MIB

CONTEXT: Final = ItemContext(AccountId.from_raw(bytes(16)), ItemId.from_raw(bytes(16)), 1)
DATA_KEY: Final = DataKey(1, bytes(range(32)))
METADATA: Final = ItemMetadata("holiday film", "video/mp4", 1_700_000_000_000, 1_700_000_000_001)

_BLOCK_BYTES: Final = 256 * KIB
"""What is written at once: what `cp` does too. A write of 1 MiB makes Linux look for large pages, which takes
long on a machine whose memory is fragmented."""


class FileSource:
    """An envelope on disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes at `offset`."""
        self._file.seek(offset)
        return self._file.read(length)


def seal_file(source: Path, target: Path) -> None:
    """Seal a file into another, as a client app does."""
    with source.open("rb") as plain, target.open("wb") as sealed:
        size = os.fstat(plain.fileno()).st_size
        envelope = seal_envelope(
            plain.read,
            content_size=size,
            metadata=METADATA,
            data_key=DATA_KEY,
            context=CONTEXT,
            random=os.urandom,
        )
        _write(sealed, envelope)


def open_file(source: Path, target: Path) -> None:
    """Open a file into another, as a client app does."""
    with source.open("rb") as sealed, target.open("wb") as plain:
        _write(plain, EnvelopeReader(FileSource(sealed), data_key=DATA_KEY, context=CONTEXT).iter_content())


def _write(file: BinaryIO, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        file.writelines(view[start : start + _BLOCK_BYTES] for start in range(0, len(view), _BLOCK_BYTES))


def _seal(content: bytes) -> bytes:
    return seal_bytes(content, metadata=METADATA, data_key=DATA_KEY, context=CONTEXT, random=os.urandom)


def _open(envelope: bytes) -> bytes:
    return open_bytes(envelope, data_key=DATA_KEY, context=CONTEXT).content


def seal_whole(source: Path, target: Path) -> None:
    """Seal a file that is read into memory first."""
    target.write_bytes(_seal(source.read_bytes()))


def open_whole(source: Path, target: Path) -> None:
    """Open a file that is read into memory first."""
    target.write_bytes(_open(source.read_bytes()))


FILES: Final = {
    "seal": seal_file,
    "open": open_file,
    "seal-whole": seal_whole,
    "open-whole": open_whole,
}


def _measure_file(work: Callable[[Path, Path], None], source: Path, target: Path) -> dict[str, float]:
    before = _read_status("VmRSS")
    started = time.perf_counter()
    work(source, target)
    return {"seconds": time.perf_counter() - started, "growth_bytes": _read_status("VmHWM") - before}


def _measure_memory(size: int, rounds: int) -> dict[str, float]:
    content = os.urandom(MIB) * (size // MIB)
    envelope = _seal(content)
    works: dict[str, Callable[[], object]] = {
        "chunks_seal": lambda: _drop(
            seal_envelope(
                io.BytesIO(content).read,
                content_size=size,
                metadata=METADATA,
                data_key=DATA_KEY,
                context=CONTEXT,
                random=os.urandom,
            )
        ),
        "chunks_open": lambda: _drop(
            EnvelopeReader(MemorySource(envelope), data_key=DATA_KEY, context=CONTEXT).iter_content()
        ),
        "one_piece_seal": lambda: _seal(content),
        "one_piece_open": lambda: _open(envelope),
        "fresh_memory": lambda: b"\x01" * size,
    }
    return {name: median(_time(work) for _ in range(rounds)) for name, work in works.items()}


def _drop(pieces: Iterable[bytes]) -> None:
    for _ in pieces:
        pass


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    del result  # giving the memory back is not counted
    return seconds


def _read_status(field: str) -> int:
    """Read a size of this process, such as the peak of what it held in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * KIB
    raise LookupError(field)


def main(arguments: list[str]) -> None:
    """Measure what the arguments ask for, and print it as JSON."""
    task, first, second = arguments
    if task == "memory":
        print(json.dumps(_measure_memory(int(first) * MIB, int(second))))
    else:
        print(json.dumps(_measure_file(FILES[task], Path(first), Path(second))))


if __name__ == "__main__":
    main(sys.argv[1:])
