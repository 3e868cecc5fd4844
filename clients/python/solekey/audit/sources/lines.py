"""An exported file: the records' exact bytes, one a line. Spec: audit.md §1.1.

*Wire format.* Canonical JSON holds no line feed, so a line is a record, byte for byte what was hashed. Places
on the bus are not in it, nor can it hold a record that is no line: a bundle holds both (audit-bundle.md).
"""

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from solekey.audit.sources.errors import LogConvertedError, LogError
from solekey.audit.sources.log import Ranges, Record
from solekey.files.text import find_mark
from solekey.files.whole_file import WholeFile
from solekey_protocol.limits import MAX_EVENT_BYTES

_BLOCK_BYTES: Final = 1024 * 1024


class LinesLog:
    """An exported file."""

    bus = None
    objects = None
    bundles = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    @property
    def total(self) -> int | None:
        """How many lines a plain file has."""
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):
                return None
            with self._path.open("rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
        except (OSError, ValueError):
            return None

    def records(self, ranges: Ranges | None = None) -> Iterator[Record]:  # noqa: ARG002  # knows no places
        """See Log.records."""
        try:
            with self._path.open("rb") as file:
                lines = iter(lambda: file.readline(MAX_EVENT_BYTES + 2), b"")
                for number, line in enumerate(lines, start=1):
                    is_plain = line.startswith(b"{") and line.endswith(b"}\n") and b"\r" not in line
                    yield Record(line[:-1] if is_plain else self._parse(number, line))
        except OSError as error:
            raise LogError(f"{self._path}: {error.strerror}") from error
        except UnicodeError as error:  # a lone surrogate, which no file name on this system holds
            raise LogError(f"{self.name!a} can be no file's name here") from error

    def _parse(self, number: int, line: bytes) -> bytes:
        self._verify_unconverted(number, line)
        if not line.endswith(b"\n"):
            if len(line) > MAX_EVENT_BYTES + 1:
                raise LogError(f"{self._path}: line {number} is longer than an event can be")
            raise LogError(f"{self._path}: line {number} is cut off; export the log again")
        return line[:-1]

    def _verify_unconverted(self, number: int, line: bytes) -> None:
        """Verify that no editor has saved the file: canonical JSON has no mark, no CR, and no empty line."""
        what = None
        if number == 1 and (mark := find_mark(line)):
            what = f"begins with the byte order mark of {mark.removesuffix('-sig').upper()}"
        elif b"\r" in line:
            what = f"has other line ends than LF (line {number})"
        elif not line.strip():
            what = f"has an empty line ({number})"
        if what is not None:
            raise LogConvertedError(f"{self._path} {what}: it was converted; that is no sign of tampering")


def write_lines(records: Iterable[Record], target: Path) -> int:
    """Write the events of a log to a file, atomically; return their number. Heartbeats are left out.

    Raises:
        LogError: a record that is no line: a tombstone, one with a line feed, or one that is too long.
    """
    count = 0
    with WholeFile.make(target) as whole:
        for record in records:
            if record.is_heartbeat:
                continue
            if not record.raw or b"\n" in record.raw or len(record.raw) > MAX_EVENT_BYTES:
                where = record.place or f"record {count + 1}"
                raise LogError(f"{where} is no line, and so no event: only a bundle can hold it")
            whole.file.write(record.raw + b"\n")
            count += 1
        whole.publish()
    return count
