"""Public vectors through our functions: RFC 5869, 9106, 8032 and BIP-39, NIST GCM, Wycheproof where it is.

Our public functions fix what the format fixes: nonces count chunks, `derive_bytes` puts a label before every
context. So the vectors run through the innermost function of ours that takes what they vary: `_compute_hkdf`,
`_stretch`, `ItemCipher` with its nonce encoding replaced. A wrap fixes its nonce, the size of its plaintext
and 94 bytes of its associated data: no public vector fits it.

===============================  ==========  =============================================================
file                             run         why not the others
===============================  ==========  =============================================================
rfc-5869-HKDF-SHA256             3 of 3
hkdf-generated                   1 of 1
argon2id (RFC 9106)              2 of 6      1 has a secret and associated data, 3 other lengths than 32
                                             bytes: ours has neither
Ed25519/sign.input (RFC 8032)    1024 of     each signed and verified
                                 1024
gcmEncryptExtIV256               375 of      nonces other than 96 bits, tags shorter than 128
                                 7875
gcmDecrypt256                    375 of      the same
                                 7875
BIP-39, 256 bits                 8 of 24     12 and 18 words are no phrase of ours (test_user_key.py)
Wycheproof aes_gcm               66 of 316   keys other than 256 bits, nonces other than 96
Wycheproof ed25519               151 of 151
Wycheproof hkdf_sha256           86 of 86
===============================  ==========  =============================================================
"""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from solekey.crypto import SoftwareDeviceKey, UserKey
from solekey.crypto import stream as stream_module
from solekey.crypto.hkdf import _compute_hkdf
from solekey.crypto.login_key import KdfStrength
from solekey.crypto.stream import ItemCipher
from solekey.errors import OpenError
from solekey_protocol import statements as statements_module
from solekey_protocol.errors import MalformedError, SignatureError
from solekey_protocol.ids import PublicKey, SignatureHex
from solekey_protocol.statements import verify_signature
from tests.unit.client.crypto.public_vectors import (
    BIP39_256,
    HAS_WYCHEPROOF,
    NO_WYCHEPROOF,
    load_blocks,
    load_text,
    load_wycheproof,
)

needs_wycheproof = pytest.mark.skipif(not HAS_WYCHEPROOF, reason=NO_WYCHEPROOF)


def unhex(vector, *names):
    return tuple(bytes.fromhex(vector[name]) for name in names)


def make_cipher(monkeypatch, vector):
    """Our cipher for a vector's key, nonce (``iv``) and associated data."""
    key, nonce, associated_data = unhex(vector, "key", "iv", "aad")
    monkeypatch.setattr(stream_module, "_encode_nonce", lambda _index, **_final: nonce)
    return ItemCipher(associated_data, 4096, key, b"")


def check_gcm(monkeypatch, vector, *, plaintext):
    """What is valid opens, and is what we seal; what is not is refused."""
    cipher = make_cipher(monkeypatch, vector)
    sealed = bytes.fromhex(vector["ct"] + vector["tag"])
    if plaintext is None:
        with pytest.raises(OpenError):
            cipher.open_chunk(0, sealed, final=True)
    else:
        assert cipher.open_chunk(0, sealed, final=True).hex() == plaintext
        assert cipher.seal_chunk(0, bytes.fromhex(plaintext), final=True) == sealed


def fits_nist(vector):
    return len(vector["iv"]) == 24 and len(vector["tag"]) == 32


def check_hkdf(vector):
    arguments = (*unhex(vector, "ikm", "salt", "info"), int(vector["l"]))
    assert _compute_hkdf(*arguments).hex() == vector["okm"]


@pytest.mark.parametrize(("name", "count"), [("rfc-5869-HKDF-SHA256", 3), ("hkdf-generated", 1)])
def test_hkdf(name, count):
    vectors = load_blocks(f"KDF/{name}.txt")
    assert len(vectors) == count
    for vector in vectors:
        check_hkdf(vector)


def test_argon2id():
    vectors = [
        vector
        for vector in load_blocks("KDF/argon2id.txt")
        if vector.keys().isdisjoint({"secret", "ad"}) and vector["length"] == "32"
    ]
    assert len(vectors) == 2
    for vector in vectors:
        password, salt = unhex(vector, "pass", "salt")
        costs = (int(vector[name]) for name in ("memcost", "iter", "lanes"))
        assert KdfStrength(*costs).stretch(password, salt).hex() == vector["output"]


