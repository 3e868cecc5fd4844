"""The primitives that the pages name, and the fixed inputs of all vectors."""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def counting(start: int, size: int) -> bytes:
    """Bytes that count up from `start`, as in the examples of the pages."""
    return bytes((start + index) % 256 for index in range(size))


def derive(secret: bytes, salt: bytes, label: str, context: bytes, size: int) -> bytes:
    """HKDF-SHA256 with a label. Spec: keys.md §2."""
    return HKDF(SHA256(), size, salt, label.encode() + b"\x00" + context).derive(secret)


def encrypt(key: bytes, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
    """AES-256-GCM: ciphertext and tag."""
    return AESGCM(key).encrypt(nonce, plaintext, associated_data)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, associated_data: bytes) -> bytes:
    """Open AES-256-GCM. Raises InvalidTag."""
    return AESGCM(key).decrypt(nonce, sealed, associated_data)


def public_key(seed: bytes) -> bytes:
    """The Ed25519 public key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """An Ed25519 signature."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def encode_id(prefix: str, raw: bytes) -> str:
    """A prefixed id, of any length. Spec: conventions.md §2."""
    return f"{prefix}_{base64.b32encode(raw).decode().rstrip('=').lower()}"


def encode_base64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value: Any) -> bytes:
    """RFC 8785 for values whose keys are ASCII: then sorting by code point is sorting by UTF-16."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def flip(data: bytes, offset: int, mask: int = 0x01) -> bytes:
    """The same bytes with one changed."""
    return data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


ACCOUNT_RAW = counting(0x20, 16)
OTHER_ACCOUNT_RAW = counting(0x21, 16)
ITEM_RAW = counting(0x30, 16)
OTHER_ITEM_RAW = counting(0x31, 16)
USER_KEY = counting(0x00, 32)
OTHER_USER_KEY = counting(0x01, 32)
DATA_KEY = counting(0x40, 32)
OTHER_DATA_KEY = counting(0x41, 32)
SALT = counting(0x60, 32)
KDF_SALT = counting(0x80, 16)
DEVICE_SEED = counting(0xA0, 32)

ACCOUNT = encode_id("acc", ACCOUNT_RAW)
OTHER_ACCOUNT = encode_id("acc", OTHER_ACCOUNT_RAW)
ITEM = encode_id("itm", ITEM_RAW)
OTHER_ITEM = encode_id("itm", OTHER_ITEM_RAW)
