"""Ed25519 keys that fit every message, or have two spellings, are refused wherever keys are parsed."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fido2.cose import EdDSA

from solekey_auth.factors.cose_keys import verify_public_key
from solekey_auth.refusals import PasskeyRefused
from solekey_protocol.encoding import encode_base64url, encode_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import PublicKey
from solekey_service.access.dpop import verify_dpop_proof
from solekey_service.refusals import DpopInvalid
from tests.support.keys import Key
from tests.support.tickets import ORIGIN

P = 2**255 - 19
# The eight points of small order, by their y; the sign bit of those with x = 0 makes one more spelling each.
Y8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
SMALL = (0, 1, P - 1, Y8, P - Y8)
WEAK = [(y | sign << 255).to_bytes(32, "little") for y in (*SMALL, *range(P, 2**255)) for sign in (0, 1)]
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_it_is_no_public_key(key):
    with pytest.raises(MalformedError, match=r"small order|canonical"):
        PublicKey(key.hex())


def test_positive_control_such_a_key_takes_a_signature_that_nobody_made():
    """The neutral point: R = 1, S = 0 fits every message in the library underneath."""
    neutral = (1).to_bytes(32, "little")
    for message in (b"yes", b"no"):
        Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), message)


def test_positive_control_real_keys_are_taken():
    for number in range(200):
        assert PublicKey(Key(f"a real key {number}").public)


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_it_proves_nothing(key):
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(key)}
    header = {"alg": "EdDSA", "typ": "dpop+jwt", "jwk": jwk}
    claims = {"jti": "proof-000000000000", "htm": "POST", "htu": f"{ORIGIN}/", "iat": int(NOW.timestamp())}
    signature = (1).to_bytes(32, "little") + bytes(32)
    parts = (encode_json(header), encode_json(claims), signature)
    proof = ".".join(encode_base64url(part) for part in parts)
    with pytest.raises(DpopInvalid, match=r"jwk.x: PublicKey"):
        verify_dpop_proof([proof], method="POST", url=f"{ORIGIN}/", now=NOW)


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_it_is_no_passkey(key):
    with pytest.raises(PasskeyRefused):
        verify_public_key(EdDSA({1: 1, 3: -8, -1: 6, -2: key}))
