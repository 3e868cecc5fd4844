"""Looks into the processes of the server side: memory, environments, files held open (Linux, /proc)."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_PROC: Final = Path("/proc")
PIECE_BYTES: Final = 32 * 1024
_PAGE_BYTES: Final = 4096
_WHOLE_PIECE_BYTES: Final = PIECE_BYTES + _PAGE_BYTES
_ELF_MAGIC: Final = b"\x7fELF\x02"
_ELF_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_ELF_PROGRAM: Final = struct.Struct("<IIQQQQQQ")
_ELF_LOAD: Final = 1
_ENTRY_BYTES: Final = 8
_SWAPPED_BIT: Final = 62
"""The last two bits of a page's entry in pagemap: swapped out, and present (proc(5))."""
_UNREADABLE: Final = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running process, and what it is."""

    pid: int
    name: str


def find_processes(roots: Iterable[int]) -> list[ServerProcess]:
    """Find the processes with these ids and all that descend from them."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return [ServerProcess(pid, name) for pid in sorted(set(found)) if (name := _name(pid))]


def _name(pid: int) -> str:
    """Name a process by its program or Python module; an empty text for one that has ended."""
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    words = [argument.decode(errors="replace") for argument in arguments if argument]
    if not words:
        return ""
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return next((word for word in words if word.startswith("kafka.")), Path(words[0].split(": ")[0]).name)


def read_memory(process: ServerProcess) -> Iterator[bytes]:
    """Read all memory of a process that is not merely a file's: what it may write, and what is anonymous.

    Pages that were never written are left out; so are zeros. Pieces are counted from the start of a region,
    so that what has not changed is the same piece at the next reading; each overlaps with the one behind it.
    """
    folder = _PROC / str(process.pid)
    with (
        suppress(ProcessLookupError),
        (folder / "mem").open("rb", buffering=0) as memory,
        (folder / "pagemap").open("rb", buffering=0) as pagemap,
    ):
        for start, stop in _find_regions(process.pid):
            for at in _find_written(pagemap, start, stop):
                with suppress(OSError):  # a hole, such as a guard page
                    memory.seek(at)
                    piece = memory.read(min(_WHOLE_PIECE_BYTES, stop - at))
                    if piece.count(0) != len(piece):
                        yield piece


def _find_written(pagemap: BinaryIO, start: int, stop: int) -> Iterator[int]:
    """Find the pieces of a region of which any page is in memory or swapped out."""
    for at in range(start, stop, PIECE_BYTES):
        pages = (min(at + PIECE_BYTES, stop) - at) // _PAGE_BYTES
        pagemap.seek(at // _PAGE_BYTES * _ENTRY_BYTES)
        entries = pagemap.read(pages * _ENTRY_BYTES)
        if any(entry >> _SWAPPED_BIT for (entry,) in struct.iter_unpack("<Q", entries)):
            yield at


def _find_regions(pid: int) -> Iterator[tuple[int, int]]:
    for line in (_PROC / str(pid) / "maps").read_text().splitlines():
        place, permissions, _, _, inode, *path = line.split(maxsplit=5)
        of_a_file = inode != "0" and "w" not in permissions
        if not of_a_file and (path[0] if path else "") not in _UNREADABLE:
            start, _, stop = place.partition("-")
            yield int(start, 16), int(stop, 16)


def read_environment(process: ServerProcess) -> bytes:
    """Read the environment and the command line of a process."""
    with suppress(OSError):
        folder = _PROC / str(process.pid)
        return (folder / "environ").read_bytes() + b"\n" + (folder / "cmdline").read_bytes()
    return b""


def read_deleted(process: ServerProcess) -> Iterator[tuple[str, bytes]]:
    """Read the files that a process holds open and that have no name any more."""
    folder = _PROC / str(process.pid) / "fd"
    with suppress(OSError):
        for descriptor in folder.iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.endswith(" (deleted)") and descriptor.stat().st_size and descriptor.is_file():
                    yield target, descriptor.read_bytes()


@dataclass(frozen=True, slots=True)
class Core:
    """A core dump: the file, and what made it."""

    path: Path
    made_by: str

    def read(self) -> Iterator[bytes]:
        """Read it in the pieces in which memory is read, without zeros: what is known is the same piece."""
        with self.path.open("rb") as file:
            for offset, size in _find_segments(file):
                for at in range(0, size, PIECE_BYTES):
                    file.seek(offset + at)
                    piece = file.read(min(_WHOLE_PIECE_BYTES, size - at))
                    if piece.count(0) != len(piece):
                        yield piece


def _find_segments(core: BinaryIO) -> Iterator[tuple[int, int]]:
    """Find offset and size of the memory in an ELF core (elf(5), 64 bits); of our own, of each piece."""
    size = core.seek(0, os.SEEK_END)
    core.seek(0)
    head = core.read(_ELF_HEADER.size)
    if not head.startswith(_ELF_MAGIC):
        yield from ((at, _WHOLE_PIECE_BYTES) for at in range(0, size, _WHOLE_PIECE_BYTES))
        return
    _, _, _, _, _, table, _, _, _, entry_bytes, entries, *_ = _ELF_HEADER.unpack(head)
    for number in range(entries):
        core.seek(table + number * entry_bytes)
        kind, _, offset, _, _, in_file, _, _ = _ELF_PROGRAM.unpack(core.read(_ELF_PROGRAM.size))
        if kind == _ELF_LOAD:
            yield offset, in_file


def dump_core(process: ServerProcess, folder: Path, *, by_gcore: bool) -> Core:
    """Write a core dump of a process, which goes on: by gcore where it is, else by reading its memory."""
    folder.mkdir(exist_ok=True)
    target = folder / f"{process.name}.{process.pid}"
    gcore = shutil.which("gcore") if by_gcore else None
    if gcore:
        command = [gcore, "-o", str(folder / process.name), str(process.pid)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0 and target.exists():
            return Core(target, "gcore")
    with target.open("wb") as file:
        for piece in read_memory(process):
            file.write(piece.ljust(_WHOLE_PIECE_BYTES, b"\0"))
    return Core(target, "own reader")