def test_ed25519():
    lines = load_text("asymmetric/Ed25519/sign.input").split()
    assert len(lines) == 1024
    for line in lines:
        private, public, message, signed = line.split(":")[:4]
        key = SoftwareDeviceKey.from_private_bytes(bytes.fromhex(private)[:32])
        signature = key.sign(bytes.fromhex(message))
        assert (key.public_key, signature + message) == (public, signed)
        verify_signature(PublicKey(public), bytes.fromhex(message), signature)


def test_gcm_seals_as_nist_does(monkeypatch):
    vectors = list(filter(fits_nist, load_blocks("ciphers/AES/GCM/gcmEncryptExtIV256.rsp")))
    assert len(vectors) == 375
    for vector in vectors:
        check_gcm(monkeypatch, vector, plaintext=vector["pt"])


def test_gcm_opens_and_refuses_as_nist_does(monkeypatch):
    vectors = list(filter(fits_nist, load_blocks("ciphers/AES/GCM/gcmDecrypt256.rsp")))
    assert len(vectors) == 375
    assert 100 < sum("fail" in vector for vector in vectors) < 275
    for vector in vectors:
        check_gcm(monkeypatch, vector, plaintext=None if "fail" in vector else vector["pt"])


@pytest.mark.parametrize(("entropy", "words"), BIP39_256)
def test_bip39(entropy, words):
    assert UserKey(bytes.fromhex(entropy)).to_phrase() == words
    assert UserKey.from_phrase(words) == UserKey(bytes.fromhex(entropy))


@needs_wycheproof
def test_gcm_wycheproof(monkeypatch):
    vectors = [
        vector
        for vector in load_wycheproof("aes_gcm_test.json")
        if (vector["keySize"], vector["ivSize"], vector["tagSize"]) == (256, 96, 128)
    ]
    assert len(vectors) == 66
    for vector in vectors:
        check_gcm(monkeypatch, vector, plaintext=vector["msg"] if vector["result"] == "valid" else None)


def check_ed25519(vector):
    message = bytes.fromhex(vector["msg"])
    public_key = PublicKey(vector["publicKey"]["pk"])
    if vector["result"] == "valid":
        assert verify_signature(public_key, message, SignatureHex(vector["sig"])) == message
    else:
        with pytest.raises((SignatureError, MalformedError)):  # MalformedError: not 64 bytes
            verify_signature(public_key, message, SignatureHex(vector["sig"]))


@needs_wycheproof
def test_ed25519_wycheproof():
    vectors = load_wycheproof("ed25519_test.json")
    assert len(vectors) == 151
    for vector in vectors:
        check_ed25519(vector)


@needs_wycheproof
def test_hkdf_wycheproof():
    vectors = load_wycheproof("hkdf_sha256_test.json")
    assert len(vectors) == 86
    for vector in vectors:
        if vector["result"] == "valid":
            check_hkdf(vector | {"l": vector["size"]})
        else:
            with pytest.raises(ValueError, match="larger than"):
                check_hkdf(vector | {"l": vector["size"]})


class _WithoutTag:
    """AES-256-GCM that checks no tag: what a careless implementation would be."""

    def __init__(self, key):
        self._key = key

    def decrypt(self, nonce, sealed, _associated_data):
        counter = CTR(nonce + (2).to_bytes(4, "big"))
        return Cipher(AES(self._key), counter).decryptor().update(bytes(sealed)[:-16])


def test_the_gcm_vectors_would_see_an_unchecked_tag(monkeypatch):
    vectors = filter(fits_nist, load_blocks("ciphers/AES/GCM/gcmDecrypt256.rsp"))
    forged = [vector for vector in vectors if "fail" in vector]
    monkeypatch.setattr(stream_module, "AESGCM", _WithoutTag)
    for vector in forged:
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            check_gcm(monkeypatch, vector, plaintext=None)


@needs_wycheproof
def test_the_ed25519_vectors_would_see_an_unchecked_signature(monkeypatch):
    class Trusting:
        @staticmethod
        def verify(_signature, _message):
            return None

    monkeypatch.setattr(statements_module, "_load_key", lambda _key: Trusting)  # which keeps keys
    vectors = load_wycheproof("ed25519_test.json")
    forged = [vector for vector in vectors if vector["result"] == "invalid" and len(vector["sig"]) == 128]
    assert len(forged) > 30
    for vector in forged:
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            check_ed25519(vector)


def test_the_hkdf_vectors_would_see_salt_and_secret_swapped():
    vector = load_blocks("KDF/rfc-5869-HKDF-SHA256.txt")[0]
    with pytest.raises(AssertionError):
        check_hkdf(vector | {"ikm": vector["salt"], "salt": vector["ikm"]})
