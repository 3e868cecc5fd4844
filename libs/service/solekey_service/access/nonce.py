"""Nonces that a server gives for DPoP proofs: RFC 9449 §8, §9. Spec: tokens.md §3.

A proof that comes without an access token says nothing that only the present knows: who holds the device key
for a minute could make proofs for next year. A nonce ends that. It is derived from a key that all processes
of the service have, and from the clock; nothing is stored, and any process accepts what another gave.

*Wire format.* ``base64url(HMAC-SHA256(key, "solekey/v1/dpop-nonce" ‖ 0x00 ‖ u64(window))[:16])``, 22
characters; a window is 60 s of Unix time.
"""

import hashlib
import hmac
from datetime import datetime

from solekey_eventlog.secret import Redacted
from solekey_protocol.encoding import Json, encode_base64url
from solekey_service.refusals import UseDpopNonce

NONCE_HEADER = "DPoP-Nonce"
WINDOW_S = 60
_CONTEXT = b"solekey/v1/dpop-nonce\x00"
_KEY_BYTES = 32
_NONCE_BYTES = 16
_ACCEPTED_WINDOWS = (0, -1, 1)
"""The current one, the one before, and the next, whose clock may be another process's."""


class Nonces(Redacted):
    """Gives nonces, and accepts them for one to two minutes."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key of nonces is {_KEY_BYTES} bytes")
        self._key = key

    def derive(self, now: datetime, windows: int = 0) -> str:
        """Derive the nonce of this moment, or of so many windows later."""
        window = int(now.timestamp()) // WINDOW_S + windows
        tag = hmac.new(self._key, _CONTEXT + window.to_bytes(8, "big"), hashlib.sha256).digest()
        return encode_base64url(tag[:_NONCE_BYTES])

    def verify(self, claim: Json, now: datetime) -> None:
        """Verify a proof's ``nonce`` claim.

        Raises:
            UseDpopNonce: absent, too old, or not ours; with the one to use.
        """
        fresh = [self.derive(now, windows) for windows in _ACCEPTED_WINDOWS]
        given = claim.encode() if isinstance(claim, str) else b""
        if not any(hmac.compare_digest(given, nonce.encode()) for nonce in fresh):
            raise UseDpopNonce(fresh[0])
