"""Envelopes in memory: what was sealed comes back, and nothing else opens."""

import io
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import DataKey, ItemContext, open_bytes, seal_bytes, seal_envelope
from solekey.crypto import stream as stream_module
from solekey.crypto.envelope import choose_chunk_size_log2
from solekey.crypto.inner_plaintext import encode_head, encode_tail
from solekey.errors import ContentSizeError, OpenError, SolekeyError, UnsupportedFormatError
from solekey_protocol.envelope import HEADER_BYTES, compute_envelope_size, compute_padme_size
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MAX_INNER_BYTES
from tests.support.crypto.fixtures import ACCOUNT, CONTEXT, DATA_KEY, ITEM, METADATA, counting, make_salt
from tests.support.crypto.forger import build_inner, forge, seal_in_small_chunks

SEALED = forge(build_inner(b"correct horse", 256))
CHUNK = 4096 + 16
LARGE = seal_in_small_chunks(counting(0, 17_000))


def seal(content, **changes):
    arguments = {"metadata": METADATA, "data_key": DATA_KEY, "context": CONTEXT, "random": make_salt}
    return seal_bytes(content, **(arguments | changes))


def open_(envelope, **changes):
    return open_bytes(envelope, **({"data_key": DATA_KEY, "context": CONTEXT} | changes))


def stage_of(envelope, **changes):
    with pytest.raises(OpenError) as caught:
        open_(envelope, **changes)
    assert caught.value.code == "open_failed"
    assert str(caught.value) == str(OpenError("chunk"))  # one thing only, whatever was wrong
    return caught.value.stage


@pytest.mark.parametrize("size", [0, 1, 65_000, 65_536, 65_537, 200_000, 1 << 20])
def test_round_trip_in_memory_and_streamed(size):
    content = counting(7, size)
    envelope = seal(content)
    streamed = b"".join(
        seal_envelope(
            io.BytesIO(content).read,
            content_size=size,
            metadata=METADATA,
            data_key=DATA_KEY,
            context=CONTEXT,
            random=make_salt,
        )
    )
    assert streamed == envelope
    opened = open_(envelope)
    assert (opened.metadata, opened.content) == (METADATA, content)


@given(st.binary(max_size=2000), st.integers(1, 2**53 - 1), st.integers(1, 2**31 - 1))
def test_round_trip(content, version, epoch):
    context = ItemContext(ACCOUNT, ITEM, version)
    data_key = DataKey(epoch, counting(version % 256, 32))
    envelope = seal(content, context=context, data_key=data_key)
    assert open_(envelope, context=context, data_key=data_key).content == content


def test_an_opened_item_prints_no_plaintext():
    assert repr(open_(SEALED)) == "OpenedItem(<redacted>)"


def test_each_flipped_byte_is_refused():
    for position, bit in itertools.product(range(len(SEALED)), (0x01, 0x80)):
        altered = bytearray(SEALED)
        altered[position] ^= bit
        if position in (3, 4):
            with pytest.raises(UnsupportedFormatError):
                open_(bytes(altered))
            continue
        stage = stage_of(bytes(altered))
        if position < 3 or 6 <= position < 10 or (position == 5 and bit == 0x80):
            assert stage == "header", (position, bit)
        else:
            assert stage == ("commitment" if position < HEADER_BYTES else "chunk"), (position, bit)


@pytest.mark.parametrize(
    "moved",
    [
        {"context": replace(CONTEXT, account=AccountId.from_raw(counting(1, 16)))},
        {"context": replace(CONTEXT, item=ItemId.from_raw(counting(1, 16)))},
        {"context": replace(CONTEXT, version=4)},
        {"data_key": DataKey(1, counting(0x41, 32))},
    ],
)
def test_a_moved_envelope_is_refused(moved):
    assert stage_of(SEALED, **moved) == "commitment"


def test_another_epoch_is_refused():
    assert stage_of(SEALED, data_key=DataKey(2, counting(0x40, 32))) == "header"


def test_the_associated_data_alone_refuses_a_moved_envelope(monkeypatch):
    # Control: with the derivation blinded to its context, the tags still bind header and place.
    monkeypatch.setattr(stream_module, "_derive", lambda *_: (counting(1, 32), counting(2, 32)))
    envelope = seal(b"content")
    assert open_(envelope).content == b"content"
    assert stage_of(envelope, context=replace(CONTEXT, version=4)) == "chunk"
    assert stage_of(envelope[:5] + b"\x11" + envelope[6:]) == "chunk"


