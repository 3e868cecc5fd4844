"""A row that is read without the CBOR decoder is read exactly as the decoder reads it. Spec: vault.md §4."""

import re
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st

from solekey_protocol import change_list
from solekey_protocol.change_list import Change, Part, encode_change_list, parse_change_list
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import Digest, ItemId
from solekey_protocol.limits import MAX_EPOCH, MAX_PART_BYTES, MAX_SEQ

EDGES = (1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32)
NEVER = re.compile(rb"(?!)")


def numbers(maximum: int) -> st.SearchStrategy[int]:
    """Numbers around the places where CBOR writes them in another length."""
    return st.sampled_from([edge for edge in (*EDGES, maximum) if edge <= maximum])


digests = st.binary(min_size=32, max_size=32).map(Digest.from_raw)
parts = st.builds(Part, digests, numbers(MAX_PART_BYTES))
items = st.binary(min_size=16, max_size=16).map(ItemId.from_raw)
puts = st.builds(
    Change,
    items,
    numbers(MAX_SEQ),
    numbers(MAX_EPOCH),
    st.one_of(st.tuples(parts), st.tuples(parts, parts)),
    digests,
)
removals = st.builds(Change, items, numbers(MAX_SEQ), st.just(0), st.just(()))
lists = st.lists(st.one_of(puts, puts, removals), max_size=4, unique_by=lambda change: change.item)
ONE = Change(
    ItemId.from_raw(bytes(15) + b"\1"),
    1,
    1,
    (Part(Digest.from_raw(bytes(32)), 300),),
    Digest.from_raw(bytes(32)),
)
ROW = len(encode_change_list([ONE]))


def read(data: bytes) -> list[Change] | None:
    """What is parsed; None: it is refused."""
    try:
        return parse_change_list(data)
    except MalformedError:
        return None


def read_with_the_decoder(data: bytes) -> list[Change] | None:
    with mock.patch.object(change_list, "_PLAIN", NEVER):
        return read(data)


@given(lists)
def test_both_read_what_is_well_formed(changes: list[Change]) -> None:
    encoded = encode_change_list(changes)
    assert read(encoded) == read_with_the_decoder(encoded) == sorted(changes, key=lambda each: each.item.raw)


@given(lists, st.data())
def test_both_refuse_the_same(changes: list[Change], data: st.DataObject) -> None:
    encoded = encode_change_list(changes)
    at = data.draw(st.integers(0, len(encoded)))
    gone = data.draw(st.integers(0, 2))
    put = data.draw(st.binary(max_size=2))
    altered = encoded[:at] + put + encoded[at + gone :]
    assert read(altered) == read_with_the_decoder(altered)


@given(st.integers(0, ROW - 1), st.integers(0, 255))
@example(ROW - 2, 0)
def test_both_judge_every_byte_of_a_row_alike(at: int, value: int) -> None:
    encoded = encode_change_list([ONE])
    altered = encoded[:at] + bytes([value]) + encoded[at + 1 :]
    assert read(altered) == read_with_the_decoder(altered)


def test_control_such_a_row_is_read_without_the_decoder() -> None:
    with mock.patch.object(change_list, "_parse_change", side_effect=AssertionError):
        assert read(encode_change_list([ONE])) == [ONE]
