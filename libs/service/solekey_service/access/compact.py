"""Compact JWS with EdDSA over Ed25519, and nothing else: RFC 7515, RFC 8037. Spec: tokens.md §1, §3.

*Wire format.* ``base64url(header) . base64url(claims) . base64url(64-byte signature)``; header and claims are
JSON. The key is never taken from where the sender points to: ``jku``, ``x5u``, ``x5c`` are ignored, ``crit``
and ``b64`` refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.encoding import (
    Json,
    encode_base64url,
    encode_json,
    parse_base64url,
    parse_lenient_json,
)
from solekey_protocol.errors import MalformedError, ProtocolError
from solekey_protocol.ids import PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature

ALGORITHM = "EdDSA"
MAX_COMPACT_CHARS = 4096
_KEY_BYTES = 32


class CompactError(Exception):
    """A compact JWS that is malformed, or whose signature does not verify."""


@dataclass(frozen=True, slots=True)
class Compact:
    """A well-formed JWS whose signature is not verified yet."""

    header: Mapping[str, Json]
    claims: Mapping[str, Json]
    signed: bytes
    signature: bytes

    def verify(self, public_key: PublicKey) -> Mapping[str, Json]:
        """Verify the signature and return the claims. Raises CompactError."""
        if self.header.get("alg") != ALGORITHM:
            raise CompactError(f"alg: expected {ALGORITHM}")
        try:
            verify_signature(public_key, self.signed, SignatureHex(self.signature.hex()))
        except ProtocolError as error:
            raise CompactError("the signature does not verify") from error
        return self.claims


def parse_compact(text: str) -> Compact:
    """Parse one compact JWS.

    Raises:
        CompactError: too long, not three base64url parts, not JSON objects, or a critical extension.
    """
    if len(text) > MAX_COMPACT_CHARS or not text.isascii():
        raise CompactError(f"expected at most {MAX_COMPACT_CHARS} ASCII characters")
    parts = text.split(".")
    if len(parts) != 3:
        raise CompactError("expected three parts")
    try:
        header, claims = (_parse_object(part) for part in parts[:2])
        signature = parse_base64url(parts[2])
    except MalformedError as error:
        raise CompactError(str(error)) from error
    if header.keys() & {"crit", "b64"}:
        raise CompactError("critical extensions are not supported")
    return Compact(header, claims, signed=text.rpartition(".")[0].encode(), signature=signature)


def sign_compact(header: Mapping[str, Json], claims: Mapping[str, Json], private_key: bytes) -> str:
    """Sign claims with a raw 32-byte Ed25519 private key (RFC 8032 seed)."""
    if len(private_key) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 private key has {_KEY_BYTES} bytes")
    parts = (encode_json({**header, "alg": ALGORITHM}), encode_json(claims))
    signed = ".".join(encode_base64url(part) for part in parts)
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(signed.encode())
    return f"{signed}.{encode_base64url(signature)}"


def _parse_object(part: str) -> Mapping[str, Json]:
    document = parse_lenient_json(parse_base64url(part), max_bytes=MAX_COMPACT_CHARS)
    if not isinstance(document, Mapping):
        raise CompactError("expected a JSON object")
    return document
