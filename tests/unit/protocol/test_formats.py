"""Every parser is closed: it takes exactly what its encoder makes, and names what it refuses."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from solekey_protocol.change_list import Change, Part, encode_change_list, parse_change_list
from solekey_protocol.encoding import (
    encode_base64url,
    encode_cbor,
    encode_json,
    parse_base64url,
    parse_cbor,
    parse_json,
    parse_lenient_json,
)
from solekey_protocol.errors import MalformedError, ProtocolError, SchemaError, SignatureError
from solekey_protocol.event import encode_event, parse_event
from solekey_protocol.events import BODIES, Signer, auth
from solekey_protocol.ids import AccountId, ItemId, Timestamp
from solekey_protocol.limits import MAX_SEQ
from solekey_protocol.schemas import load_schema, verify_schema
from solekey_protocol.statements import EMPTY_HEAD, Head, parse_signed_statement
from tests.support.protocol.keyring import ACCOUNT, LAPTOP, NOON, USER, digest, founded, record, say
from tests.support.repository import ROOT

EXAMPLES = sorted((ROOT / "spec" / "events").glob("*.json"))


def read_example(path):
    return encode_json(json.loads(path.read_text())["example"])


[FOUNDED] = [parse_event(read_example(path)).body for path in EXAMPLES if "account_founded" in path.name]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
cbor_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(json_values)
def test_json_round_trip(value):
    assert parse_json(encode_json(value), max_bytes=10**6) == value


@given(cbor_values)
def test_cbor_round_trip(value):
    assert parse_cbor(encode_cbor(value), max_bytes=10**6) == value


@given(st.binary(max_size=64))
def test_arbitrary_bytes_parse_canonically_or_not_at_all(data):
    for parse, encode in ((parse_json, encode_json), (parse_cbor, encode_cbor)):
        try:
            value = parse(data, max_bytes=64)
        except MalformedError:
            continue
        assert encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b"[1.0]",
        b"[NaN]",
        b"[1e3]",
        b" []",
        b"[9007199254740992]",
        b'"\\ud800"',
        b"\xff",
        b"",
        b"[" * 100 + b"]" * 100,
    ],
)
def test_json_refused(data):
    with pytest.raises(MalformedError):
        parse_json(data, max_bytes=1000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x01",
        b"\x01\x01",
        b"\xf9\x3c\x00",
        b"\xf7",
        b"\xa2\x01\x02\x01\x03",
        b"\x9f\x01\xff",
        b"\xc0\x74" + b"2013-03-21T20:04:00Z",
        b"\x5b" + b"\xff" * 8,
        b"\x81" * 2000,
    ],
)
def test_cbor_refused(data):
    with pytest.raises(MalformedError):
        parse_cbor(data, max_bytes=3000)


def test_limits_are_limits():
    for parse in (parse_json, parse_lenient_json, parse_cbor):
        with pytest.raises(MalformedError, match="limit 3"):
            parse(b'"abc"', max_bytes=3)
    with pytest.raises(MalformedError):
        encode_json({1: "a"})  # type: ignore[dict-item]
    with pytest.raises(MalformedError):
        encode_json([1.5])  # type: ignore[list-item]


@given(st.binary(min_size=16, max_size=16))
def test_ids_round_trip_and_have_one_spelling(raw):
    account = AccountId.from_raw(raw)
    assert account.raw == raw
    last = account[-1]
    for other in "abcdefghijklmnopqrstuvwxyz234567":
        if other != last and AccountId._compiled.fullmatch(account[:-1] + other):
            assert AccountId(account[:-1] + other).raw != raw


@pytest.mark.parametrize(
    "text",
    ["", "acc_", "dev_" + "a" * 26, "acc_" + "A" * 26, "acc_" + "a" * 25 + "b", "acc_" + "a" * 26 + "\n"],
)
def test_ids_refused(text):
    with pytest.raises(MalformedError):
        AccountId(text)


def test_raw_ids_have_16_bytes():
    with pytest.raises(MalformedError):
        AccountId.from_raw(b"short")


def test_a_date_that_does_not_exist():
    assert NOON.datetime.hour == 12
    with pytest.raises(MalformedError):
        _ = Timestamp("2026-02-30T12:00:00.000Z").datetime


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
class TestReleasedEvents:
    """The golden corpus: what was released once parses for ever."""

    def test_the_example_is_inside_its_schema_and_parses(self, path):
        raw = read_example(path)
        event = parse_event(verify_schema(raw))
        assert event.raw == raw
        again = encode_event(
            event.signed or event.body, account=event.account, after=EMPTY_HEAD, time=event.time
        )
        assert again.raw == raw
        if event.signed and Signer.ACCOUNT in event.signed.signatures:
            in_force = getattr(event.body, "previous_account_key", FOUNDED.account_key)
            assert event.signed.verify(Signer.ACCOUNT, in_force)

    def test_no_member_can_be_added_anywhere(self, path):
        document = json.loads(path.read_text())["example"]
        for place, _ in list(walk(document)):
            if isinstance(place, dict):
                place["extra"] = "dGhlIHVzZXIga2V5"
                raw = encode_json(document)
                del place["extra"]
                with pytest.raises(SchemaError):
                    verify_schema(raw)
                with pytest.raises(ProtocolError):
                    parse_event(raw)

    def test_no_member_can_be_missing_or_of_another_type(self, path):
        document = json.loads(path.read_text())["example"]
        for place, _ in list(walk(document)):
            if isinstance(place, dict):
                for name in list(place):
                    if name in ("heads", "auth", "devices", "vault", "rotation"):
                        continue  # what a client saw is for it to say
                    for value in (None, 1.5 if name == "seq" else -1, "x" * 200):
                        self._refuse_with(document, place, name, value)

    def _refuse_with(self, document, place, name, value):
        kept = place[name]
        place[name] = value
        try:
            raw = json.dumps(document).encode() if isinstance(value, float) else encode_json(document)
        finally:
            place[name] = kept
        with pytest.raises(ProtocolError):
            verify_schema(raw)
        with pytest.raises(ProtocolError):
            parse_event(raw)

    def test_every_string_is_bounded(self, path):
        for place, _ in walk(json.loads(path.read_text())["schema"]):
            if isinstance(place, dict) and place.get("type") == "string":
                assert place["pattern"]
                assert place["maxLength"] <= 128
            if isinstance(place, dict) and place.get("type") == "object":
                assert place["additionalProperties"] is False


def walk(value, name=""):
    """Every value inside a JSON document, with the name it stands under."""
    yield value, name
    members = (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
    )
    for key, member in members:
        yield from walk(member, key)


def test_every_event_has_a_released_schema():
    assert {path.stem for path in EXAMPLES} == {kind.split(".", 2)[2] for kind in BODIES}
    with pytest.raises(SchemaError):
        load_schema("solekey.devices.device_teleported.v1")
    with pytest.raises(SchemaError):
        verify_schema(b"[]")


def test_a_changed_statement_does_not_verify():
    signed = say(founded(), EMPTY_HEAD, account=USER)
    document = signed.to_json()
    assert parse_signed_statement(document).verify(Signer.ACCOUNT, USER.public)
    document["statement"]["body"]["key_id"] = "ff" * 16
    with pytest.raises(SignatureError):
        parse_signed_statement(document).verify(Signer.ACCOUNT, USER.public)
    with pytest.raises(SignatureError, match="missing"):
        signed.verify(Signer.NEXT_ACCOUNT, USER.public)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["statement"].update(type="solekey.auth.login_failed.v1"),
        lambda d: d["statement"].update(stream="vault"),
        lambda d: d["statement"].update(heads=[]),
        lambda d: d["statement"]["heads"].update(devices={"seq": 1, "digest": "00" * 32}),
        lambda d: d["statement"]["heads"].update(vault={"seq": -1, "digest": "00" * 32}),
        lambda d: d["signatures"].pop("account"),
        lambda d: d["signatures"].update(next_account="00" * 64),
        lambda d: d["signatures"].update(device="00"),
        lambda d: d.update(statement=[]),
        lambda d: d.pop("signatures"),
        lambda d: d["statement"]["body"].update(account_key=7),
        lambda d: d["statement"]["body"].update(certificate=[]),
        lambda d: d["statement"]["body"]["certificate"].update(platform="toaster"),
    ],
)
def test_statements_are_closed(change):
    document = json.loads(encode_json(say(founded(), EMPTY_HEAD, account=USER).to_json()))
    assert parse_signed_statement(document)
    change(document)
    with pytest.raises(ProtocolError):
        parse_signed_statement(document)


def test_an_event_cannot_carry_a_statement_said_elsewhere():
    event = record(say(founded(), EMPTY_HEAD, account=USER))
    for name, value in (
        ("subject", AccountId.from_raw(b"another account!")),
        ("seq", 2),
        ("prev", digest("x")),
    ):
        document = json.loads(event.raw)
        document[name] = value
        document["id"] = f"{document['subject']}:devices:{document['seq']}"
        with pytest.raises(SchemaError, match="another account, seq or prev"):
            parse_event(encode_json(document))


def test_a_service_cannot_write_a_clients_event():
    with pytest.raises(SchemaError, match="signed statement"):
        encode_event(founded(), account=ACCOUNT, after=EMPTY_HEAD, time=NOON)


def test_a_place_past_the_last_is_refused():
    with pytest.raises(SchemaError):
        encode_event(auth.AccountRegistered(1), account=ACCOUNT, after=Head(MAX_SEQ, digest("x")), time=NOON)


def test_leaf_hash_is_over_the_exact_bytes():
    event = record(auth.AccountRegistered(1))
    assert event.leaf_hash != bytes.fromhex(event.digest)
    assert event.head == Head(1, event.digest)
    assert LAPTOP.device.startswith("dev_")


changes = st.lists(
    st.builds(
        lambda raw, version, epoch, sizes: Change(
            ItemId.from_raw(raw),
            version,
            epoch if sizes else 0,
            tuple(Part(digest(str(size)), size) for size in sizes),
            digest("header") if sizes else None,
        ),
        st.binary(min_size=16, max_size=16),
        st.integers(1, 1000),
        st.integers(1, 1000),
        st.lists(st.integers(1, 8 * 2**20), max_size=3),
    ),
    max_size=5,
    unique_by=lambda change: change.item,
)


@given(changes)
def test_change_list_round_trip(listed):
    parsed = parse_change_list(encode_change_list(listed))
    assert sorted(parsed, key=lambda c: c.item) == sorted(listed, key=lambda c: c.item)


ITEM, HEADER, PART = bytes(16), bytes([7] * 32), [bytes(32), 5]


@pytest.mark.parametrize(
    "document",
    [
        [1, []],
        [True, []],
        [2],
        {"v": 2},
        [2, [[ITEM, 1, 1, 5]]],
        [2, [[ITEM, 1, 1, 5, [PART]]]],
        [2, [[ITEM, 1, 1, 6, HEADER, [PART]]]],
        [2, [[ITEM, 0, 1, 5, HEADER, [PART]]]],
        [2, [[ITEM, 1, 0, 5, HEADER, [PART]]]],
        [2, [[ITEM, 1, 1, 5, b"", [PART]]]],
        [2, [[ITEM, 1, 1, 5, bytes(31), [PART]]]],
        [2, [[ITEM, 1, 0, 0, HEADER, []]]],
        [2, [[ITEM, 1, 1, 0, b"", []]]],
        [2, [[ITEM, True, 1, 5, HEADER, [PART]]]],
        [2, [[b"short", 1, 1, 5, HEADER, [PART]]]],
        [2, [[ITEM, 1, 1, 5, HEADER, [[bytes(31), 5]]]]],
        [2, [[ITEM, 1, 1, 5, HEADER, [PART]], [ITEM, 2, 1, 5, HEADER, [PART]]]],
        [2, [[bytes([1] * 16), 1, 1, 5, HEADER, [PART]], [ITEM, 1, 1, 5, HEADER, [PART]]]],
    ],
)
def test_change_lists_refused(document):
    assert parse_change_list(encode_cbor([2, [[ITEM, 1, 1, 5, HEADER, [PART]]]]))
    assert parse_change_list(encode_cbor([2, [[ITEM, 2, 0, 0, b"", []]]]))
    with pytest.raises(MalformedError):
        parse_change_list(encode_cbor(document))


def test_an_item_twice_is_not_encoded():
    change = Change(ItemId.from_raw(ITEM), 1, 1, (Part(digest("x"), 5),), digest("h"))
    with pytest.raises(MalformedError):
        encode_change_list([change, change])


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"\xff", "_w"), (b"\xfb\xf0", "-_A"), (b"key", "a2V5")]
)
def test_base64url_is_written_and_read_without_padding(data: bytes, text: str) -> None:
    assert encode_base64url(data) == text
    assert parse_base64url(text) == data


@pytest.mark.parametrize("text", ["_w==", "/w", "_x", "a", "a2V5\n", "a2 5", "ä2V5"])
def test_any_other_spelling_of_base64url_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="base64url"):
        parse_base64url(text)


@given(json_values)
def test_what_is_written_quickly_is_what_rfc_8785_asks_for(value):
    assert encode_json(value) == rfc8785.dumps(value)
    assert encode_json({"in": value, "a": (value,)}) == rfc8785.dumps({"in": value, "a": [value]})


def test_each_ascii_character_is_written_as_rfc_8785_asks_for():
    for character in map(chr, range(0x80)):
        document = {character: character, "a": [character]}
        assert encode_json(document) == rfc8785.dumps(document)
        assert parse_json(rfc8785.dumps(document), max_bytes=100) == document
