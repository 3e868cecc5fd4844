"""HKDF-SHA256 with every domain-separation label of Solekey in one place. Spec: keys.md §2."""

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.utils import Buffer

KEY_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
_SHA256: Final = SHA256()


class Label(bytes, Enum):
    """What a derivation is for. No two derivations share a label."""

    KEY_ID = b"solekey/v1/key-id"
    WRAPPING_KEY = b"solekey/v1/wrapping-key"
    ACCOUNT_SIGNING_KEY = b"solekey/v1/account-signing-key"
    WRAP = b"solekey/v1/wrap"
    ITEM = b"solekey/v1/item"
    LOGIN_KEY = b"solekey/v1/login-key"
    COMMIT_KEY = b"solekey/v1/commit-key"
    KEY_FILE = b"solekey/v1/key-file"
    JOURNAL = b"solekey/v1/journal"
    INDEX = b"solekey/v1/index"
    INDEX_NAMES = b"solekey/v1/index-names"


def derive_bytes(secret: Buffer, *, salt: bytes, label: Label, size: int, context: bytes = b"") -> bytes:
    """Derive bytes: HKDF-SHA256(secret, salt, info = label ‖ 0x00 ‖ context). Spec: keys.md §2."""
    return _compute_hkdf(secret, salt, b"\x00".join((label, context)), size)


def derive_key_block(secret: Buffer, *, salt: bytes, label: Label, context: bytes) -> tuple[bytes, bytes]:
    """Derive an AEAD key and the commitment to it.

    The commitment binds secret, salt, label and context: AES-GCM alone would let one ciphertext open
    under two keys. Wire format: 64 bytes = key (32) ‖ commitment (32). Spec: keys.md §2.
    """
    block = _compute_hkdf(secret, salt, b"\x00".join((label, context)), KEY_BYTES + COMMITMENT_BYTES)
    return block[:KEY_BYTES], block[KEY_BYTES:]


def _compute_hkdf(secret: Buffer, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(_SHA256, size, salt, info).derive(secret)
