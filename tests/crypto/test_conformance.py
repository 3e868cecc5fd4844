"""Public vectors through our functions: RFC 5869, 9106 and 8032, NIST GCM, Wycheproof when it is there."""

import json
import re
from pathlib import Path

import cryptography_vectors
import pytest

from solekey.crypto import SoftwareDeviceKey, UntrustedKdfParameters
from solekey.crypto import stream as stream_module
from solekey.crypto.hkdf import _compute_hkdf
from solekey.crypto.login_key import _stretch
from solekey.crypto.stream import ItemCipher
from solekey.errors import OpenError

NIST = Path(cryptography_vectors.__file__).parent
WYCHEPROOF = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"


def load_fields(path, start):
    """Read `name = value` blocks, each begun by the field `start`."""
    blocks = []
    for line in (NIST / path).read_text().splitlines():
        if match := re.fullmatch(r"(\w+)\s*= ?(.*)", line.strip()):
            if match[1].lower() == start:
                blocks.append({})
            if blocks:
                blocks[-1][match[1].lower()] = match[2].strip()
    return blocks


def load_wycheproof(name):
    """Load the tests of one file; none where the folder is absent (a user's machine)."""
    path = WYCHEPROOF / name
    if not path.exists():
        return []
    groups = json.loads(path.read_text())["testGroups"]
    return [group | test for group in groups for test in group["tests"]]


def open_gcm(monkeypatch, *, key, nonce, associated_data, sealed):
    monkeypatch.setattr(stream_module, "_encode_nonce", lambda _index, **_final: nonce)
    return ItemCipher(associated_data, 4096, key, b"").open_chunk(0, sealed, final=True)


def test_hkdf_rfc_5869():
    vectors = load_fields("KDF/rfc-5869-HKDF-SHA256.txt", "count")
    assert len(vectors) == 3
    for vector in vectors:
        secret, salt, info, expected = (
            bytes.fromhex(vector[name]) for name in ("ikm", "salt", "info", "okm")
        )
        assert _compute_hkdf(secret, salt, info, int(vector["l"])) == expected


def test_argon2id_rfc_9106():
    vectors = [
        vector
        for vector in load_fields("KDF/argon2id.txt", "count")
        if "secret" not in vector and vector["length"] == "32" and int(vector["memcost"]) < 65536
    ]
    assert len(vectors) >= 2
    for vector in vectors:
        parameters = UntrustedKdfParameters(
            int(vector["memcost"]), int(vector["iter"]), int(vector["lanes"]), bytes.fromhex(vector["salt"])
        )
        assert _stretch(bytes.fromhex(vector["pass"]), parameters).hex() == vector["output"]


def test_ed25519_rfc_8032():
    lines = (NIST / "asymmetric/Ed25519/sign.input").read_text().split()
    assert len(lines) == 1024
    for line in lines[::8]:
        private, public, message, signed = line.split(":")[:4]
        key = SoftwareDeviceKey.from_private_bytes(bytes.fromhex(private)[:32])
        assert key.public_key == public
        assert key.sign(bytes.fromhex(message)) + message == signed


def test_gcm_nist(monkeypatch):
    vectors = [
        vector
        for vector in load_fields("ciphers/AES/GCM/gcmEncryptExtIV256.rsp", "count")
        if len(vector["iv"]) == 24 and len(vector["tag"]) == 32
    ]
    assert len(vectors) > 200
    for vector in vectors:
        sealed = bytes.fromhex(vector["ct"] + vector["tag"])
        key, nonce, associated_data = (bytes.fromhex(vector[name]) for name in ("key", "iv", "aad"))
        opened = open_gcm(monkeypatch, key=key, nonce=nonce, associated_data=associated_data, sealed=sealed)
        assert opened.hex() == vector["pt"]
        assert ItemCipher(associated_data, 4096, key, b"").seal_chunk(0, opened, final=True) == sealed


def test_gcm_wycheproof(monkeypatch):
    for vector in load_wycheproof("aes_gcm_test.json"):
        if (vector["keySize"], vector["ivSize"], vector["tagSize"]) != (256, 96, 128):
            continue
        arguments = {
            "key": bytes.fromhex(vector["key"]),
            "nonce": bytes.fromhex(vector["iv"]),
            "associated_data": bytes.fromhex(vector["aad"]),
            "sealed": bytes.fromhex(vector["ct"] + vector["tag"]),
        }
        if vector["result"] == "valid":
            assert open_gcm(monkeypatch, **arguments).hex() == vector["msg"]
        else:
            with pytest.raises(OpenError):
                open_gcm(monkeypatch, **arguments)


def test_hkdf_wycheproof():
    for vector in load_wycheproof("hkdf_sha256_test.json"):
        secret, salt, info = (bytes.fromhex(vector[name]) for name in ("ikm", "salt", "info"))
        if vector["result"] == "valid":
            assert _compute_hkdf(secret, salt, info, vector["size"]).hex() == vector["okm"]
        else:
            with pytest.raises(ValueError):
                _compute_hkdf(secret, salt, info, vector["size"])
