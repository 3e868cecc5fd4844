"""Ed25519 signing keys; each use is a type of its own. Spec: keys.md §4."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey.crypto.secrets import SecretBytes
from solekey_protocol.ids import PublicKey, SignatureHex


class SigningKey(SecretBytes):
    """An Ed25519 key (RFC 8032), kept as its 32-byte seed."""

    __slots__ = ("_public",)

    def __init__(self, secret: bytes | bytearray | memoryview) -> None:
        super().__init__(secret)
        self._public: PublicKey | None = None

    def sign(self, message: bytes) -> SignatureHex:
        """Sign bytes with pure Ed25519.

        Raises:
            WipedSecretError: after the key was wiped.
        """
        return SignatureHex(Ed25519PrivateKey.from_private_bytes(self.expose()).sign(message).hex())

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs: derived once, for it stands in every request.

        Raises:
            WipedSecretError: after the key was wiped.
        """
        private = self.expose()
        if self._public is None:
            key = Ed25519PrivateKey.from_private_bytes(private)
            self._public = PublicKey(key.public_key().public_bytes_raw().hex())
        return self._public


class AccountSigningKey(SigningKey):
    """Certifies the account's devices and its own successor; derived from the user key."""

    __slots__ = ()


class CommitKey(SigningKey):
    """Signs the commits of one epoch; derived from its data key: who cannot open that, cannot write."""

    __slots__ = ()
