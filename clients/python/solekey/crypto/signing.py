"""Ed25519 signing keys; each use is a type of its own. Spec: keys.md §4."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey.crypto.secrets import SecretBytes
from solekey_protocol.ids import PublicKey, SignatureHex


class SigningKey(SecretBytes):
    """An Ed25519 key (RFC 8032), kept as its 32-byte seed."""

    __slots__ = ()

    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes with pure Ed25519.

        Raises:
            WipedSecretError: after the key was wiped.
        """
        return SignatureHex(self._private_key().sign(message).hex())

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self._private_key().public_key().public_bytes_raw().hex())

    def _private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.expose())


class AccountSigningKey(SigningKey):
    """Certifies the account's devices and its own successor; derived from the user key."""

    __slots__ = ()


class CommitKey(SigningKey):
    """Signs the commits of one epoch; derived from its data key: who cannot open that, cannot write."""

    __slots__ = ()
