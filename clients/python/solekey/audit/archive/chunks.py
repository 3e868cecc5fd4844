"""Records of one account as an archive keeps them.

*Wire format.* One zlib stream (RFC 1950) of frames; integers are little-endian: number of the record in the
log (8) ‖ length of the topic's name, 0: the source says no place (2) ‖ partition (4, signed) ‖ offset (8,
signed) ‖ length of the record (4) ‖ name of the topic ‖ the record's exact bytes. Spec: audit.md §2.6.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from solekey.audit.sources.log import BusPlace, Record

_FRAME: Final = struct.Struct("<QHiqI")
_LEVEL: Final = 1
"""Half of the records' bytes are keys, digests and signatures, which nothing makes shorter."""


def encode_chunk(records: Iterable[tuple[int, Record]]) -> bytes:
    """Encode records, each with its number in the log."""
    pieces = []
    for number, record in records:
        raw, place = record.raw or b"", record.place
        topic = place.topic.encode() if place is not None else b""
        partition, offset = (place.partition, place.offset) if place is not None else (0, 0)
        pieces += [_FRAME.pack(number, len(topic), partition, offset, len(raw)), topic, raw]
    return zlib.compress(b"".join(pieces), _LEVEL)


def decode_chunk(chunk: bytes) -> Iterator[tuple[int, Record]]:
    """Decode what ``encode_chunk`` has made. Raises zlib.error, struct.error, UnicodeError."""
    data = zlib.decompress(chunk)
    at = 0
    while at < len(data):
        number, topic_length, partition, offset, length = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        topic = data[at : at + topic_length].decode()
        at += topic_length
        place = BusPlace(topic, partition, offset) if topic else None
        yield number, Record(data[at : at + length], place)
        at += length
