"""Records as bytes, whatever they hold. Spec: audit-bundle.md §2.

*Wire format.* Integers are big-endian: offset (8) ‖ timestamp in ms, -1: none (8, signed) ‖ length of the
key, -1: none (4, signed) ‖ key ‖ length of the value, -1: a tombstone (4, signed) ‖ value ‖ number of headers
(2) ‖ for each: length of its name (2) ‖ name ‖ length of its value, -1: none (4, signed) ‖ value. Framing by
lengths keeps line feeds, records that are too long for an event, and records without a value.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from solekey.audit.bundle.layout import MAX_VALUE_BYTES
from solekey.audit.sources.log import BusPlace, Record

_BEGIN: Final = struct.Struct(">Qqi")
_LENGTH: Final = struct.Struct(">i")
_COUNT: Final = struct.Struct(">H")
_NONE: Final = -1
_MAX_SAFE: Final = 2**53

Read = Callable[[int], bytes]
"""Reads exactly so many bytes, or fewer at the end."""


class FrameError(Exception):
    """Bytes that are no frame."""


def encode_frame(record: Record) -> bytes:
    """Encode a record. Raises FrameError when it is too large."""
    if record.place is None:
        raise FrameError("a record without its place")
    timestamp = _NONE if record.timestamp_ms is None else record.timestamp_ms
    pieces = [_BEGIN.pack(record.place.offset, timestamp, _measure(record.key)), record.key or b""]
    pieces += [_LENGTH.pack(_measure(record.raw)), record.raw or b"", _COUNT.pack(len(record.headers))]
    for name, value in record.headers:
        encoded = name.encode(errors="surrogatepass")
        pieces += [_COUNT.pack(len(encoded)), encoded, _LENGTH.pack(_measure(value)), value or b""]
    return b"".join(pieces)


def read_frames(read: Read, topic: str, partition: int) -> Iterator[Record]:
    """Read frames to the end. Raises FrameError for bytes that are none."""
    while begin := read(_BEGIN.size):
        offset, timestamp, key_length = _unpack(_BEGIN, begin)
        key = _read_bytes(read, key_length)
        raw = _read_bytes(read, _unpack(_LENGTH, read(_LENGTH.size))[0])
        headers = tuple(_read_header(read) for _ in range(_unpack(_COUNT, read(_COUNT.size))[0]))
        if offset >= _MAX_SAFE or not _NONE <= timestamp < _MAX_SAFE:
            raise FrameError("an offset or timestamp that no bus has")
        place = BusPlace(topic, partition, offset)
        yield Record(raw, place, key, None if timestamp == _NONE else timestamp, headers)


def _measure(data: bytes | None) -> int:
    if data is None:
        return _NONE
    if len(data) > MAX_VALUE_BYTES:
        raise FrameError(f"{len(data)} bytes in one record; a bundle holds at most {MAX_VALUE_BYTES}")
    return len(data)


def _read_header(read: Read) -> tuple[str, bytes]:
    name = _read_bytes(read, _unpack(_COUNT, read(_COUNT.size))[0]) or b""
    value = _read_bytes(read, _unpack(_LENGTH, read(_LENGTH.size))[0])
    return name.decode(errors="backslashreplace"), value or b""


def _read_bytes(read: Read, length: int) -> bytes | None:
    if length == _NONE:
        return None
    if not 0 <= length <= MAX_VALUE_BYTES:
        raise FrameError("a length out of bounds")
    data = read(length)
    if len(data) != length:
        raise FrameError("a record that is cut off")
    return data


def _unpack(form: struct.Struct, data: bytes) -> tuple[int, ...]:
    if len(data) != form.size:
        raise FrameError("a record that is cut off")
    return form.unpack(data)
