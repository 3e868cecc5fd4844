"""Canonical bytes: JSON (RFC 8785), CBOR (RFC 8949 §4.2.1), base64url (RFC 7515 §2). Spec: conventions.md §3.

A value has exactly one encoding, and a parser refuses every other: what was hashed or signed
can be told from its value.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import cbor2
import rfc8785

from solekey_protocol.cbor import Cbor, parse_cbor
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import MAX_DEPTH, MAX_SAFE_INTEGER

__all__ = [
    "Cbor",
    "Json",
    "encode_base64url",
    "encode_cbor",
    "encode_json",
    "parse_base64url",
    "parse_cbor",
    "parse_json",
    "parse_lenient_json",
]

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]
"""What canonical JSON can say; floats do not exist in Solekey."""
_ASCII_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_MAX_INTEGER_CHARS: Final = len(str(-MAX_SAFE_INTEGER))


def encode_json(value: Json) -> bytes:
    """Encode as canonical JSON (RFC 8785).

    Raises:
        MalformedError: a float, an integer of 2^53 or more, a lone surrogate, a key that is no string,
            or too deep.
    """
    _check_json(value, MAX_DEPTH)
    return _dump(value)


def parse_json(data: bytes, *, max_bytes: int) -> Json:
    """Parse canonical JSON; refuse any other spelling of the same value.

    Raises:
        MalformedError: too long, not UTF-8, not JSON, duplicate keys, floats, or not the canonical bytes.
    """
    value = parse_lenient_json(data, max_bytes=max_bytes)
    if _dump(value) != data:
        raise MalformedError("JSON is not in canonical form (RFC 8785)")
    return value


def parse_lenient_json(data: bytes, *, max_bytes: int, max_values: int | None = None) -> Json:
    """Parse JSON in any spelling, such as a request body, into the canonical value space.

    Args:
        data: the document.
        max_bytes: refuse a longer document unread.
        max_values: refuse unread what could have more values; a comma or a bracket in a string counts too.

    Raises:
        MalformedError: too long, not UTF-8, not JSON, duplicate keys, floats, lone surrogates, too deep.
    """
    if len(data) > max_bytes:
        raise MalformedError(f"JSON document is {len(data)} bytes, limit {max_bytes}")
    if max_values is not None and sum(map(data.count, (b",", b"[", b"{"))) >= max_values:
        raise MalformedError(f"JSON document has more than {max_values} values")
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_int=_parse_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from error
    _check_json(value, MAX_DEPTH)
    return value  # type: ignore[no-any-return]  # _check_json has established it


def encode_cbor(value: Cbor) -> bytes:
    """Encode as deterministic CBOR (RFC 8949 §4.2.1).

    Map keys are texts only: then RFC 7049's order of keys, which cbor2 writes, is RFC 8949's too.
    """
    return cbor2.dumps(value, canonical=True)


def encode_base64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parse_base64url(text: str) -> bytes:
    """Parse base64url without padding; refuse any other spelling of the same bytes.

    Raises:
        MalformedError: another alphabet, padding, an impossible length, or unused bits that are set.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:  # binascii.Error, and what is not ASCII
        raise MalformedError("not base64url") from error
    if encode_base64url(data) != text:
        raise MalformedError("base64url is not in canonical form")
    return data


def _dump(value: Json) -> bytes:
    """Write a value that was checked. Raises MalformedError."""
    try:
        # Where all keys and texts are ASCII, as in every event, the standard library's encoder (in C) writes
        # what RFC 8785 asks for: the order by UTF-16 code units is that of the characters, and the escapes
        # are the same. It takes a tenth of the time.
        text = _ASCII_ENCODER.encode(value)
        return text.encode() if text.isascii() else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, TypeError) as error:
        raise MalformedError(f"not canonical JSON: {error}") from error


def _check_json(value: object, depth: int) -> None:
    if depth == 0:
        raise MalformedError(f"JSON is nested deeper than {MAX_DEPTH}")
    if isinstance(value, float):
        raise MalformedError("floats do not exist in Solekey's JSON")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        raise MalformedError("integer outside ±(2^53 - 1)")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str):
                raise MalformedError("a JSON key must be a string")
            _check_text(key)
            _check_json(member, depth - 1)
    elif isinstance(value, list | tuple):
        for member in value:
            _check_json(member, depth - 1)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedError("a lone surrogate is no text") from error


def _parse_integer(text: str) -> int:
    """Convert digits; Python takes quadratic time for many of them, so these are refused unread."""
    if len(text) > _MAX_INTEGER_CHARS:
        raise ValueError("integer outside ±(2^53 - 1)")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"number {text[:40]!r} is not an integer")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key in an object")
    return members
