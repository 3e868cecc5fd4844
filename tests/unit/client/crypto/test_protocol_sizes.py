"""Sizes and headers of envelopes, as a verifier computes them without a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey_protocol.envelope import (
    HEADER_BYTES,
    EnvelopeHeader,
    compute_envelope_size,
    compute_inner_size,
    compute_padme_size,
    encode_envelope_header,
    parse_envelope_header,
    parse_envelope_size,
)
from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.limits import MAX_INNER_BYTES, MIN_INNER_BYTES

HEADER = EnvelopeHeader(1, 16, 7, b"s" * 32, b"c" * 32)
ENCODED = encode_envelope_header(HEADER)
LOG2 = st.integers(12, 22)


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (9, 10),
        (100, 104),
        (129, 144),
        (1000, 1024),
        (1025, 1088),
        (10**6, 1015808),
    ],
)
def test_padme_known_answers(size, padded):
    assert compute_padme_size(size) == padded


@given(st.integers(2, 2**45))
def test_padme_adds_at_most_12_percent_and_is_stable(size):
    padded = compute_padme_size(size)
    assert size <= padded <= size * 1.12
    assert compute_padme_size(padded) == padded
    assert compute_padme_size(size + 1) >= padded


@given(st.integers(0, MAX_INNER_BYTES), LOG2)
def test_an_envelope_size_gives_its_inner_size(unpadded, log2):
    inner = compute_inner_size(unpadded)
    assert inner >= MIN_INNER_BYTES
    assert parse_envelope_size(compute_envelope_size(inner, 1 << log2), 1 << log2) == inner


MADE = {compute_envelope_size(compute_inner_size(unpadded), 4096) for unpadded in range(3000)}


@given(st.integers(-5, 3000))
def test_only_sizes_that_a_sealer_makes_are_accepted(size):
    if size in MADE:
        parse_envelope_size(size, 4096)
    else:
        with pytest.raises(MalformedError, match="no envelope"):
            parse_envelope_size(size, 4096)


def test_more_than_the_limit_is_refused():
    assert compute_inner_size(MAX_INNER_BYTES) == MAX_INNER_BYTES
    with pytest.raises(MalformedError, match="limit"):
        compute_inner_size(MAX_INNER_BYTES + 1)
    with pytest.raises(MalformedError, match="no envelope"):
        parse_envelope_size(compute_envelope_size(2 * MAX_INNER_BYTES, 4096), 4096)


@given(LOG2, st.integers(1, 2**31 - 1), st.binary(min_size=32, max_size=32))
def test_a_header_comes_back(log2, epoch, salt):
    header = EnvelopeHeader(1, log2, epoch, salt, bytes(32))
    encoded = encode_envelope_header(header)
    assert len(encoded) == HEADER_BYTES == 74
    assert parse_envelope_header(encoded) == header
    assert header.chunk_size == 2**log2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SKE",
        b"SKE1",
        b"AGE1" + ENCODED[4:],
        ENCODED[:-1],
        ENCODED + b"\x00",
        ENCODED[:5] + b"\x0b" + ENCODED[6:],
        ENCODED[:5] + b"\x17" + ENCODED[6:],
        ENCODED[:6] + bytes(4) + ENCODED[10:],
        ENCODED[:6] + b"\x80\x00\x00\x00" + ENCODED[10:],
    ],
)
def test_a_malformed_header_is_refused(data):
    with pytest.raises(MalformedError) as caught:
        parse_envelope_header(data)
    assert not isinstance(caught.value, UnsupportedError)


@pytest.mark.parametrize("data", [b"SKE2", b"SKE2" + ENCODED[4:], ENCODED[:4] + b"\x02" + ENCODED[5:]])
def test_an_unknown_format_or_suite_is_named(data):
    with pytest.raises(UnsupportedError, match="unknown"):
        parse_envelope_header(data)
