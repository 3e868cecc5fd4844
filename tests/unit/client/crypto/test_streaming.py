"""Sealing and opening streams in constant memory, from sources that behave like real ones."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey.crypto import EnvelopeReader, open_bytes, seal_envelope
from solekey.errors import ContentSizeError
from solekey_protocol.envelope import HEADER_BYTES, parse_envelope_header
from tests.support.crypto.fixtures import CONTEXT, DATA_KEY, METADATA, counting, make_salt

MIB = 1024 * 1024


def seal(read, content_size):
    return seal_envelope(
        read,
        content_size=content_size,
        metadata=METADATA,
        data_key=DATA_KEY,
        context=CONTEXT,
        random=make_salt,
    )


class Zeros:
    """Yields zeros without holding them."""

    def __init__(self, size):
        self.left = size

    def read(self, size):
        piece = bytes(min(size, self.left))
        self.left -= len(piece)
        return piece


class FileSource:
    """An envelope on disk."""

    def __init__(self, path):
        self.file = path.open("rb")
        self.size = path.stat().st_size

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read_at(self, offset, length):
        self.file.seek(offset)
        return self.file.read(length)


def make_short_reader(content, sizes):
    """A source that returns less than asked for, as pipes and sockets do."""
    position = 0
    turn = 0

    def read(size):
        nonlocal position, turn
        size = min(size, sizes[turn % len(sizes)])
        turn += 1
        piece = content[position : position + size]
        position += len(piece)
        return piece

    return read


@given(
    st.integers(0, 200_000),
    st.lists(st.integers(1, 90_000), max_size=3).map(lambda sizes: [*sizes, 50_000]),
)
def test_short_reads_and_unknown_sizes_give_the_same_content(size, sizes):
    content = counting(1, 256) * (size // 256 + 1)
    content = content[:size]
    envelope = b"".join(seal(make_short_reader(content, sizes), None))
    assert open_bytes(envelope, data_key=DATA_KEY, context=CONTEXT).content == content
    assert parse_envelope_header(envelope[:HEADER_BYTES]).chunk_size == MIB


@pytest.mark.parametrize("declared", [0, 9, 11, 20])
def test_a_source_of_another_size_than_declared_is_refused(declared):
    with pytest.raises(ContentSizeError) as caught:
        list(seal(make_short_reader(b"0123456789", [3]), declared))
    assert caught.value.code == "content_size_changed"
    assert "try again" in caught.value.diagnostics()


def test_a_large_stream_uses_constant_memory(tmp_path):
    size = 48 * MIB
    path = tmp_path / "envelope"
    tracemalloc.start()
    try:
        with path.open("wb") as file:
            for piece in seal(Zeros(size).read, size):
                file.write(piece)
        sealed_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with FileSource(path) as source:
            reader = EnvelopeReader(source, data_key=DATA_KEY, context=CONTEXT)
            opened = sum(len(piece) for piece in reader.iter_content())
        opened_peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert opened == size
    assert sealed_peak < 8 * MIB
    assert opened_peak < 8 * MIB


def test_the_memory_check_would_see_everything_being_held():
    tracemalloc.start()
    try:
        held = list(seal(Zeros(24 * MIB).read, 24 * MIB))
        assert tracemalloc.get_traced_memory()[1] > 24 * MIB
    finally:
        tracemalloc.stop()
    assert held