@pytest.mark.parametrize(
    "name", ["truncated", "cut_chunk", "swapped", "repeated", "appended", "dropped", "extended", "cut_tag"]
)
def test_rearranged_chunks_are_refused(name):
    head, body = LARGE[:HEADER_BYTES], LARGE[HEADER_BYTES:]
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    assert len(chunks) == 5
    altered = {
        "truncated": chunks[:-1],
        "cut_chunk": [*chunks[:-1], chunks[-1][:-1]],
        "swapped": [chunks[1], chunks[0], *chunks[2:]],
        "repeated": [chunks[0], *chunks],
        "appended": [*chunks, b"\x00"],
        "dropped": [chunks[0], *chunks[2:]],
        "extended": [*chunks, chunks[-1]],
        "cut_tag": [*chunks[:-1], chunks[-1][:5]],
    }[name]
    assert stage_of(head + b"".join(altered)) == "chunk"
    assert open_(head + b"".join(chunks)).content == counting(0, 17_000)


def test_chunks_of_another_version_of_the_item_are_refused():
    newer = seal(b"correct horse", context=replace(CONTEXT, version=4))
    assert stage_of(SEALED[:HEADER_BYTES] + newer[HEADER_BYTES:]) == "chunk"


def test_each_truncation_is_refused():
    for size in [*range(4, HEADER_BYTES), HEADER_BYTES, HEADER_BYTES + 1, HEADER_BYTES + 16]:
        assert stage_of(SEALED[:size]) == ("header" if size < HEADER_BYTES else "chunk"), size


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        (b"", "padding"),
        (build_inner(b"x", 248), "padding"),
        (build_inner(b"x", 257), "padding"),
        (build_inner(b"x", 272), "padding"),
        (build_inner(b"x", 256, fill=b"\x01"), "padding"),
        (build_inner(b"x", 256, claimed=2**64 - 1), "padding"),
        (build_inner(b"x", 256, claimed=250), "padding"),
        (build_inner(b"x", 512, claimed=1), "padding"),
        (build_inner(b"x" * 300, 512, claimed=5), "padding"),
        ((65_537).to_bytes(4, "big").ljust(256, b"\x00"), "metadata"),
        ((300).to_bytes(4, "big").ljust(256, b"\x00"), "padding"),
        (b"\x00\x00\x00\x02{}".ljust(256, b"\x00"), "metadata"),
        (b"\x00\x00\x00\x00".ljust(256, b"\x00"), "metadata"),
    ],
)
def test_an_authentic_envelope_with_a_wrong_layout_is_refused(inner, stage):
    assert stage_of(forge(inner)) == stage


def test_an_empty_final_chunk_is_refused():
    assert open_(forge(build_inner(b"x" * 3900, 4096))).content == b"x" * 3900
    envelope = forge(build_inner(b"x" * 3900, 4096))
    cipher = stream_module.ItemCipher.open(envelope[:HEADER_BYTES], DATA_KEY, CONTEXT)
    chunk = cipher.open_chunk(0, envelope[HEADER_BYTES:], final=True)
    split = [cipher.seal_chunk(0, chunk, final=False), cipher.seal_chunk(1, b"", final=True)]
    assert stage_of(cipher.header_bytes + b"".join(split)) == "padding"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    for envelope in (data, SEALED[:3] + data, SEALED[:HEADER_BYTES] + data):
        with pytest.raises(SolekeyError):
            open_(envelope)


@given(st.integers(0, 100_000))
def test_the_size_depends_on_the_padded_size_only(size):
    envelope = seal(bytes(size))
    inner = compute_padme_size(max(len(encode_head(METADATA)) + size + 8, 256))
    assert len(envelope) == compute_envelope_size(inner, 65_536)


def test_chunk_sizes():
    assert [choose_chunk_size_log2(size) for size in (0, (16 << 20) - 1, 16 << 20)] == [16, 16, 20]


def test_too_much_content_is_refused():
    assert len(encode_tail(100, 100)) == 256 - 200
    with pytest.raises(ContentSizeError):
        encode_tail(100, MAX_INNER_BYTES)


@pytest.mark.parametrize("version", [0, -1, 2**53])
def test_a_version_outside_its_limits_is_refused(version):
    with pytest.raises(ValueError, match="version"):
        replace(CONTEXT, version=version)
