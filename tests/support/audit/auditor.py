"""An auditor who signs what was verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from solekey_protocol.ids import PublicKey, SignatureHex
from tests.support.keys import derive_raw


@dataclass(frozen=True)
class Key:
    """An auditor's key."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.private.public_key().public_bytes_raw().hex())

    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes."""
        return SignatureHex(self.private.sign(message).hex())


def make_key(name: str) -> Key:
    """Make the key of an auditor."""
    return Key(Ed25519PrivateKey.from_private_bytes(derive_raw(f"{name} a") + derive_raw(f"{name} b")))


AUDITOR: Final = make_key("auditor")


def write_key(key: Key, path: Path) -> Path:
    """Write a key to a PEM file without a password."""
    path.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path
