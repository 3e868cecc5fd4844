"""Access tokens and DPoP proofs, signed by hand: independent of the code that verifies them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from solekey_protocol.events.auth import SigningKeyPublished
from solekey_protocol.ids import KeyId, Timestamp
from solekey_protocol.services import Service
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw

ORIGIN = "https://solekey.test"
SIGNER = Key("token signing key")
SIGNER_ID = KeyId(derive_raw("signing key id").hex())


def encode(data: bytes | Mapping[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(key: Key, header: Mapping[str, Any], claims: Mapping[str, Any] | bytes) -> str:
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(bytes.fromhex(key.sign(signed.encode())))}"


def jwk_of(key: Key) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes.fromhex(key.public))}


def thumbprint_of(key: Key) -> str:
    text = f'{{"crv":"Ed25519","kty":"OKP","x":"{jwk_of(key)["x"]}"}}'
    return encode(hashlib.sha256(text.encode()).digest())


def publish_signer(now: datetime) -> SigningKeyPublished:
    """The event that makes SIGNER's tokens good for a day."""
    return SigningKeyPublished(
        SIGNER_ID,
        SIGNER.public,
        Timestamp.from_datetime(now - timedelta(hours=1)),
        Timestamp.from_datetime(now + timedelta(days=1)),
    )


def token_claims(actor: Actor, audience: Service, now: datetime, **changes: Any) -> dict[str, Any]:
    seconds = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": ORIGIN,
        "aud": audience.value,
        "sub": actor.account,
        "device": actor.device,
        "sid": actor.session,
        "auth_seq": 1,
        "iat": seconds,
        "exp": seconds + 300,
        "jti": "token-0001",
        "cnf": {"jkt": thumbprint_of(actor.key)},
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def make_token(
    actor: Actor,
    audience: Service,
    now: datetime,
    *,
    signer: Key = SIGNER,
    header: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A good token, unless told otherwise; ``None`` takes a claim out."""
    full = {"typ": "at+jwt", "alg": "EdDSA", "kid": SIGNER_ID, **(header or {})}
    return sign(signer, full, token_claims(actor, audience, now, **changes))


def make_proof(
    key: Key,
    method: str,
    url: str,
    now: datetime,
    *,
    token: str | None = None,
    proof_id: str = "proof-0001-of-tests",
    header: Mapping[str, Any] | None = None,
    signer: Key | None = None,
    **changes: Any,
) -> str:
    """A good proof, unless told otherwise; ``None`` takes a claim or header member out."""
    full = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk_of(key), **(header or {})}
    claims: dict[str, Any] = {"jti": proof_id, "htm": method, "htu": url, "iat": int(now.timestamp())}
    if token is not None:
        claims["ath"] = encode(hashlib.sha256(token.encode()).digest())
    claims |= changes
    return sign(
        signer or key,
        {name: value for name, value in full.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
    )
