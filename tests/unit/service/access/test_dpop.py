"""RFC 9449 §4.3: each check of a DPoP proof, with the proof that fails exactly it.

The number in a test's name is the check's in the RFC. The second half of check 12, that the token is bound to
the proof's key, is the guard's (test_12_… in test_guard.py), and so is the single use of ``jti`` (§11.1).
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from solekey_protocol.ids import derive_device_id
from solekey_service.access.dpop import derive_thumbprint, verify_dpop_proof
from solekey_service.access.nonce import Nonces
from solekey_service.http import DpopProof
from solekey_service.refusals import DpopInvalid, UseDpopNonce
from tests.support.keys import Key
from tests.support.tickets import ORIGIN, encode, jwk_of, make_proof, sign, thumbprint_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY, MALLORY = Key("device"), Key("mallory")
URL = f"{ORIGIN}/v1/vault/statements"
TOKEN = "an.access.token"


def verify(*proofs: str, method: str = "POST", url: str = URL, token: str | None = TOKEN) -> DpopProof:
    return verify_dpop_proof(proofs, method=method, url=url, now=NOW, token=token)


def prove(**changes: Any) -> str:
    return make_proof(KEY, "POST", URL, NOW, **{"token": TOKEN, **changes})


def refuse(*proofs: str, because: str) -> None:
    with pytest.raises(DpopInvalid, match=because) as caught:
        verify(*proofs)
    assert caught.value.code == "dpop_invalid"


def test_a_good_proof_tells_the_key() -> None:
    proof = verify(prove())
    assert proof.device_key == KEY.public
    assert proof.device == derive_device_id(KEY.public)
    assert proof.thumbprint == thumbprint_of(KEY) == derive_thumbprint(KEY.public)
    assert proof.proof_id == "proof-0001-of-tests"
    assert proof.issued_at == NOW


def test_a_proof_without_a_token_needs_no_token_hash() -> None:
    proof = make_proof(KEY, "POST", URL, NOW)
    assert verify(proof, token=None).token_hash is None


def test_the_thumbprint_is_the_one_of_rfc_8037() -> None:
    """RFC 8037 appendix A.3."""
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").hex()
    assert derive_thumbprint(KEY.public.__class__(key)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_1_there_is_exactly_one_header_field() -> None:
    refuse(because="expected one header field, got 0")
    refuse(prove(), prove(), because="got 2")
    refuse(f"{prove()}, {prove()}", because="three parts|ASCII characters")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.e.e",
        "x" * 5000,
        f"{encode(b'[]')}.{encode(b'{}')}.{encode(b'x' * 64)}",
        f"{encode(b'{')}.{encode(b'{}')}.{encode(b'x' * 64)}",
        f"{encode(b'{}')}=.{encode(b'{}')}.{encode(b'x' * 64)}",
    ],
)
def test_2_it_is_a_well_formed_jwt(text: str) -> None:
    refuse(text, because="DPoP: ")


@pytest.mark.parametrize("spelling", [b'{"jti":"a","jti":"b"}', b'{"iat":1.0}'])
def test_2_it_is_strict_json(spelling: bytes) -> None:
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk_of(KEY)}
    refuse(sign(KEY, header, spelling), because="not JSON")


@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat", "ath"])
def test_3_every_claim_is_there(claim: str) -> None:
    refuse(prove(**{claim: None}), because=claim)
    refuse(prove(**{claim: [1]}), because=claim)


@pytest.mark.parametrize("proof_id", ["", "short", "x" * 129])
def test_3_the_id_has_a_length(proof_id: str) -> None:
    refuse(prove(proof_id=proof_id), because="jti")


@pytest.mark.parametrize("kind", [None, "JWT", "at+jwt", "DPOP+JWT", 1])
def test_4_it_is_typed(kind: object) -> None:
    refuse(prove(header={"typ": kind}), because="typ")


@pytest.mark.parametrize("algorithm", [None, "none", "HS256", "ES256", "RS256", "eddsa", "Ed25519", 1])
def test_5_the_algorithm_is_on_the_list(algorithm: object) -> None:
    refuse(prove(header={"alg": algorithm}), because="alg")


def test_6_the_signature_is_the_keys() -> None:
    refuse(prove(signer=MALLORY), because="signature")
    good = prove()
    header, claims, signature = good.split(".")
    other = encode(b'{"jti":"another-proof-id"}')
    refuse(f"{header}.{claims}.{signature[:-4]}AAAA", because="signature")
    refuse(f"{header}.{claims}.", because="signature")
    refuse(f"{header}.{other}.{signature}", because="htm|signature")
    assert verify(good)


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        {},
        "x",
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed448", "x": encode(b"x" * 57)},
        {"kty": "OKP", "crv": "X25519", "x": encode(b"x" * 32)},
        {"kty": "EC", "crv": "P-256", "x": encode(b"x" * 32), "y": encode(b"x" * 32)},
        {"kty": "OKP", "crv": "Ed25519", "x": encode(b"x" * 31)},
        {"kty": "OKP", "crv": "Ed25519", "x": encode(b"x" * 32) + "="},
    ],
)
def test_6_the_key_is_an_ed25519_key(jwk: object) -> None:
    refuse(prove(header={"jwk": jwk}), because="jwk|base64url")


def test_7_the_key_is_not_a_private_key() -> None:
    refuse(prove(header={"jwk": {**jwk_of(KEY), "d": encode(b"x" * 32)}}), because="private")


@pytest.mark.parametrize("method", ["GET", "post", ""])
def test_8_it_is_for_this_method(method: str) -> None:
    refuse(prove(htm=method), because="htm")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/v1/vault/statements",
        "http://solekey.test/v1/vault/statements",
        "https://solekey.test:8443/v1/vault/statements",
        "https://solekey.test/v1/vault/statements/",
        "https://solekey.test/v1/rotation/statements",
        "/v1/vault/statements",
        "https://solekey.test:x/",
        URL.replace("https://", "https://ana@"),
        URL.replace("https://", "https://:password@"),
        "",
    ],
)
def test_9_it_is_for_this_url(url: str) -> None:
    refuse(prove(htu=url), because="htu")


@pytest.mark.parametrize(
    "url", [f"{URL}?after=1", f"{URL}#x", "HTTPS://SOLEKEY.test:443/v1/vault/statements"]
)
def test_9_query_fragment_and_case_of_the_host_do_not_count(url: str) -> None:
    assert verify(prove(htu=url))


def test_10_it_carries_the_servers_nonce_where_one_is_asked_for() -> None:
    nonces = Nonces(b"n" * 32)

    def verify_with(claim: object) -> DpopProof:
        proof = make_proof(KEY, "POST", URL, NOW, nonce=claim)
        return verify_dpop_proof([proof], method="POST", url=URL, now=NOW, nonces=nonces)

    assert verify_with(nonces.derive(NOW))
    for claim in (None, "", "invented", 1, ["x"], "é", Nonces(b"m" * 32).derive(NOW)):
        with pytest.raises(UseDpopNonce) as caught:
            verify_with(claim)
        assert verify_with(caught.value.headers["DPoP-Nonce"])


def test_10_a_nonce_that_nobody_asked_for_is_ignored() -> None:
    assert verify(prove(nonce="somebody else's"))


@pytest.mark.parametrize("check", ["signature", "htm", "htu"])
def test_10_the_nonce_does_not_excuse_the_other_checks(check: str) -> None:
    nonces = Nonces(b"n" * 32)
    wrong: dict[str, Any] = {"signature": {"signer": MALLORY}, "htm": {"htm": "PUT"}, "htu": {"htu": ORIGIN}}
    proof = make_proof(KEY, "POST", URL, NOW, nonce=nonces.derive(NOW), **wrong[check])
    with pytest.raises(DpopInvalid, match=check):
        verify_dpop_proof([proof], method="POST", url=URL, now=NOW, nonces=nonces)


@pytest.mark.parametrize("seconds", [-61, 61, 3600, -(10**9)])
def test_11_it_was_made_just_now(seconds: int) -> None:
    refuse(prove(iat=int((NOW + timedelta(seconds=seconds)).timestamp())), because="iat")


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_11_clocks_may_differ_a_little(seconds: int) -> None:
    assert verify(prove(iat=int((NOW + timedelta(seconds=seconds)).timestamp())))


def test_12_it_is_for_this_token() -> None:
    refuse(prove(token="another.access.token"), because="ath")
    refuse(prove(ath=encode(hashlib.sha512(TOKEN.encode()).digest())), because="ath")


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.test/keys"},
        {"x5u": "https://evil.test/chain"},
        {"x5c": [encode(b"certificate")]},
        {"kid": "mallory"},
    ],
)
def test_a_key_that_is_pointed_to_is_ignored(header: dict[str, object]) -> None:
    """The proof is judged by its own jwk; what these point to is never looked at."""
    assert verify(prove(header=header)).device_key == KEY.public
    refuse(prove(header=header, signer=MALLORY), because="signature")


@pytest.mark.parametrize("header", [{"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}])
def test_critical_extensions_are_refused(header: dict[str, object]) -> None:
    refuse(prove(header=header), because="critical")
