"""Compact JWS with EdDSA over Ed25519, and nothing else: RFC 7515, RFC 8037. Spec: tokens.md §1, §3.

*Wire format.* ``base64url(header) . base64url(claims) . base64url(64-byte signature)``; header and claims are
JSON. The key is never taken from where the sender points to: ``jku``, ``x5u``, ``x5c`` are ignored, ``crit``
and ``b64`` refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from solekey_protocol.encoding import (
    Json,
    encode_base64url,
    encode_json,
    parse_base64url,
    parse_lenient_json,
)
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import PublicKey

ALGORITHM = "EdDSA"
MAX_COMPACT_CHARS = 4096
_KEY_BYTES = 32


class CompactError(Exception):
    """A compact JWS that is malformed, or whose signature does not verify."""


@dataclass(frozen=True, slots=True)
class Compact:
    """A well-formed JWS whose signature nobody has verified yet."""

    text: str
    header: Mapping[str, Json]
    claims: Mapping[str, Json]

    def verify(self, public_key: PublicKey) -> Mapping[str, Json]:
        """Verify the signature and return the claims. Raises CompactError."""
        if self.header.get("alg") != ALGORITHM:
            raise CompactError(f"alg: expected {ALGORITHM}")
        key = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(bytes.fromhex(public_key))}
        )
        try:
            # The payload was parsed from the same text; the registry's own limits do not matter below ours.
            jws.deserialize_compact(self.text, key, registry=_REGISTRY)
        except (JoseError, ValueError) as error:
            raise CompactError("the signature does not verify") from error
        return self.claims


class _OneAlgorithm(jws.JWSRegistry):
    """Knows EdDSA alone, and without joserfc's warning that RFC 9864 prefers to call it Ed25519."""

    def get_alg(self, name: str) -> Any:  # joserfc does not export the type
        """Give EdDSA. Raises UnsupportedAlgorithmError for any other name."""
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"expected {ALGORITHM}")
        return self.algorithms[name]


_REGISTRY = _OneAlgorithm(strict_check_header=False)


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
    header, claims = (_parse_part(part) for part in parts[:2])
    if header.keys() & {"crit", "b64"}:
        raise CompactError("critical extensions are not supported")
    return Compact(text, header, claims)


def sign_compact(header: Mapping[str, Json], claims: Mapping[str, Json], private_key: bytes) -> str:
    """Sign claims with a raw 32-byte Ed25519 private key (RFC 8032 seed)."""
    if len(private_key) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 private key has {_KEY_BYTES} bytes")
    key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(private_key))
    return jws.serialize_compact({**header, "alg": ALGORITHM}, encode_json(claims), key, registry=_REGISTRY)


def _parse_part(part: str) -> Mapping[str, Json]:
    try:
        document = parse_lenient_json(parse_base64url(part), max_bytes=MAX_COMPACT_CHARS)
    except MalformedError as error:
        raise CompactError(str(error)) from error
    if not isinstance(document, Mapping):
        raise CompactError("expected a JSON object")
    return document
