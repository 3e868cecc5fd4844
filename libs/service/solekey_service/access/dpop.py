"""DPoP proofs (RFC 9449): the sender holds the device key. Spec: tokens.md §3.

*Wire format.* One ``DPoP`` header field with a compact JWS. Header: ``{"alg": "EdDSA", "typ": "dpop+jwt",
"jwk": {"crv": "Ed25519", "kty": "OKP", "x"}}``. Claims: ``jti`` (16 to 128 characters), ``htm``, ``htu``,
``iat``, ``ath`` when an access token comes with it, and ``nonce`` where the service requires one. The checks
stand in the order of RFC 9449 §4.3.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from solekey_protocol.encoding import Json, encode_base64url, encode_json, parse_base64url
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import PublicKey
from solekey_service.access.compact import (
    ALGORITHM,
    Compact,
    CompactError,
    parse_compact,
)
from solekey_service.access.nonce import Nonces
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid

PROOF_TYPE = "dpop+jwt"
MAX_AGE_S = 60
"""How far a proof's ``iat`` may lie from the service's clock, either way."""
_PROOF_ID_CHARS = range(16, 129)
_DEFAULT_PORTS = {"https": 443, "http": 80}


def verify_dpop_proof(
    values: Sequence[str],
    *,
    method: str,
    url: str,
    now: datetime,
    token: str | None = None,
    nonces: Nonces | None = None,
) -> DpopProof:
    """Verify the proof that came with a request. Whether its ``jti`` was used before is the guard's business.

    Args:
        values: the request's DPoP header fields.
        method: the request's method.
        url: the request's URL as clients see it, without query and fragment.
        now: the service's clock.
        token: the access token that came with it, if one did.
        nonces: where its nonce must come from, if it needs one.

    Raises:
        DpopInvalid: names the check that failed.
        UseDpopNonce: it lacks the server's nonce, or has an old one.
    """
    if len(values) != 1:  # check 1
        raise DpopInvalid(f"DPoP: expected one header field, got {len(values)}")
    try:
        compact = parse_compact(values[0])  # check 2: a single well-formed JWT
        return _verify(compact, method, url, now, token, nonces)
    except CompactError as error:
        raise DpopInvalid(f"DPoP: {error}") from error


def derive_thumbprint(device_key: PublicKey) -> str:
    """Derive the RFC 7638 thumbprint of an Ed25519 key, base64url: the members are in RFC 7638's order."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(bytes.fromhex(device_key))}
    return encode_base64url(hashlib.sha256(encode_json(jwk)).digest())


def derive_token_hash(token: str) -> str:
    """Derive the ``ath`` of an access token (RFC 9449 §4.2)."""
    return encode_base64url(hashlib.sha256(token.encode()).digest())


def _verify(
    compact: Compact, method: str, url: str, now: datetime, token: str | None, nonces: Nonces | None
) -> DpopProof:
    names = ("jti", "htm", "htu", *(("ath",) if token is not None else ()))
    claims = {name: _text(compact.claims, name) for name in names}  # check 3: required claims
    issued_at_s = compact.claims.get("iat")
    if not isinstance(issued_at_s, int) or isinstance(issued_at_s, bool):
        raise CompactError("iat: expected whole seconds since 1970")
    if len(claims["jti"]) not in _PROOF_ID_CHARS:
        raise CompactError(f"jti: expected {_PROOF_ID_CHARS[0]} to {_PROOF_ID_CHARS[-1]} characters")
    if compact.header.get("typ") != PROOF_TYPE:  # check 4
        raise CompactError(f"typ: expected {PROOF_TYPE}")
    if compact.header.get("alg") != ALGORITHM:  # check 5
        raise CompactError(f"alg: expected {ALGORITHM}")
    device_key = _parse_jwk(compact.header.get("jwk"))  # check 7 lies inside: no private half
    compact.verify(device_key)  # check 6
    if claims["htm"] != method:  # check 8
        raise CompactError("htm: made for another method")
    if _normalise(claims["htu"]) != _normalise(url):  # check 9
        raise CompactError("htu: made for another URL")
    if nonces is not None:  # check 10
        nonces.verify(compact.claims.get("nonce"), now)
    if abs(now.timestamp() - issued_at_s) > MAX_AGE_S:  # check 11
        raise CompactError(f"iat: further than {MAX_AGE_S} s from the service's clock")
    if token is not None and not hmac.compare_digest(claims["ath"], derive_token_hash(token)):  # check 12a
        raise CompactError("ath: made for another access token")
    # Check 12b, the token's cnf.jkt, needs the verified token: Guard.
    return DpopProof(
        device_key=device_key,
        thumbprint=derive_thumbprint(device_key),
        proof_id=claims["jti"],
        issued_at=datetime.fromtimestamp(issued_at_s, UTC),
        token_hash=claims.get("ath"),
    )


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise CompactError(f"{name}: expected an ASCII string")
    return value


def _parse_jwk(jwk: Json) -> PublicKey:
    if not isinstance(jwk, Mapping) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise CompactError("jwk: expected an Ed25519 public key")
    if "d" in jwk:
        raise CompactError("jwk: holds a private key")
    try:
        raw = parse_base64url(_text(jwk, "x"))
        if len(raw) != 32:
            raise CompactError("jwk.x: expected 32 bytes")
        return PublicKey(raw.hex())
    except MalformedError as error:
        raise CompactError(f"jwk.x: {error}") from error


def _normalise(url: str) -> tuple[str, str, int, str]:
    """Take a URL apart for comparison (RFC 3986 §6.2.3): case of the host, default port, empty path."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise CompactError("htu: not a URL") from error
    if "@" in parts.netloc:
        raise CompactError("htu: names a user")
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path or "/"
