"""The device key: signs this device's statements and its DPoP proofs. Spec: keys.md §7."""

import base64
import hashlib
from typing import Self

from solekey.crypto.secrets import RandomSource
from solekey.crypto.signing import SigningKey
from solekey_protocol.encoding import encode_json
from solekey_protocol.ids import DeviceId, derive_device_id


class DeviceKey(SigningKey):
    """An Ed25519 key made on the device; it never leaves it."""

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

    @property
    def device_id(self) -> DeviceId:
        """The device's id, derived from its public key."""
        return derive_device_id(self.public_key)

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public key as an OKP JWK (RFC 8037): exactly the members that the thumbprint covers."""
        return {"crv": "Ed25519", "kty": "OKP", "x": _encode_base64url(bytes.fromhex(self.public_key))}

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638), base64url: the ``jkt`` that access tokens are bound to."""
        return _encode_base64url(hashlib.sha256(encode_json(self.public_jwk)).digest())


def _encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
