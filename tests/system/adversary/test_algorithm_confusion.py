"""Tokens and proofs that are well signed, but by another algorithm or by a key of the sender's choice.

Each forgery is sound: a verifier that believes the header accepts it (`verify_as_told`, the positive
control). Ours knows one algorithm, and takes the key from its own records: for a token from the auth
stream, for a proof from a `jwk` that must be Ed25519. RFC 8725 §2.1, §3.1.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from solekey_protocol.events import Stream
from solekey_protocol.services import Service
from solekey_service.access.compact import parse_compact
from solekey_service.access.dpop import verify_dpop_proof
from solekey_service.access.tokens import verify_access_token
from solekey_service.refusals import DpopInvalid, TokenInvalid
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw
from tests.support.tickets import (
    ORIGIN,
    SIGNER,
    SIGNER_ID,
    encode,
    make_proof,
    make_token,
    publish_signer,
    token_claims,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADA = Actor("ada", "laptop")
URL = f"{ORIGIN}/v1/vault/statements"
PUBLIC = bytes.fromhex(SIGNER.public)
EVERYTHING = jws.JWSRegistry(algorithms=["RS256", "PS256", "ES256"], strict_check_header=False)
EVERYTHING.max_header_length = 4096  # a header with an RSA key in it
SIGNER_KEY = Ed25519PublicKey.from_public_bytes(PUBLIC)
SPELLINGS: dict[str, bytes] = {
    "raw": PUBLIC,
    "hex": SIGNER.public.encode(),
    "PEM": SIGNER_KEY.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ),
    "DER": SIGNER_KEY.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    ),
}
"""The published key, in the forms in which a verifier might hand it to an HMAC."""


def forge(algorithm: str, key: Any, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    if isinstance(key, bytes):
        signed = ".".join(encode(part) for part in ({**header, "alg": algorithm}, claims))
        return f"{signed}.{encode(compute_mac(algorithm, key, signed))}"
    payload = json.dumps(claims).encode()
    return jws.serialize_compact({**header, "alg": algorithm}, payload, key, registry=EVERYTHING)


def verify_as_told(text: str, key: Any) -> None:
    """Verify as a library does that believes ``alg``. Raises when the forgery is not even sound."""
    if not isinstance(key, bytes):
        jws.deserialize_compact(text, key, registry=EVERYTHING)
        return
    signed, _, mac = text.rpartition(".")
    algorithm = parse_compact(text).header["alg"]
    assert hmac.compare_digest(mac, encode(compute_mac(str(algorithm), key, signed)))


def compute_mac(algorithm: str, key: bytes, signed: str) -> bytes:
    return hmac.new(key, signed.encode(), f"sha{algorithm.removeprefix('HS')}").digest()


def verify_token(token: str) -> None:
    verify_access_token(
        token, signing_keys={SIGNER_ID: publish_signer(NOW)}, issuer=ORIGIN, audience=Service.VAULT, now=NOW
    )


def verify_proof(proof: str) -> None:
    verify_dpop_proof((proof,), method="POST", url=URL, now=NOW)


TOKEN_HEADER = {"typ": "at+jwt", "kid": SIGNER_ID}
TOKEN_CLAIMS = token_claims(ADA, Stream.VAULT, NOW)
PROOF_CLAIMS = {"jti": "proof-0001-of-a-forger", "htm": "POST", "htu": URL, "iat": int(NOW.timestamp())}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_public_key_is_no_mac_key(algorithm: str, spelling: str) -> None:
    """Everybody has it: the auth stream publishes it."""
    key = SPELLINGS[spelling]
    token = forge(algorithm, key, TOKEN_HEADER, TOKEN_CLAIMS)
    verify_as_told(token, key)
    with pytest.raises(TokenInvalid, match="alg"):
        verify_token(token)


@pytest.mark.parametrize(
    ("algorithm", "make_key"),
    [
        ("RS256", lambda: RSAKey.generate_key(2048)),
        ("PS256", lambda: RSAKey.generate_key(2048)),
        ("ES256", lambda: ECKey.generate_key("P-256")),
    ],
)
@pytest.mark.parametrize("place", ["jwk", "jku", "x5u", "kid"])
def test_a_key_of_the_sender_s_choice_is_not_used(
    algorithm: str, make_key: Callable[[], RSAKey | ECKey], place: str
) -> None:
    key = make_key()
    public = key.as_dict(private=False)
    header = {
        "jwk": {**TOKEN_HEADER, "jwk": public},
        "jku": {**TOKEN_HEADER, "jku": "https://evil.test/keys.json"},
        "x5u": {**TOKEN_HEADER, "x5u": "https://evil.test/chain.pem"},
        "kid": TOKEN_HEADER,
    }[place]
    token = forge(algorithm, key, header, TOKEN_CLAIMS)
    verify_as_told(token, key)
    with pytest.raises(TokenInvalid, match="alg"):
        verify_token(token)


def test_no_signature_is_no_signature() -> None:
    for algorithm in ("none", "None", "NONE", "nOnE"):
        header = {**TOKEN_HEADER, "alg": algorithm}
        parts = [encode(json.dumps(part).encode()) for part in (header, TOKEN_CLAIMS)]
        for signature in ("", encode(bytes(64))):
            with pytest.raises(TokenInvalid):
                verify_token(".".join([*parts, signature]))


def test_the_true_signature_under_another_name_is_refused() -> None:
    """EdDSA's own signature, called otherwise: what is signed includes the header."""
    verify_token(make_token(ADA, Service.VAULT, NOW))
    for algorithm in ("none", "HS256", "RS256", "ES256", "Ed25519", "eddsa", ""):
        with pytest.raises(TokenInvalid, match="alg"):
            verify_token(make_token(ADA, Service.VAULT, NOW, header={"alg": algorithm}))


