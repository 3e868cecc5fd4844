"""A log sorted by account into parts: in memory while it is small, in files once it is not."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from solekey.audit.archive.subjects import KeptSubjects
from solekey.audit.sources.log import BusPlace, Record
from solekey.files.scratch import open_scratch

PARTS: Final = 256
"""An account's records are all in one of these; a process holds one part at a time."""
MEMORY_BYTES: Final = 16 * 1024 * 1024
"""What the parts hold in memory together, before they are written to files."""
_FRAME: Final = struct.Struct("<QHiqI")
"""Number of the record in the log, topic, partition, offset, length; the record's bytes follow."""
_FRAME_BYTES: Final = _FRAME.size
_NO_TOPIC: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Part:
    """Some accounts' records.

    Attributes:
        number: which part it is.
        path: the file that its records were written to; None where they are all in ``held``.
        held: what is in memory, behind what is in the file.
        topics: the names that frames give numbers.
        kept: accounts of an archive, whose records there come before these.
    """

    number: int
    path: Path | None
    held: bytes
    topics: tuple[str, ...]
    kept: KeptSubjects = field(default_factory=KeptSubjects)

    def records(self) -> Iterator[tuple[int, Record]]:
        """Yield each record with its number in the log, in the order of arrival."""
        data = (self.path.read_bytes() if self.path is not None else b"") + self.held
        at = 0
        while at < len(data):
            number, topic, partition, offset, length = _FRAME.unpack_from(data, at)
            at += _FRAME.size
            place = None if topic == _NO_TOPIC else BusPlace(self.topics[topic], partition, offset)
            yield number, Record(data[at : at + length], place)
            at += length


def find_part(subject: bytes) -> int:
    """Find the part that the records of an account are in."""
    return zlib.crc32(subject) % PARTS


class Spill:
    """Takes records one by one, and gives them back by account. A context manager: files go at its end.

    Args:
        memory_bytes: what is held in memory.
        lists_subjects: whether to note whose records there are.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES, *, lists_subjects: bool = False) -> None:
        self._memory_bytes = memory_bytes
        self._subjects: set[bytes] | None = set() if lists_subjects else None
        self._buffers = [bytearray() for _ in range(PARTS)]
        self._held = 0
        self.records = 0
        """How many records were added."""
        self._topics: dict[str, int] = {}
        self._folder = TemporaryDirectory(prefix="solekey-audit-")

    @property
    def folder(self) -> Path:
        """A folder that lasts as long as this."""
        return Path(self._folder.name)

    def add(self, subject: bytes, number: int, record: Record) -> None:
        """Add a record of an account.

        Args:
            subject: the account that it claims; all records of one subject come into one part.
            number: its number in the log.
            record: the record.
        """
        raw, place = record.raw or b"", record.place
        if self._subjects is not None:
            self._subjects.add(subject)
        buffer = self._buffers[find_part(subject)]
        if place is None:
            buffer += _FRAME.pack(number, _NO_TOPIC, 0, 0, len(raw))
        else:
            topic = self._topics.setdefault(place.topic, len(self._topics))
            buffer += _FRAME.pack(number, topic, place.partition, place.offset, len(raw))
        buffer += raw
        self.records += 1
        self._held += _FRAME_BYTES + len(raw)
        if self._held > self._memory_bytes:
            self._flush()

    @property
    def subjects(self) -> frozenset[bytes]:
        """Whose records these are, where that was asked for."""
        return frozenset(self._subjects or ())

    def parts(self) -> list[Part]:
        """The parts that hold records."""
        topics = tuple(self._topics)
        parts = []
        for number, buffer in enumerate(self._buffers):
            path = self._path(number)
            written = path.exists()
            if written or buffer:
                parts.append(Part(number, path if written else None, bytes(buffer), topics))
        return parts

    def _flush(self) -> None:
        for number, buffer in enumerate(self._buffers):
            if buffer:
                with open_scratch(self._path(number)) as file:
                    file.write(buffer)
                buffer.clear()
        self._held = 0

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:03}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
