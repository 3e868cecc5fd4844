"""The second decoder, where no key is needed: how things are spelt, and who signed them (conventions.md).

Written from the text of spec/ alone; it shares no code with the product.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.support.repository import ROOT

EVENTS = [json.loads(file.read_text()) for file in ROOT.glob("spec/events/*.json")]
RECORDS = [event["schema"]["properties"] for event in EVENTS]
SCHEMAS = {
    record["type"]["const"]: record["data"] for record in RECORDS
}  # of the signed statement in a record
TYPES = {"object": dict, "array": list, "string": str, "integer": int}
PREFIXES = {"account": "acc", "device": "dev", "item": "itm", "rotation": "rot", "session": "ses"}
HEX_DIGITS = {"digest": 64, "public_key": 64, "signature": 128, "key_id": 32}
MAX_LEVEL = 12  # conventions.md §5
MAX_CBOR = 8 << 20  # bytes, conventions.md §5


class Refused(Exception):  # noqa: N818 (the word of the spec, not a fault of the program)
    """What the spec says MUST be rejected: `args` are the result, stage and output of such a vector."""


def demand(condition: object, code: str = "", stage: str | None = None, output: object = None) -> None:
    """Refuse unless the condition holds; without a code, with that of the `refusing` around it."""
    if not condition:
        raise Refused(code, stage, output) if code else ValueError


@contextmanager
def refusing(code: str, stage: str | None = None) -> Iterator[None]:
    """Refuse with this code and stage whatever fails inside: a demand without a code, or a library."""
    try:
        yield
    except (
        InvalidSignature,
        InvalidTag,
        LookupError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as failure:
        raise Refused(code, stage, None) from failure


def parse_identifier(kind: str, text: str) -> dict[str, Any]:
    """Read a prefixed id, hex digits or a timestamp. conventions.md §2"""
    if kind == "timestamp":
        time = datetime.fromisoformat(text)
        demand(time.isoformat(timespec="milliseconds") == text[:-1] + "+00:00")
        return {"unix_ms": (time - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)}
    if kind in HEX_DIGITS:
        demand(re.fullmatch("[0-9a-f]*", text) and len(text) == HEX_DIGITS[kind])
        if kind == "public_key":
            demand_point(bytes.fromhex(text))
        return {"raw": text}
    return {"raw": parse_id(kind, text).hex()}


def demand_point(key: bytes) -> None:
    """Demand a canonical point, of which 8 times is not the neutral one. conventions.md §2"""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    y = int.from_bytes(key, "little") % 2**255
    demand(y < p)
    for _ in range(3):  # the y of the double, from y alone: x^2 = (y^2 - 1) / (d y^2 + 1)
        xx = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        y_squared = y * y % p
        y = (y_squared + xx) * pow(1 - d * xx * y_squared, -1, p) % p
    demand(y != 1)


def parse_id(kind: str, text: str) -> bytes:
    """Return the 16 bytes of a prefixed id. conventions.md §2"""
    demand(re.fullmatch(PREFIXES[kind] + "_[a-z2-7]{25}[aeimquy4]", text))
    return base64.b32decode(text[4:].upper() + "======")


def canonicalise(parser: str, text: str) -> dict[str, Any]:
    """Bring a JSON text into canonical form, or demand that it is. conventions.md §3.1"""
    return {"canonical": encode_json(parse_json(bytes.fromhex(text), canonical=parser == "canonical")).hex()}


def parse_json(raw: bytes, *, canonical: bool) -> Any:
    """Return the value of a JSON text, its members in canonical order. conventions.md §3.1"""

    def read_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
        demand(len(dict(members)) == len(members))
        return dict(sorted(members, key=lambda member: member[0].encode("utf-16-be")))

    def read_number(spelling: str) -> int:  # int() makes nothing of "1.0", "1e0" and "NaN"
        demand(abs(int(spelling)) < 2**53)
        return int(spelling)

    numbers = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), read_number)
    value = json.loads(raw.decode(), object_pairs_hook=read_object, **numbers)
    demand(count_levels(value) <= MAX_LEVEL)
    demand(encode_json(value) == raw or not canonical)
    return value


def count_levels(value: Any) -> int:
    """Count how deep a value goes: members and elements are one level below theirs. conventions.md §3.1"""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(count_levels, inner), default=0)


def encode_json(value: Any) -> bytes:
    """Spell a value whose members are in order, without white space. conventions.md §3.1, RFC 8785"""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def parse_cbor(data: str) -> dict[str, Any]:
    """Read deterministic CBOR. conventions.md §3.2"""
    stream = io.BytesIO(bytes.fromhex(data))
    value = read_cbor(stream, 1)
    demand(not stream.read() and stream.tell() <= MAX_CBOR)
    return {"value": value}


def read_cbor(stream: io.BytesIO, level: int) -> Any:
    """Read one data item, in the notation of vectors. conventions.md §3.2, RFC 8949 §3"""
    major, info = divmod(stream.read(1)[0], 32)
    demand(level <= MAX_LEVEL)
    if major == 7:
        return {20: False, 21: True, 22: None}[info]
    size = {24: 1, 25: 2, 26: 4, 27: 8}[info] if info > 23 else 0
    number = int.from_bytes(take(stream, size)) if size else info
    demand(number >= {0: 0, 1: 24}.get(size, 1 << 4 * size))  # the shortest form that can say it
    if major < 2:
        return {"integer": str(-1 - number if major else number)}
    if major < 4:
        raw = take(stream, number)
        return {"bytes": raw.hex()} if major == 2 else raw.decode()
    items = [read_cbor(stream, level + 1) for _ in range(number * {4: 1, 5: 2}[major])]
    if major == 4:
        return items
    demand(all(isinstance(key, str) for key in items[::2]))
    keys = [key.encode() for key in items[::2]]
    demand(keys == sorted(set(keys), key=lambda key: (len(key), key)))  # encoded, the length stands first
    return {"map": [list(pair) for pair in zip(items[::2], items[1::2], strict=True)]}


def take(stream: io.BytesIO, size: int) -> bytes:
    """Read exactly so many bytes."""
    raw = stream.read(size)
    demand(len(raw) == size)
    return raw


def verify_statement(document: str, keys: dict[str, str]) -> dict[str, Any]:
    """Verify a signed statement: its JSON, its closed schema, its signatures. conventions.md §4"""
    with refusing("malformed", "json"):
        said = parse_json(bytes.fromhex(document), canonical=False)
    with refusing("schema_violation", "schema"):
        verify_schema(said, SCHEMAS[said["statement"]["type"]])
    signed = b"solekey/statement/v1\0" + encode_json(said["statement"])
    with refusing("signature_invalid", "signature"):
        for signer, signature in said["signatures"].items():
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[signer]))
            key.verify(bytes.fromhex(signature), signed)
    return {"signed": signed.hex(), "digest": hashlib.sha256(encode_json(said)).hexdigest()}


def verify_schema(value: Any, schema: dict[str, Any]) -> None:
    """Hold a value to a JSON Schema, as far as spec/events/ uses that language. events.md §3"""
    if "anyOf" in schema and value is None:
        return
    schema = schema.get("anyOf", [schema])[0]
    demand(type(value) is TYPES[schema.get("type", "string")])
    if isinstance(value, dict):
        demand(set(schema["required"]) <= set(value) <= set(schema["properties"]))
        for name, member in value.items():
            verify_schema(member, schema["properties"][name])
    elif isinstance(value, list):
        demand(schema["minItems"] <= len(value) <= schema["maxItems"])
        for element in value:
            verify_schema(element, schema["items"])
    elif isinstance(value, int):
        demand(schema["minimum"] <= value <= schema["maximum"])
    else:
        demand(value in schema.get("enum", [schema.get("const", value)]))
        demand(
            re.fullmatch(schema.get("pattern", ".*"), value) and len(value) <= schema.get("maxLength", 128)
        )