@pytest.mark.parametrize(
    ("algorithm", "make_key"),
    [("ES256", lambda: ECKey.generate_key("P-256")), ("RS256", lambda: RSAKey.generate_key(2048))],
)
def test_a_proof_by_another_kind_of_key_is_refused(
    algorithm: str, make_key: Callable[[], RSAKey | ECKey]
) -> None:
    """RFC 9449 would allow it; a device key is Ed25519 and nothing else."""
    key = make_key()
    proof = forge(algorithm, key, {"typ": "dpop+jwt", "jwk": key.as_dict(private=False)}, PROOF_CLAIMS)
    verify_as_told(proof, key)
    with pytest.raises(DpopInvalid, match=r"alg|jwk"):
        verify_proof(proof)


def test_a_proof_by_a_secret_that_it_brings_along_is_refused() -> None:
    """A symmetric jwk: whoever reads the proof could make the next one."""
    key = derive_raw("a shared secret", 32)
    jwk = {"kty": "oct", "k": encode(key)}
    proof = forge("HS256", key, {"typ": "dpop+jwt", "jwk": jwk}, PROOF_CLAIMS)
    verify_as_told(proof, key)
    with pytest.raises(DpopInvalid):
        verify_proof(proof)


def test_the_device_s_public_key_is_no_mac_key_either() -> None:
    device = Key("device")
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes.fromhex(device.public))}
    key = bytes.fromhex(device.public)
    proof = forge("HS256", key, {"typ": "dpop+jwt", "jwk": jwk}, PROOF_CLAIMS)
    verify_as_told(proof, key)
    with pytest.raises(DpopInvalid, match="alg"):
        verify_proof(proof)


def test_a_proof_is_not_a_token_and_a_token_is_not_a_proof() -> None:
    """Signed by the right keys, each in the other's place."""
    with pytest.raises(TokenInvalid, match="typ"):
        verify_token(make_proof(ADA.key, "POST", URL, NOW))
    with pytest.raises(DpopInvalid):
        verify_proof(make_token(ADA, Service.VAULT, NOW))
    verify_proof(make_proof(ADA.key, "POST", URL, NOW))
