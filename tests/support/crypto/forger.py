"""A sealer that holds the data key and breaks the rules: what an opener must refuse although it verifies."""

from solekey.crypto.inner_plaintext import encode_head
from solekey.crypto.stream import ItemCipher
from solekey_protocol.envelope import compute_inner_size
from tests.support.crypto.fixtures import CONTEXT, DATA_KEY, METADATA, make_salt

SMALLEST_CHUNK_LOG2 = 12


def forge(inner: bytes, *, chunk_size_log2: int = SMALLEST_CHUNK_LOG2) -> bytes:
    """Seal any inner plaintext, whatever its layout."""
    cipher = ItemCipher.make(DATA_KEY, CONTEXT, chunk_size_log2, make_salt)
    starts = range(0, max(len(inner), 1), cipher.chunk_size)
    sealed = [
        cipher.seal_chunk(index, inner[start : start + cipher.chunk_size], final=start == starts[-1])
        for index, start in enumerate(starts)
    ]
    return cipher.header_bytes + b"".join(sealed)


def build_inner(content: bytes, size: int, *, claimed: int | None = None, fill: bytes = b"\x00") -> bytes:
    """Build an inner plaintext of `size` bytes."""
    claimed = len(content) if claimed is None else claimed
    return (encode_head(METADATA) + content).ljust(size - 8, fill) + claimed.to_bytes(8, "big")


def seal_in_small_chunks(content: bytes) -> bytes:
    """Seal content correctly, in chunks of 4 KiB, so that few bytes make many chunks."""
    unpadded = len(encode_head(METADATA)) + len(content) + 8
    return forge(build_inner(content, compute_inner_size(unpadded)))
