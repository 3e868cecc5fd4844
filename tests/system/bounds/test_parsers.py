"""Every parser's work grows with its input and with nothing else, whatever stands in it.

The inputs are what makes careless parsers slow: numbers that are computed, nesting, lengths that are claimed,
very many small values, keys, escapes. Each is measured at the largest size that the parser's callers let in
(or less, where that would only take longer).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import cbor2
import pytest

from solekey.crypto.metadata import parse_metadata
from solekey.errors import SolekeyError
from solekey.recovery.record import find_words, parse_kit_record
from solekey.transfer.objects import parse_byte_list
from solekey_auth.factors.passkeys import RelyingParty, read_challenge, verify_registration
from solekey_auth.limits import MAX_BODY_BYTES, MAX_PASSKEY_BODY_BYTES
from solekey_protocol.cbor import parse_cbor, verify_cbor_cost
from solekey_protocol.change_list import parse_change_list
from solekey_protocol.encoding import encode_base64url, parse_json, parse_lenient_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.limits import KIB, MAX_EVENT_BYTES, MAX_METADATA_BYTES, MAX_STATEMENT_BYTES
from solekey_protocol.page_list import parse_page_list
from solekey_protocol.statements import parse_signed_statement
from solekey_service.access.compact import MAX_COMPACT_CHARS, CompactError, parse_compact
from solekey_service.http import (
    Headers,
    Request,
    parse_cbor_body,
    parse_json_body,
    parse_query,
    parse_solekey_after,
)
from solekey_service.refusals import Refusal
from solekey_vault.ranges import parse_range
from tests.system.bounds.work import LINEAR, measure_growth

Parser = Callable[[bytes], object]
CHALLENGE: Final = bytes(32)
PARTY: Final = RelyingParty("https://solekey.test", "solekey.test", "Solekey")
CLIENT_DATA: Final = (
    b'{"type":"webauthn.create","challenge":"%s","origin":"https://solekey.test"}'
    % encode_base64url(CHALLENGE).encode()
)


def _head(major: int, argument: int) -> bytes:
    """The first bytes of a CBOR value with an argument, in the shortest form."""
    size_code = 25 if argument < 1 << 16 else 26
    return bytes([major << 5 | size_code]) + argument.to_bytes(2 if size_code == 25 else 4, "big")


def _decimal(size: int, tag: bytes = b"\xc4") -> bytes:
    """A tag over a small number and a bignum that fills a document."""
    return tag + b"\x82\x00\xc2" + _head(2, size) + b"\xff" * size


def _rational(size: int) -> bytes:
    """A tag over two bignums whose greatest common divisor takes long to find."""
    half = size // 2
    return (
        b"\xd8\x1e\x82\xc2"
        + _head(2, half)
        + b"\xff\x01" * (half // 2)
        + b"\xc2"
        + _head(2, half)
        + b"\xfe\x3d" * (half // 2)
    )


CBOR: Final[dict[str, Callable[[int], bytes]]] = {
    "decimal fraction": _decimal,
    "bigfloat": lambda size: _decimal(size, b"\xc5"),
    "rational": _rational,
    "tag deep inside": lambda size: b"\xa1\x67objects\x81" + _decimal(size),
    "bignum": lambda size: b"\xc2" + _head(2, size) + b"\x01" * size,
    "pattern": lambda size: b"\xd8\x23" + _head(3, size) + b"a" * size,
    "nested tags": lambda size: b"\xc6" * size,
    "nested arrays": lambda size: b"\x81" * size,
    "nested maps": lambda size: b"\xa1\x61a" * (size // 3),
    "empty arrays": lambda size: _head(4, size) + b"\x80" * size,
    "an array longer than the document": lambda size: _head(4, 2**31) + b"\x00" * size,
    "bytes longer than the document": lambda size: _head(2, 2**31) + b"\x00" * size,
    "empty texts": lambda size: b"\x81" + _head(4, size) + b"\x60" * size,
    "floats": lambda size: _head(4, size // 9) + b"\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18" * (size // 9),
    "indefinite": lambda size: b"\x9f" * size,
    "keys": lambda size: (
        _head(5, size // 8) + b"".join(b"\x66%06x\x01" % number for number in range(size // 8))
    ),
}
JSON: Final[dict[str, Callable[[int], bytes]]] = {
    "digits": lambda size: b"9" * size,
    "digits in an object": lambda size: b'{"a":-' + b"9" * size + b"}",
    "numbers": lambda size: b"[" + b"1," * (size // 2) + b"1]",
    "long numbers": lambda size: b"[" + b"9999999999999999," * (size // 17) + b"1]",
    "exponent": lambda size: b"1e" + b"9" * size,
    "nested arrays": lambda size: b"[" * size,
    "nested objects": lambda size: b'{"a":' * (size // 5),
    "empty arrays": lambda size: b"[" + b"[]," * (size // 3) + b"[]]",
    "keys": lambda size: b"{" + b",".join(b'"%x":1' % number for number in range(size // 8)) + b"}",
    "one key": lambda size: b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
    "a long string": lambda size: b'"' + b"a" * size + b'"',
    "escapes": lambda size: b'"' + rb"\u00e9" * (size // 6) + b'"',
    "surrogates": lambda size: b'"' + rb"\ud800" * (size // 6) + b'"',
    "quotes": lambda size: b'{"a":"' + rb"\"" * (size // 2) + b'"}',
    "spaces": lambda size: b" " * size,
    "an open string": lambda size: b'{"' + b"a" * size,
}
TEXTS: Final[dict[str, Callable[[int], bytes]]] = {
    "digits": lambda size: b"9" * size,
    "commas": lambda size: b"," * size,
    "pairs": lambda size: b"a=1," * (size // 4),
    "ampersands": lambda size: b"a=1&" * (size // 4),
    "percents": lambda size: b"%25" * (size // 3),
    "spaces": lambda size: b"1 " + b" " * size + b"x",
    "points": lambda size: b"." * size,
    "quotes": lambda size: b'"' * size,
    "words": lambda size: b"12 abandon " * (size // 11),
    "numbers and spaces": lambda size: b"1\t" * (size // 2),
    "base64url": lambda size: b"A" * size,
}


def _text(parse: Callable[[str], object]) -> Parser:
    return lambda data: parse(data.decode())


def _body(parse: Callable[[Request], object], content_type: str) -> Parser:
    headers = Headers({"Content-Type": content_type})
    return lambda data: parse(Request("POST", "/", headers=headers, body=data))


def _register(data: bytes) -> object:
    return verify_registration(PARTY, CHALLENGE, CLIENT_DATA, data)


_LARGE: Final = 64 * KIB
PARSERS: Final[dict[str, tuple[Parser, dict[str, Callable[[int], bytes]], int]]] = {
    "CBOR": (lambda data: parse_cbor(data, max_bytes=1 << 24), CBOR, _LARGE),
    "CBOR of any length": (
        lambda data: parse_cbor(data, max_bytes=1 << 24, max_values=1 << 24),
        CBOR,
        _LARGE,
    ),
    "CBOR of others": (lambda data: verify_cbor_cost(data, max_values=1 << 24), CBOR, _LARGE),
    "change list": (parse_change_list, CBOR, _LARGE),
    "page list": (parse_page_list, CBOR, _LARGE),
    "CBOR body": (_body(parse_cbor_body, "application/cbor"), CBOR, _LARGE),
    "answer with bytes": (lambda data: parse_byte_list(data, "objects"), CBOR, _LARGE),
    "attestation": (_register, CBOR, MAX_PASSKEY_BODY_BYTES),
    "JSON": (lambda data: parse_json(data, max_bytes=1 << 24), JSON, _LARGE),
    "JSON in any spelling": (lambda data: parse_lenient_json(data, max_bytes=1 << 24), JSON, _LARGE),
    "JSON body": (_body(parse_json_body, "application/json"), JSON, _LARGE),
    "statement": (
        lambda data: parse_signed_statement(parse_lenient_json(data, max_bytes=1 << 24)),
        JSON,
        MAX_STATEMENT_BYTES,
    ),
    "event": (parse_event, JSON, MAX_EVENT_BYTES - KIB),
    "client data": (read_challenge, JSON, MAX_BODY_BYTES // 2),
    "metadata": (parse_metadata, JSON, MAX_METADATA_BYTES - KIB),
    "proof": (_text(parse_compact), TEXTS, MAX_COMPACT_CHARS),
    "positions": (
        _text(
            lambda text: parse_solekey_after(Request("GET", "/", headers=Headers({"Solekey-After": text})))
        ),
        TEXTS,
        8 * KIB,
    ),
    "query": (_text(parse_query), TEXTS, 8 * KIB),
    "range": (_text(lambda text: parse_range(text, 1000)), TEXTS, 8 * KIB),
    "kit": (_text(parse_kit_record), TEXTS, _LARGE),
    "words of a kit": (_text(lambda text: find_words(text, 24, ["abandon"])), TEXTS, _LARGE),
}
ROWS: Final = [
    pytest.param(parse, make, size, id=f"{name}: {kind}")
    for name, (parse, kinds, size) in PARSERS.items()
    for kind, make in kinds.items()
]


@pytest.mark.parametrize(("parse", "make", "size"), ROWS)
def test_work_is_linear(parse: Parser, make: Callable[[int], bytes], size: int) -> None:
    assert measure_growth(_refusing(parse), make, size) < LINEAR


def test_a_decoder_that_computes_first_is_found() -> None:
    assert measure_growth(_refusing(cbor2.loads), _decimal, 32 * KIB) > LINEAR


def _refusing(parse: Parser) -> Parser:
    def work(data: bytes) -> None:
        with suppress(ProtocolError, Refusal, SolekeyError, CompactError, ValueError, cbor2.CBORError):
            parse(data)

    return work
