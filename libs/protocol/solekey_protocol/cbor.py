"""Deterministic CBOR (RFC 8949 §4.2.1), decoded by one pass that refuses before it computes.

*Wire format.* Integers, byte strings, text strings, arrays, maps with text keys, ``true``, ``false`` and
``null``, each in its only encoding. Spec: conventions.md §3.2.

A tag, a float or an indefinite length is refused at its first byte: nothing is ever computed from it. Every
length is compared with the bytes that are left before anything is made of it, and the number of values is
bounded, so that the work grows with the document's size and with nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import MAX_CBOR_VALUES, MAX_DEPTH

Cbor = None | bool | int | str | bytes | Sequence["Cbor"] | Mapping[str, "Cbor"]
"""What CBOR can say in Solekey."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES: Final[Mapping[int, bool | None]] = {0xF4: False, 0xF5: True, 0xF6: None}
_SMALLEST: Final = (24, 1 << 8, 1 << 16, 1 << 32)
"""The smallest argument that needs 1, 2, 4 and 8 bytes behind the first."""


def parse_cbor(data: bytes, *, max_bytes: int, max_values: int = MAX_CBOR_VALUES) -> Cbor:
    """Parse deterministic CBOR; refuse any other encoding of the same value and trailing bytes.

    Args:
        data: the document.
        max_bytes: refuse a longer document unread.
        max_values: refuse a document with more values, counting arrays, maps and keys too.

    Raises:
        MalformedError: too long, not CBOR, tags, bignums, floats, a map key that is no text, too deep, too
            many values, trailing bytes, or not the deterministic bytes.
    """
    if len(data) > max_bytes:
        raise MalformedError(f"CBOR document is {len(data)} bytes, limit {max_bytes}")
    decoder = _Decoder(bytes(data), max_values)
    try:
        value, end = decoder.read(0, MAX_DEPTH)
    except IndexError as error:
        raise MalformedError("not CBOR: the document is cut off") from error
    if end != len(data):
        raise MalformedError("not CBOR: bytes behind the document")
    return value


def iter_cbor(data: bytes, *, start: int, count: int, max_values: int, depth: int) -> Iterator[Cbor]:
    """Parse values that stand one behind the other at the end of a document, as they are asked for.

    Args:
        data: the document.
        start: where the first value begins.
        count: how many there are; the last one ends the document.
        max_values: refuse more values, counted as parse_cbor does.
        depth: how many levels the document has around them.

    Raises:
        MalformedError: see parse_cbor; when the value is reached.
    """
    decoder, at = _Decoder(data, max_values), start
    for _ in range(count):
        try:
            value, at = decoder.read(at, MAX_DEPTH - depth)
        except IndexError as error:
            raise MalformedError("not CBOR: the document is cut off") from error
        yield value
    if at != len(data):
        raise MalformedError("not CBOR: bytes behind the document")


def verify_cbor_cost(data: bytes, *, max_values: int) -> bytes:
    """Verify that a decoder of somebody else's will have little to do, without decoding anything.

    For CBOR of other protocols, such as WebAuthn's, whose keys may be numbers and stand in any order.

    Raises:
        MalformedError: not exactly one value, a tag, an indefinite length, or too many values.
    """
    at, wanted = 0, 1
    try:
        while wanted:
            wanted, max_values = wanted - 1, max_values - 1
            major, size_code = data[at] >> 5, data[at] & 0x1F
            if max_values < 0 or major == _TAG or size_code > 27:
                raise MalformedError("CBOR with a tag, an indefinite length or too many values")
            size = 0 if size_code < 24 else 1 << (size_code - 24)
            argument = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else size_code
            at += 1 + size
            if major in (_BYTES, _TEXT):
                at += argument
            elif major in (_ARRAY, _MAP):
                wanted += argument * (2 if major == _MAP else 1)
    except IndexError as error:
        raise MalformedError("not CBOR: the document is cut off") from error
    if at != len(data):
        raise MalformedError("not CBOR: the document is cut off, or bytes stand behind it")
    return data


class _Decoder:
    """Reads the values of one document. ``read`` takes a position and returns the one behind the value."""

    __slots__ = ("_data", "_left", "_readers")

    def __init__(self, data: bytes, max_values: int) -> None:
        self._data = data
        self._left = max_values
        self._readers: tuple[Callable[[int, int, int], tuple[Cbor, int]], ...] = (
            lambda argument, at, _: (argument, at),
            lambda argument, at, _: (-1 - argument, at),
            self._read_bytes,
            self._read_text,
            self._read_array,
            self._read_map,
        )

    def read(self, at: int, depth: int) -> tuple[Cbor, int]:
        """Read one value. Raises MalformedError, or IndexError behind the end of the document."""
        self._left -= 1
        if self._left < 0 or depth == 0:
            raise MalformedError("CBOR is nested too deep" if depth == 0 else "CBOR has too many values")
        first = self._data[at]
        major, argument = first >> 5, first & 0x1F
        at += 1
        if major >= _TAG:
            return _read_simple(first), at
        if argument >= 24:
            argument, at = self._read_argument(argument, at)
        if major == _UNSIGNED:  # most values are numbers or byte strings: without another call
            return argument, at
        if major == _BYTES and (end := at + argument) <= len(self._data):
            return self._data[at:end], end
        return self._readers[major](argument, at, depth)

    def _read_argument(self, size_code: int, at: int) -> tuple[int, int]:
        if size_code > 27:
            raise MalformedError("not CBOR: an indefinite or a reserved length")
        end = at + (1 << (size_code - 24))
        if end > len(self._data):
            raise IndexError
        argument = int.from_bytes(self._data[at:end], "big")
        if argument < _SMALLEST[size_code - 24]:
            raise MalformedError("CBOR is not in deterministic form: a number is not in its shortest form")
        return argument, end

    def _read_bytes(self, size: int, at: int, _: int) -> tuple[bytes, int]:
        end = at + size
        if end > len(self._data):
            raise IndexError
        return self._data[at:end], end

    def _read_text(self, size: int, at: int, depth: int) -> tuple[str, int]:
        encoded, end = self._read_bytes(size, at, depth)
        try:
            return encoded.decode(), end
        except UnicodeDecodeError as error:
            raise MalformedError("not CBOR: a text is not UTF-8") from error

    def _read_array(self, count: int, at: int, depth: int) -> tuple[list[Cbor], int]:
        self._expect_room(count, at)
        read, values = self.read, []
        for _ in range(count):
            value, at = read(at, depth - 1)
            values.append(value)
        return values, at

    def _read_map(self, count: int, at: int, depth: int) -> tuple[dict[str, Cbor], int]:
        self._expect_room(2 * count, at)
        members: dict[str, Cbor] = {}
        before = b""
        for _ in range(count):
            key, behind_key = self.read(at, depth)
            encoded = self._data[at:behind_key]
            if not isinstance(key, str):
                raise MalformedError("a CBOR map's key must be a text")
            if encoded <= before:
                raise MalformedError("CBOR is not in deterministic form: keys out of order, or one twice")
            members[key], at = self.read(behind_key, depth - 1)
            before = encoded
        return members, at

    def _expect_room(self, values: int, at: int) -> None:
        if values > len(self._data) - at:
            raise IndexError  # every value takes a byte at least


def _read_simple(first: int) -> bool | None:
    """Read what has no argument; tags, floats and other simple values end here, unread."""
    if first in _SIMPLE_VALUES:
        return _SIMPLE_VALUES[first]
    kind = "tags and bignums" if first >> 5 == _TAG else "floats and simple values"
    raise MalformedError(f"{kind} do not exist in Solekey's CBOR")
