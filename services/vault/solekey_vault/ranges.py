"""One byte range of an object, as a request asks for it. RFC 9110 §14; Spec: vault.md §8."""

from dataclasses import dataclass

from werkzeug.http import parse_range_header

from solekey_vault.refusals import RangeNotSatisfiable


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
    parsed = parse_range_header(text)
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1:
        raise RangeNotSatisfiable("expected one range, such as bytes=0-99", extras={"size": size})
    start, end = parsed.ranges[0]
    if start < 0:  # a suffix, which may be longer than the object: werkzeug's range_for_length refuses that
        start = max(size + start, 0)
    end = size if end is None else min(end, size)
    if start >= end:
        raise RangeNotSatisfiable(f"the object has {size} bytes", extras={"size": size})
    return ByteRange(start, end, size)
