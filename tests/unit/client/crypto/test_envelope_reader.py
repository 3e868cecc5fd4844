"""Readers open what they need and release nothing that is not authentic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import EnvelopeReader, ItemMetadata, MemorySource, seal_bytes
from solekey.crypto.stream import ItemCipher
from solekey.errors import OpenError
from solekey_protocol.envelope import HEADER_BYTES
from tests.support.crypto.fixtures import CONTEXT, DATA_KEY, METADATA, counting, make_salt
from tests.support.crypto.forger import build_inner, forge, seal_in_small_chunks

CONTENT = counting(3, 30_000)
SEALED = seal_in_small_chunks(CONTENT)
CHUNK = 4096 + 16


class RecordingSource:
    """Notes which chunks were read; `size` may be a lie."""

    def __init__(self, data, size=None):
        self.data = data
        self.size = len(data) if size is None else size
        self.chunks = []

    def read_at(self, offset, length):
        if offset >= HEADER_BYTES:
            self.chunks.append((offset - HEADER_BYTES) // CHUNK)
        return MemorySource(self.data).read_at(offset, length)


def read(source):
    return EnvelopeReader(source, data_key=DATA_KEY, context=CONTEXT)


def test_metadata_reads_only_the_first_chunk():
    source = RecordingSource(SEALED)
    assert read(source).open_metadata() == METADATA
    assert source.chunks == [0]


def test_metadata_longer_than_a_chunk_reads_what_it_needs():
    metadata = ItemMetadata("n", "t", 1, 2, attributes={"a": "x" * 4000, "b": "y" * 4000})
    envelope = seal_bytes(
        b"z" * 40_000, metadata=metadata, data_key=DATA_KEY, context=CONTEXT, random=make_salt
    )
    cipher = ItemCipher.open(envelope[:HEADER_BYTES], DATA_KEY, CONTEXT)
    inner = cipher.open_chunk(0, envelope[HEADER_BYTES:], final=True)
    source = RecordingSource(forge(inner))
    reader = read(source)
    assert reader.open_metadata() == metadata
    assert source.chunks == [0, 1]
    assert b"".join(reader.iter_content()) == b"z" * 40_000


def test_streams_everything_and_opens_each_chunk_once():
    source = RecordingSource(SEALED)
    reader = read(source)
    assert b"".join(reader.iter_content()) == CONTENT
    assert source.chunks[0] == 7
    assert sorted(source.chunks) == list(range(8))
    assert reader.open_content_size() == len(CONTENT)


def test_a_range_opens_only_its_chunks():
    source = RecordingSource(SEALED)
    assert read(source).open_range(9000, 10) == CONTENT[9000:9010]
    assert source.chunks == [7, 0, 2]


@given(st.integers(0, 31_000), st.integers(0, 31_000))
def test_a_range_is_a_slice(start, size):
    assert read(MemorySource(SEALED)).open_range(start, size) == CONTENT[start : start + size]


@pytest.mark.parametrize(("start", "size"), [(-1, 5), (0, -1)])
def test_a_negative_range_is_refused(start, size):
    with pytest.raises(ValueError, match="range"):
        read(MemorySource(SEALED)).open_range(start, size)


@given(st.integers(0, 9000))
def test_every_size_around_the_chunk_borders(size):
    content = counting(1, size)
    reader = read(MemorySource(seal_in_small_chunks(content)))
    assert b"".join(reader.iter_content()) == content
    assert reader.open_range(0, size) == content
    assert reader.open_metadata() == METADATA


@pytest.mark.parametrize("cut", [1, 16, 17, CHUNK - 1, CHUNK, 2 * CHUNK, 7 * CHUNK])
def test_a_cut_envelope_releases_no_byte(cut):
    reader = read(MemorySource(SEALED[:-cut]))
    with pytest.raises(OpenError) as caught:
        next(reader.iter_content())
    assert caught.value.stage == "chunk"
    with pytest.raises(OpenError):
        reader.open_range(0, 1)


@pytest.mark.parametrize("index", range(8))
def test_a_damaged_chunk_releases_nothing_of_itself(index):
    altered = bytearray(SEALED)
    altered[HEADER_BYTES + index * CHUNK + 100] ^= 1
    released = []
    with pytest.raises(OpenError) as caught:
        released.extend(read(MemorySource(bytes(altered))).iter_content())
    assert caught.value.stage == "chunk"
    assert CONTENT.startswith(b"".join(released))
    assert len(released) == (0 if index == 7 else index)


def test_swapped_chunks_are_refused():
    first, second = HEADER_BYTES + CHUNK, HEADER_BYTES + 2 * CHUNK
    swapped = (
        SEALED[:first] + SEALED[second : second + CHUNK] + SEALED[first:second] + SEALED[second + CHUNK :]
    )
    assert len(swapped) == len(SEALED)
    with pytest.raises(OpenError):
        read(MemorySource(swapped)).open_range(5000, 1)
    assert read(MemorySource(SEALED)).open_range(5000, 1) == CONTENT[5000:5001]


@pytest.mark.parametrize("size", [0, 10, HEADER_BYTES, HEADER_BYTES + 5, 10**6])
def test_a_source_that_lies_about_its_size_is_refused(size):
    with pytest.raises(OpenError) as caught:
        read(RecordingSource(SEALED, size)).open_content_size()
    assert caught.value.stage == "chunk"
    with pytest.raises(OpenError):
        read(RecordingSource(SEALED, HEADER_BYTES)).open_metadata()


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        (b"", "padding"),
        (build_inner(b"x", 257), "padding"),
        (build_inner(b"x", 256, fill=b"\x01"), "padding"),
        (build_inner(b"x", 256, claimed=250), "padding"),
        (build_inner(b"x" * 9000, 9216)[:-9] + b"\x01" + (9000).to_bytes(8, "big"), "padding"),
        ((65_537).to_bytes(4, "big").ljust(256, b"\x00"), "metadata"),
    ],
)
def test_an_authentic_envelope_with_a_wrong_layout_is_refused(inner, stage):
    with pytest.raises(OpenError) as caught:
        list(read(MemorySource(forge(inner))).iter_content())
    assert caught.value.stage == stage


@pytest.mark.parametrize("inner", [b"", b"\x00\x00\x00\x02{}".ljust(256, b"\x00"), b"\x00\x00\x01\xff{"])
def test_metadata_outside_its_schema_is_refused(inner):
    with pytest.raises(OpenError) as caught:
        read(MemorySource(forge(inner))).open_metadata()
    assert caught.value.stage == "metadata"


def test_metadata_that_claims_to_reach_beyond_the_end_is_refused():
    with pytest.raises(OpenError):
        read(MemorySource(forge((60_000).to_bytes(4, "big").ljust(256, b"\x00")))).open_metadata()


def test_a_malformed_header_is_refused():
    with pytest.raises(OpenError) as caught:
        read(MemorySource(b"SKE1"))
    assert caught.value.stage == "header"
