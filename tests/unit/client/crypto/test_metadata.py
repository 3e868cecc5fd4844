"""Metadata is closed, bounded and canonical."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import ItemMetadata
from solekey.crypto.metadata import Conflict, encode_metadata, parse_metadata
from solekey.errors import MetadataError, SealError
from solekey_protocol.encoding import encode_json
from solekey_protocol.ids import DeviceId, ItemId

DEVICE, ITEM = DeviceId.from_raw(bytes(16)), ItemId.from_raw(b"\xff" * 16)
SHOWN = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
METADATA = st.builds(
    ItemMetadata,
    name=SHOWN,
    type=st.from_regex(r"[a-z0-9][a-z0-9.+_/-]{0,30}", fullmatch=True),
    created_ms=st.integers(0, 2**53 - 1),
    modified_ms=st.integers(0, 2**53 - 1),
    tags=st.lists(SHOWN, max_size=5, unique=True).map(tuple),
    attributes=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        max_size=5,
    ),
    revision=st.integers(1, 2**31 - 1),
    conflict=st.none() | st.builds(Conflict, st.just(DEVICE), st.just(ITEM)),
)
PLAIN = ItemMetadata("name", "note", 1, 2)


@given(METADATA)
def test_comes_back_and_is_rfc_8785(metadata):
    encoded = encode_metadata(metadata)
    assert parse_metadata(encoded) == metadata
    assert encoded == encode_json(
        {
            "name": metadata.name,
            "type": metadata.type,
            "created_ms": metadata.created_ms,
            "modified_ms": metadata.modified_ms,
            "tags": list(metadata.tags),
            "attributes": dict(metadata.attributes),
            "revision": metadata.revision,
            "conflict": {"device": DEVICE, "item": ITEM} if metadata.conflict else None,
        }
    )


@pytest.mark.parametrize(
    "field",
    [
        {"name": ""},
        {"name": "x" * 1025},
        {"name": "a\x00b"},
        {"name": "a\x1b[31mb"},
        {"name": 5},
        {"type": ""},
        {"type": "Note"},
        {"type": "note\n"},
        {"type": 5},
        {"type": "x" * 129},
        {"created_ms": -1},
        {"modified_ms": 2**53},
        {"created_ms": True},
        {"created_ms": 1.0},
        {"revision": 0},
        {"revision": 2**31},
        {"revision": True},
        {"conflict": "itm_aaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"tags": ["list"]},
        {"tags": ("a", "a")},
        {"tags": ("",)},
        {"tags": ("a\n",)},
        {"tags": tuple(str(number) for number in range(65))},
        {"attributes": []},
        {"attributes": {"Upper": "x"}},
        {"attributes": {5: "x"}},
        {"attributes": {"key": 5}},
        {"attributes": {"key": "x" * 4097}},
        {"attributes": {f"a{number}": "" for number in range(65)}},
    ],
    ids=str,
)
def test_a_field_outside_its_limits_is_named(field):
    with pytest.raises(MetadataError, match=next(iter(field))) as caught:
        ItemMetadata(**({"name": "n", "type": "t", "created_ms": 1, "modified_ms": 2} | field))
    assert isinstance(caught.value, SealError)
    assert "named field" in caught.value.diagnostics()


def test_too_much_and_lone_surrogates_are_refused_on_encoding():
    large = ItemMetadata("n", "t", 1, 2, attributes={f"a{number}": "x" * 4096 for number in range(16)})
    with pytest.raises(MetadataError, match="limit 65536"):
        encode_metadata(large)
    with pytest.raises(MetadataError, match="Unicode"):
        encode_metadata(ItemMetadata("\ud800", "t", 1, 2))


CANONICAL = encode_metadata(PLAIN)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        CANONICAL + b" ",
        CANONICAL.replace(b":1,", b": 1,"),
        CANONICAL.replace(b":1,", b":1.0,"),
        CANONICAL.replace(b":1,", b":NaN,"),
        CANONICAL.replace(b":1,", b":1" + b"0" * 5000 + b","),
        CANONICAL.replace(b'"tags":[]', b'"tags":""'),
        CANONICAL.replace(b'"tags":[]', b'"tags":[[]]'),
        CANONICAL.replace(b'"note"', b'"note","x":1'),
        CANONICAL.replace(b'"note"', b'"note","type":"note"'),
        CANONICAL.replace(b'"name":"name"', b'"name":"\\u006eame"'),
        CANONICAL.replace(b'"name":"name"', b'"name":"\\ud800"'),
        CANONICAL.replace(b'"revision":1', b'"revision":2147483648'),
        CANONICAL.replace(b'"conflict":null', b'"conflict":{}'),
        CANONICAL.replace(b'"conflict":null', b'"conflict":{"device":"dev_a","item":"itm_a"}'),
        CANONICAL.replace(b'"attributes":{}', b'"attributes":[]'),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_every_other_spelling_is_refused(data):
    with pytest.raises(MetadataError):
        parse_metadata(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    with pytest.raises(MetadataError):
        parse_metadata(data)


def test_attributes_cannot_change_afterwards():
    attributes = {"user": "ada"}
    metadata = ItemMetadata("n", "t", 1, 2, attributes=attributes)
    attributes["user"] = "eve"
    assert metadata.attributes == {"user": "ada"}
    with pytest.raises(TypeError):
        metadata.attributes["user"] = "eve"
    assert hash(metadata) == hash(ItemMetadata("n", "t", 1, 2))
