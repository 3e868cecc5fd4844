"""The operator's key: what this service derives instead of storing. It derives; it cannot decrypt.

Pure. Spec: authentication.md §7.
"""

import hashlib
import hmac
from enum import StrEnum

from solekey_auth.limits import SECRET_BYTES
from solekey_eventlog.secret import Redacted


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
