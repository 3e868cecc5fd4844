"""The verified records of a stream: their exact bytes in a file, one a line, read again a block at a time.

Nothing is held in memory but where each block of 64 records begins and which digest it continues: what is
read again is checked against that, so that a record that was changed in the file meanwhile is noticed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

from solekey.errors import ProfileError
from solekey.files.private_folder import PrivateFolder
from solekey_protocol.event import Event, parse_event
from solekey_protocol.ids import ZERO_DIGEST, Digest, compute_digest

BLOCK_EVENTS: Final = 64
_READ_BYTES: Final = 1 << 20  # 1 MiB
_PREV: Final = b'"prev":"'


@dataclass(slots=True)
class Records(Sequence[Event]):
    """A stream's events, in order: ``records[seq - 1]``. Those of the end may wait to be kept.

    Attributes:
        folder, name: where the file is.
        digest: the last record's.
        size_bytes: how much of the file is verified.
        offsets, continued: where each block begins in the file, and the digest of the record before it.
    """

    folder: PrivateFolder
    name: str
    digest: Digest = ZERO_DIGEST
    size_bytes: int = 0
    offsets: list[int] = field(default_factory=list)
    continued: list[Digest] = field(default_factory=list)
    _kept: int = 0
    _waiting: list[Event] = field(default_factory=list)
    _block: tuple[int, int, list[bytes]] = (-1, 0, [])

    def __len__(self) -> int:
        return self._kept + len(self._waiting)

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...

    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return [self[each] for each in range(start, stop, step)]
        index = place + len(self) if place < 0 else place
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} records")
        if index >= self._kept:
            return self._waiting[index - self._kept]
        return parse_event(self._read_block(index // BLOCK_EVENTS)[index % BLOCK_EVENTS])

    def __iter__(self) -> Iterator[Event]:
        return (self[index] for index in range(len(self)))

    def __reversed__(self) -> Iterator[Event]:
        return (self[index] for index in reversed(range(len(self))))

    def find_digest(self, seq: int) -> Digest:
        """Find the digest of a record by its place, from 1."""
        return self.digest if seq == len(self) else self[seq - 1].digest

    def add(self, event: Event) -> None:
        """Add the next event, which was verified; `keep` writes it."""
        self._waiting.append(event)
        self.digest = event.digest

    def keep(self) -> None:
        """Append to the file what was added. Raises DiskFullError; it can be tried again."""
        if self._waiting:
            self.folder.append(self.name, b"".join(event.raw + b"\n" for event in self._waiting))
            for event in self._waiting:
                self._note_kept(event)
            self._waiting.clear()

    def note_kept(self, event: Event) -> None:
        """Add the next event, which was read from the file."""
        self.digest = event.digest
        self._note_kept(event)

    def is_waiting(self, raw: bytes) -> bool:
        """Whether this is the next record that waits to be kept: another process has kept it meanwhile."""
        if not self._waiting or self._waiting[0].raw != raw:
            return False
        self._note_kept(self._waiting.pop(0))
        return True

    def read_new(self, *, mends: bool = True) -> Iterator[bytes]:
        """Read the records that the file has beyond what is verified. A cut end is deleted at last.

        Args:
            mends: whether it is; else it is passed over.
        """
        try:
            file = (self.folder.path / self.name).open("rb")
        except FileNotFoundError:
            return
        with file:
            at = file.seek(self.size_bytes)
            cut = b""
            while piece := file.read(_READ_BYTES):
                *lines, cut = (cut + piece).split(b"\n")
                for line in lines:
                    at += len(line) + 1
                    yield line
        if cut and mends:
            self.folder.cut(self.name, at)

    def stands(self) -> bool:
        """Whether the file has all that is said to be verified, up to the last record's digest."""
        try:
            if (self.folder.path / self.name).stat().st_size < self.size_bytes:
                return False
            return not self.offsets or bool(self._read_block(len(self.offsets) - 1))
        except (FileNotFoundError, ProfileError):
            return False

    def _note_kept(self, event: Event) -> None:
        if self._kept % BLOCK_EVENTS == 0:
            self.offsets.append(self.size_bytes)
            self.continued.append(event.prev)
        self._kept += 1
        self.size_bytes += len(event.raw) + 1

    def _read_block(self, block: int) -> list[bytes]:
        is_last = block + 1 == len(self.offsets)
        end = self.size_bytes if is_last else self.offsets[block + 1]
        if self._block[:2] == (block, end):
            return self._block[2]
        with (self.folder.path / self.name).open("rb") as file:
            file.seek(self.offsets[block])
            lines = file.read(end - self.offsets[block]).split(b"\n")[:-1]
        digest = self._waiting[0].prev if self._waiting else self.digest
        self._verify(lines, self.continued[block], digest if is_last else self.continued[block + 1])
        self._block = (block, end, lines)
        return lines

    def _verify(self, lines: list[bytes], digest: Digest, last: Digest) -> None:
        for line in lines:
            start = line.rfind(_PREV) + len(_PREV)
            if line[start : start + len(digest)] != digest.encode():
                break
            digest = compute_digest(line)
        if digest != last:
            raise ProfileError(f"{self.name} is damaged: a record that was verified has changed")
