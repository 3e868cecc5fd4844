"""The device key: signs this device's statements and its DPoP proofs. Spec: keys.md §7.

Whoever needs a signature has a `DeviceKey`; it may lie on a token that shows its private half to nobody.
Where it is stored is `solekey.providers.device_key_store`, the one place that sees a seed.
"""

import hashlib
from abc import ABC, abstractmethod
from typing import Self

from solekey.crypto.secrets import RandomSource
from solekey.crypto.signing import SigningKey
from solekey_protocol.encoding import encode_base64url, encode_json
from solekey_protocol.ids import DeviceId, PublicKey, SignatureHex, derive_device_id


class DeviceKey(ABC):
    """An Ed25519 key made on the device; it never leaves it."""

    __slots__ = ()

    @property
    @abstractmethod
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""

    @abstractmethod
    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes with pure Ed25519. Raises ProviderError where the key cannot be reached."""

    @property
    def device_id(self) -> DeviceId:
        """The device's id, derived from its public key."""
        return derive_device_id(self.public_key)

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as an OKP JWK (RFC 8037): exactly the members that the thumbprint covers."""
        return _encode_jwk(self.public_key)

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638), base64url: the ``jkt`` that access tokens are bound to."""
        return compute_thumbprint(self.public_key)


class SoftwareDeviceKey(SigningKey, DeviceKey):
    """A device key whose seed is in memory, read from a file or a keyring."""

    __slots__ = ()

    @classmethod
    def make(cls, random: RandomSource) -> Self:
        """Make the key of a new device."""
        return cls(random(cls.SIZE))

    @classmethod
    def from_private_bytes(cls, private: bytes) -> Self:
        """Restore a key from storage. Raises ValueError for another length than 32 bytes."""
        return cls(private)

    def to_private_bytes(self) -> bytes:
        """Return the 32-byte seed for storage on this device; keep it nowhere else."""
        return bytes(self.expose())


def compute_thumbprint(device_key: PublicKey) -> str:
    """Compute a device key's JWK thumbprint (RFC 7638): 43 characters of base64url."""
    return encode_base64url(hashlib.sha256(encode_json(_encode_jwk(device_key))).digest())


def _encode_jwk(device_key: PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(bytes.fromhex(device_key))}
