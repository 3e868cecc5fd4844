"""One byte range of an object, as a request asks for it. RFC 9110 §14; Spec: vault.md §8."""

import re
from dataclasses import dataclass
from typing import Final

from solekey_vault.refusals import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes=(\d{1,16})?-(\d{1,16})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end``, the latter excluded, of ``size``."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The Content-Range header's value."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse_range(text: str, size: int) -> ByteRange:
    """Parse a Range header: ``bytes=0-99``, ``bytes=100-`` or ``bytes=-100``, and cut it to the object.

    Raises:
        RangeNotSatisfiable: several ranges, another unit, or nothing of the object lies in it.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise RangeNotSatisfiable("expected one range, such as bytes=0-99", extras={"size": size})
    first, last = match.groups()
    if first is None:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= end:
        raise RangeNotSatisfiable(f"the object has {size} bytes", extras={"size": size})
    return ByteRange(start, end, size)
