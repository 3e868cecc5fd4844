"""The operator's keys: what this service derives instead of storing.

Pure. It derives, and masks what derived from a key before; nothing here decrypts what a user encrypted.
Spec: authentication.md §7.
"""

import hashlib
import hmac
from collections.abc import Iterator
from enum import StrEnum

from solekey_auth.limits import SECRET_BYTES
from solekey_eventlog.errors import UnavailableError
from solekey_eventlog.secret import Redacted
from solekey_protocol.ids import Digest


class Purpose(StrEnum):
    """What a derived secret is for. The meaning of a label never changes."""

    TOTP_SECRET = "totp-secret"  # noqa: S105  # a label
    DECOY_SALT = "decoy-salt"
    DECOY_CREDENTIAL = "decoy-credential"
    REFRESH_SUCCESSOR = "refresh-successor"
    USERNAME_DIGEST = "username-digest"
    CEREMONY = "ceremony"
    RATE_BUCKET = "rate-bucket"
    RECOVERY_CODE = "recovery-code"
    SOURCE_SLOT = "source-slot"
    DPOP_NONCE = "dpop-nonce"
    CHECK = "check"
    FORMER_KEY = "former-key"
    MOVED_TOTP = "moved-totp"
    MOVED_DIGEST = "moved-digest"


class OperatorKey(Redacted):
    """32 secret bytes of the operator."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != SECRET_BYTES:
            raise ValueError(f"the operator key is {SECRET_BYTES} bytes")
        self._key = key

    def derive(self, purpose: Purpose, *context: bytes) -> bytes:
        """Derive 32 bytes: HMAC-SHA256 over the label and the length-prefixed context.

        *Wire format* of the message: ``"solekey/v1/auth/" ‖ purpose ‖ 0x00 ‖ (u32(len(part)) ‖ part)…``.
        """
        message = b"solekey/v1/auth/" + purpose.value.encode() + b"\x00"
        for part in context:
            message += len(part).to_bytes(4, "big") + part
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def derive_check(self, number: int) -> str:
        """Derive what tells operator keys apart, and tells nothing else about them.

        Args:
            number: of the key; for the first one, 0, it is left out of what is derived from.
        """
        return self.derive(Purpose.CHECK, *([_encode_number(number)] if number else [])).hex()

    def mask(self, former: "OperatorKey", number: int, salt: bytes) -> bytes:
        """Mask a former key, whose number is given, with what derives from this one and a new salt."""
        secret = former._key  # noqa: SLF001  # of its own class
        return mask(secret, self.derive(Purpose.FORMER_KEY, _encode_number(number), salt))

    def unmask(self, masked: bytes, number: int, salt: bytes) -> "OperatorKey":
        """Give back a former key that `mask` has masked with this one."""
        return OperatorKey(mask(masked, self.derive(Purpose.FORMER_KEY, _encode_number(number), salt)))

    def is_same(self, other: "OperatorKey") -> bool:
        """Compare with another key, in constant time."""
        return hmac.compare_digest(self._key, other._key)  # noqa: SLF001  # of its own class


class OperatorKeys(Redacted):
    """The operator key in force and those that it has replaced, by their numbers: the first one's is 0."""

    __slots__ = ("_keys",)

    def __init__(self, *keys: OperatorKey) -> None:
        if not keys:
            raise ValueError("there is no operator key")
        self._keys = keys

    @property
    def number(self) -> int:
        """The number of the key in force."""
        return len(self._keys) - 1

    @property
    def present(self) -> OperatorKey:
        """The key in force."""
        return self._keys[-1]

    @property
    def founding(self) -> OperatorKey:
        """The first key: what must look the same for ever derives from it."""
        return self._keys[0]

    def find(self, number: int) -> OperatorKey:
        """Find a key. Raises UnavailableError: another process of the service was given a newer one."""
        if number > self.number:
            raise UnavailableError("a row derives from a newer operator key: start this process with it")
        return self._keys[number]

    def list_newest_first(self) -> Iterator[OperatorKey]:
        """List all keys, the one in force first."""
        return reversed(self._keys)

    def move_digest(self, digest: Digest, since: int, until: int | None = None) -> Digest:
        """Move a digest that derives from one key to a later one, through each key between them.

        *Wire format*: ``HMAC(key, "moved-digest", digest)`` under ``since + 1``, and so on.

        Args:
            digest: as it is kept.
            since: the number of the key that it derives from.
            until: of the later key; by default the one in force.
        """
        for number in range(since + 1, (self.number if until is None else until) + 1):
            digest = Digest(self.find(number).derive(Purpose.MOVED_DIGEST, bytes.fromhex(digest)).hex())
        return digest

    def derive_digests(self, number: int, purpose: Purpose, *context: bytes) -> list[Digest]:
        """Derive each digest that may be kept of the same thing under a key: made with it, or moved to it.

        Args:
            number: of the key.
            purpose: what the digest is of.
            *context: the same.
        """
        made = ((since, self.find(since).derive(purpose, *context)) for since in range(number + 1))
        return [self.move_digest(Digest(digest.hex()), since, number) for since, digest in made]


def mask(secret: bytes, derived: bytes) -> bytes:
    """Mask a secret with as many bytes that were derived for it alone; masked twice, it is itself again."""
    return bytes(one ^ other for one, other in zip(secret, derived, strict=True))


def _encode_number(number: int) -> bytes:
    return number.to_bytes(4, "big")
