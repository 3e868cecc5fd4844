"""The types of the catalogue take exactly the records that the parser by members takes, and no others.

The JSON Schemas are normative: whatever the types take is inside them. Mutants of every released example are
given to all three.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey_protocol import typed_records
from solekey_protocol.encoding import encode_json
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.event import _parse_members, _parse_typed, parse_event
from solekey_protocol.events import BODIES
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.schemas import verify_schema
from solekey_protocol.typed_records import UnfitError
from tests.support.protocol.story import tell_whole
from tests.support.repository import ROOT

EXAMPLES = [
    encode_json(json.loads(path.read_text())["example"])
    for path in sorted((ROOT / "spec" / "events").glob("*.json"))
]
VALUES: tuple[Any, ...] = (None, True, -1, 0, 1, 2**31, "", "1", [], {}, "f" * 64, "auth")


def take(parse: Any, raw: bytes) -> Any:
    try:
        return parse(raw)
    except (ProtocolError, UnfitError):
        return None


def compare(raw: bytes) -> bool:
    """Verify that the parsers agree on a record; return whether they take it."""
    typed, members = take(_parse_typed, raw), take(_parse_members, raw)
    assert typed == members, raw
    if typed is None:
        return False
    assert verify_schema(raw) == raw
    if typed.signed is not None:
        assert typed.signed.canonical == encode_json(json.loads(raw)["data"]) == members.signed.canonical
        assert list(typed.signed.statement.heads) == list(members.signed.statement.heads)
        assert list(typed.signed.signatures) == list(members.signed.signatures)
    return True


def walk(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a document with every key or index of it."""
    for key in list(document) if isinstance(document, dict) else range(len(document)):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from walk(document[key])


def mutate_value(value: Any) -> Iterator[Any]:
    yield from VALUES
    if isinstance(value, str):
        flipped = chr(ord(value[0]) ^ 1) + value[1:]
        yield from (value + "\n", value.upper(), value[:-1], value + value[-1], " " + value, flipped)
    elif isinstance(value, int):
        yield from (value + 1, value - 1, -value, str(value))
    elif isinstance(value, list):
        yield from (value * 2, value * 100)


def mutate(raw: bytes) -> Iterator[bytes]:
    """Canonical mutants of a record: another value, a member less, one more, one under another name."""
    document = json.loads(raw)
    for container, key in list(walk(document)):
        before = container[key]
        for value in mutate_value(before):
            container[key] = value
            yield encode_json(document)
        container[key] = before
        if isinstance(container, dict):
            del container[key]
            yield encode_json(document)
            container[f"{key}x"] = before
            yield encode_json(document)
            container[key] = before
            yield encode_json(document)
            del container[f"{key}x"]


def respell(raw: bytes) -> Iterator[bytes]:
    """Other spellings of the same values, which canonical JSON refuses."""
    document = json.loads(raw)
    yield from (raw + b" ", b" " + raw, raw + b"\n", b"\xef\xbb\xbf" + raw, raw[:-1], raw + raw)
    yield json.dumps(document, sort_keys=True).encode()
    yield json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode()
    seq = f',"seq":{document["seq"]},'.encode()
    for other in (b',"seq":%d.0,', b',"seq":%de0,', b',"seq":0%d,', b',"seq":"%d",', b',"seq":%d ,'):
        yield raw.replace(seq, other % document["seq"])
    yield raw.replace(seq, seq + seq[1:])
    yield raw.replace(b'"seq"', b'"\\u0073eq"')
    yield raw.replace(b'"acc_', b'"\\u0061cc_')
    yield raw.replace(b"solekey/", b"solekey\\/")
    yield raw[:-1] + b',"type":' + encode_json(document["type"]) + b"}"


@pytest.mark.parametrize("raw", EXAMPLES, ids=lambda raw: json.loads(raw)["type"])
def test_the_parsers_agree_on_mutants(raw):
    assert compare(raw)
    taken = sum(compare(mutant) for mutant in mutate(raw) if mutant != raw)
    refused = [compare(other) for other in respell(raw) if other != raw]
    assert len(refused) > 15
    assert not any(refused)
    assert taken < 1000


def test_every_type_has_an_example():
    assert {json.loads(raw)["type"] for raw in EXAMPLES} == BODIES.keys()


def test_the_parsers_agree_on_a_story():
    assert all(compare(event.raw) for event in tell_whole())


@given(st.data())
def test_the_parsers_agree_on_flipped_bytes(data):
    raw = bytearray(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    compare(bytes(raw))


def test_a_decoder_that_does_not_compare_the_bytes_is_found(monkeypatch):
    """The positive control: without encoding again, other spellings pass."""
    raw = EXAMPLES[0] + b" "
    compare(raw)
    monkeypatch.setattr(typed_records, "_encode", lambda _: raw)
    monkeypatch.setattr(typed_records, "_find_type", lambda raw: json.loads(raw)["type"])
    with pytest.raises(AssertionError):
        compare(raw)


def test_a_decoder_without_the_rules_of_ids_is_found(monkeypatch):
    """The positive control: the structure alone takes any text for an id."""
    document = next(json.loads(raw) for raw in EXAMPLES if b"signing_key_withdrawn" in raw)
    document["data"]["body"]["key_id"] = "no key id"
    raw = encode_json(document)
    compare(raw)
    monkeypatch.setattr(typed_records, "_builder", lambda _: lambda typed: typed)
    with pytest.raises(AssertionError):
        compare(raw)


def test_a_refusal_names_the_place():
    document = json.loads(EXAMPLES[0])
    document["seq"] = 0
    with pytest.raises(MalformedError, match=r"event\.seq: 0 is outside 1\.\."):
        parse_event(encode_json(document))
    with pytest.raises(MalformedError, match="limit 65535"):
        parse_event(EXAMPLES[0] + b" " * MAX_EVENT_BYTES)
