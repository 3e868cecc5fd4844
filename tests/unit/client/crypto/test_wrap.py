"""A wrap opens for its place and for no other; a wrong phrase and tampering are different errors."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import DataKey, UserKey, WrapContext, open_wrap, seal_wrap
from solekey.crypto import wrap as wrap_module
from solekey.errors import SolekeyError, TamperedWrapError, UnsupportedFormatError, WrongUserKeyError
from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.ids import AccountId, KeyId
from solekey_protocol.limits import MAX_WRAP_BYTES
from solekey_protocol.wrap import (
    WRAP_BYTES,
    WRAP_HEADER_BYTES,
    SecretKind,
    encode_wrap_header,
    parse_wrap_header,
)
from tests.support.crypto.fixtures import counting

ACCOUNT = AccountId.from_raw(counting(0x20, 16))
WRAPPING_KEY = UserKey(counting(0, 32)).derive_wrapping_key(ACCOUNT)
DATA_KEY = DataKey(5, counting(0x40, 32))
PLACE = WrapContext(ACCOUNT, epoch=5, wrap_version=2, key_id=WRAPPING_KEY.key_id)
WRAP = seal_wrap(WRAPPING_KEY, DATA_KEY, PLACE, lambda size: counting(0x60, size))


def test_opens_in_its_place():
    assert open_wrap(WRAPPING_KEY, WRAP, PLACE) == DATA_KEY
    assert len(WRAP) == WRAP_BYTES <= MAX_WRAP_BYTES


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_round_trip(secret, epoch, wrap_version):
    place = replace(PLACE, epoch=epoch, wrap_version=wrap_version)
    wrap = seal_wrap(WRAPPING_KEY, DataKey(epoch, secret), place, lambda size: secret[:size])
    assert open_wrap(WRAPPING_KEY, wrap, place) == DataKey(epoch, secret)
    header = parse_wrap_header(wrap)
    assert (header.epoch, header.wrap_version, header.key_id) == (epoch, wrap_version, place.key_id)
    assert encode_wrap_header(header) == wrap[:WRAP_HEADER_BYTES]


def test_each_flipped_byte_is_refused():
    assert len(WRAP) == WRAP_BYTES
    for position, bit in itertools.product(range(WRAP_BYTES), (0x01, 0x80)):
        altered = bytearray(WRAP)
        altered[position] ^= bit
        with pytest.raises((TamperedWrapError, UnsupportedFormatError)) as caught:
            open_wrap(WRAPPING_KEY, bytes(altered), PLACE)
        assert (caught.type is UnsupportedFormatError) == (position in (3, 4, 5)), (position, bit)


@pytest.mark.parametrize("altered", [b"", b"S", b"SKW", WRAP[:-1], WRAP + b"\x00", WRAP[1:], WRAP * 2])
def test_another_length_is_refused(altered):
    with pytest.raises(TamperedWrapError):
        open_wrap(WRAPPING_KEY, altered, PLACE)


@pytest.mark.parametrize(
    "moved",
    [{"epoch": 6}, {"wrap_version": 3}, {"suite": 2}, {"account": AccountId.from_raw(counting(9, 16))}],
)
def test_a_moved_wrap_is_refused(moved):
    with pytest.raises(TamperedWrapError):
        open_wrap(WRAPPING_KEY, WRAP, replace(PLACE, **moved))


@pytest.mark.parametrize("moved", [{"epoch": 6}, {"wrap_version": 3}])
def test_a_moved_wrap_whose_header_was_rewritten_is_refused(moved):
    place = replace(PLACE, **moved)
    rewritten = place.encode_prefix() + WRAP[30:]
    with pytest.raises(TamperedWrapError):
        open_wrap(WRAPPING_KEY, rewritten, place)


def test_a_wrap_of_another_kind_is_refused():
    altered = WRAP[:5] + b"\x02" + WRAP[6:]
    with pytest.raises(UnsupportedFormatError, match="kind 2"):
        open_wrap(WRAPPING_KEY, altered, PLACE)


def test_the_associated_data_alone_refuses_a_moved_wrap(monkeypatch):
    # Control: with the derivation and the header check disabled, the tag still binds header and account.
    monkeypatch.setattr(wrap_module, "_derive", lambda *_: (counting(1, 32), counting(2, 32)))
    wrap = seal_wrap(WRAPPING_KEY, DATA_KEY, PLACE, lambda size: counting(0x60, size))
    assert open_wrap(WRAPPING_KEY, wrap, PLACE) == DATA_KEY
    for moved in ({"epoch": 6}, {"wrap_version": 3}):
        place = replace(PLACE, **moved)
        for moved_wrap in (wrap, place.encode_prefix() + wrap[30:]):
            with pytest.raises(TamperedWrapError):
                open_wrap(WRAPPING_KEY, moved_wrap, place)
    with pytest.raises(TamperedWrapError):
        open_wrap(WRAPPING_KEY, wrap, replace(PLACE, account=AccountId.from_raw(counting(9, 16))))


def test_another_user_key_is_told_apart_from_tampering():
    other = UserKey(counting(1, 32)).derive_wrapping_key(ACCOUNT)
    with pytest.raises(WrongUserKeyError) as caught:
        open_wrap(other, WRAP, PLACE)
    assert caught.value.code == "wrong_user_key"
    with pytest.raises(TamperedWrapError) as tampered:
        open_wrap(other, WRAP, replace(PLACE, key_id=other.key_id))
    assert tampered.value.code == "wrap_tampered"
    assert caught.value.diagnostics() != tampered.value.diagnostics()


def test_a_substituted_commitment_is_refused_before_decryption(monkeypatch):
    def no_cipher(key):
        raise AssertionError("decrypted before the commitment was checked")

    monkeypatch.setattr(wrap_module, "AESGCM", no_cipher)
    altered = WRAP[:62] + bytes(32) + WRAP[94:]
    with pytest.raises(TamperedWrapError):
        open_wrap(WRAPPING_KEY, altered, PLACE)
    with pytest.raises(AssertionError):  # control: the untouched wrap does reach the cipher
        open_wrap(WRAPPING_KEY, WRAP, PLACE)


@pytest.mark.parametrize("place", [replace(PLACE, epoch=6), replace(PLACE, key_id=KeyId("0" * 32))])
def test_sealing_for_a_place_that_contradicts_its_keys_is_refused(place):
    with pytest.raises(ValueError, match="another epoch or user key"):
        seal_wrap(WRAPPING_KEY, DATA_KEY, place, lambda size: counting(0, size))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    with pytest.raises(SolekeyError):
        open_wrap(WRAPPING_KEY, data, PLACE)
    with pytest.raises(MalformedError):
        parse_wrap_header(data)


@pytest.mark.parametrize(("offset", "value"), [(6, 0), (6, 2**31), (10, 0), (10, 2**31)])
def test_the_parser_refuses_numbers_outside_their_limits(offset, value):
    with pytest.raises(MalformedError, match="outside its limits"):
        parse_wrap_header(WRAP[:offset] + value.to_bytes(4, "big") + WRAP[offset + 4 :])


@pytest.mark.parametrize("offset", [3, 4, 5])
def test_the_parser_names_what_it_does_not_know(offset):
    with pytest.raises(UnsupportedError, match="unknown"):
        parse_wrap_header(WRAP[:offset] + b"\x09" + WRAP[offset + 1 :])


def test_a_kind_has_one_code():
    for kind in SecretKind:
        assert SecretKind.from_wire_code(kind.wire_code) is kind
