"""The envelope's outside: header and sizes, which a verifier may read without a key. Spec: envelope.md §2-4.

Nothing here can decrypt: the services and the auditor use it to check a ciphertext's epoch and size.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.limits import (
    MAX_CHUNK_SIZE_LOG2,
    MAX_EPOCH,
    MAX_INNER_BYTES,
    MIN_CHUNK_SIZE_LOG2,
    MIN_INNER_BYTES,
)

ENVELOPE_FAMILY: Final = b"SKE"
ENVELOPE_MAGIC: Final = b"SKE1"
"""The family, then the format version as one ASCII digit."""
SUITE_AES_256_GCM: Final = 0x01
"""HKDF-SHA256, AES-256-GCM, 64-byte key block (key ‖ commitment)."""
SALT_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
TAG_BYTES: Final = 16

_PREFIX: Final = struct.Struct(">4sBBI")
_HEADER: Final = struct.Struct(f"{_PREFIX.format}{SALT_BYTES}s{COMMITMENT_BYTES}s")
PREFIX_BYTES: Final = _PREFIX.size
HEADER_BYTES: Final = _HEADER.size


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """The 74 bytes that open an envelope."""

    suite: int
    chunk_size_log2: int
    epoch: int
    salt: bytes
    commitment: bytes

    @property
    def chunk_size(self) -> int:
        """Plaintext bytes in every chunk but the last."""
        return 1 << self.chunk_size_log2


def encode_prefix(suite: int, chunk_size_log2: int, epoch: int) -> bytes:
    """Encode the header's first 10 bytes: magic, suite, chunk size, epoch; what the item key binds."""
    return _PREFIX.pack(ENVELOPE_MAGIC, suite, chunk_size_log2, epoch)


def encode_envelope_header(header: EnvelopeHeader) -> bytes:
    """Encode an envelope's header.

    Wire format (74 bytes): magic ``SKE1`` (4) ‖ suite (1) ‖ chunk size log2 (1) ‖ epoch (4, big-endian) ‖
    salt (32) ‖ commitment (32). Spec: envelope.md §2.
    """
    prefix = encode_prefix(header.suite, header.chunk_size_log2, header.epoch)
    return prefix + header.salt + header.commitment


def parse_envelope_header(data: bytes) -> EnvelopeHeader:
    """Parse exactly the 74 bytes that open an envelope. Spec: envelope.md §2.

    Raises:
        UnsupportedError: another format version or suite.
        MalformedError: another length or magic, or a chunk size or epoch outside its limits.
    """
    return EnvelopeHeader(*unpack_envelope_header(data))


def unpack_envelope_header(data: bytes) -> tuple[int, int, int, bytes, bytes]:
    """Parse a header into the fields of `EnvelopeHeader` alone, for who opens many. Raises as that does."""
    if not data.startswith(ENVELOPE_MAGIC):
        if not data.startswith(ENVELOPE_FAMILY) or len(data) < len(ENVELOPE_MAGIC):
            raise MalformedError("not a Solekey envelope")
        raise UnsupportedError(f"envelope format {data[3:4]!r} is unknown")
    if len(data) != HEADER_BYTES:
        raise MalformedError(f"an envelope's header is {HEADER_BYTES} bytes, this one {len(data)}")
    _, suite, chunk_size_log2, epoch, salt, commitment = _HEADER.unpack(data)
    if suite != SUITE_AES_256_GCM:
        raise UnsupportedError(f"envelope suite {suite} is unknown")
    if not MIN_CHUNK_SIZE_LOG2 <= chunk_size_log2 <= MAX_CHUNK_SIZE_LOG2:
        raise MalformedError(f"chunk size 2^{chunk_size_log2} is outside the limits")
    if not 1 <= epoch <= MAX_EPOCH:
        raise MalformedError(f"epoch {epoch} is outside the limits")
    return suite, chunk_size_log2, epoch, salt, commitment


def compute_padme_size(size: int) -> int:
    """Round a size up to the next Padmé size: at most 12 % more, O(log log size) bits revealed.

    Spec: envelope.md §3; Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019.
    """
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    return (size + mask) & ~mask


def compute_inner_size(unpadded_size: int) -> int:
    """Compute the size of the padded inner plaintext: Padmé, at least 256 bytes. Spec: envelope.md §3.

    Raises:
        MalformedError: more than MAX_INNER_BYTES.
    """
    inner_size = compute_padme_size(max(unpadded_size, MIN_INNER_BYTES))
    if inner_size > MAX_INNER_BYTES:
        raise MalformedError(f"inner plaintext of {inner_size} bytes, limit {MAX_INNER_BYTES}")
    return inner_size


def compute_envelope_size(inner_size: int, chunk_size: int) -> int:
    """Compute the envelope's size from its inner plaintext's size. Spec: envelope.md §4."""
    chunks = -(-inner_size // chunk_size)
    return HEADER_BYTES + inner_size + chunks * TAG_BYTES


@lru_cache(maxsize=1024)  # small envelopes have few sizes: 257 up to 1 MiB
def parse_envelope_size(envelope_size: int, chunk_size: int) -> int:
    """Recover the inner plaintext's size from the envelope's size; refuse sizes that no sealer makes.

    Raises:
        MalformedError: cut inside a tag, shorter than the smallest or longer than the largest envelope,
            or the inner plaintext's size is not a Padmé size.
    """
    body = envelope_size - HEADER_BYTES
    chunks = -(-body // (chunk_size + TAG_BYTES))
    inner_size = body - chunks * TAG_BYTES
    if (
        not MIN_INNER_BYTES <= inner_size <= MAX_INNER_BYTES
        or compute_padme_size(inner_size) != inner_size
        or compute_envelope_size(inner_size, chunk_size) != envelope_size
    ):
        raise MalformedError(f"no envelope is {envelope_size} bytes long")
    return inner_size
