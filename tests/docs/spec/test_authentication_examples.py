"""The examples of authentication.md, factors.md and tokens.md are what the code computes, from both ends."""

import hashlib
import hmac
import re
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_auth import refusals
from solekey_auth.accounts.account_changes import Closing, NewLoginKey, verify_closing, verify_new_login_key
from solekey_auth.accounts.registrations import encode_registration
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, derive_decoy_kdf, parse_username
from solekey_auth.credentials.kdf import parse_kdf
from solekey_auth.factors.recovery_codes import (
    RecoverySet,
    derive_code_digest,
    encode_codes,
    parse_recovery_code,
)
from solekey_auth.factors.totp import derive_secret, derive_totp_id, move_totp
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose
from solekey_auth.sessions.logins import LOGIN_CONTEXT, LoginAttempt
from solekey_auth.sessions.sessions import RefreshToken
from solekey_auth.signing_keys.signing_keys import SigningSecret
from solekey_protocol.encoding import parse_json
from solekey_protocol.events.auth import LoginKeyChange
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex, derive_device_id
from solekey_protocol.statements import verify_signature
from solekey_service.config import ServiceConfig
from solekey_service.refusals import Refusal
from tests.support.people.person import compute_code
from tests.support.repository import ROOT

SPEC = ROOT / "spec"
PAGES = [(SPEC / f"{name}.md").read_text() for name in ("authentication", "factors", "tokens", "rate-limits")]
PAGE = "\n".join(PAGES)
OPERATOR_KEY = OperatorKey(bytes(range(32)))


@pytest.fixture(scope="module")
def written():
    blocks = re.findall(r"```example\n(.*?)```", PAGE, re.DOTALL)
    return dict(line.split(": ", 1) for block in blocks for line in block.splitlines())


@pytest.fixture(scope="module")
def credential(written):
    members = parse_json(written["registration"].encode(), max_bytes=4096)
    return Credential(
        AccountId(members["account"]),
        parse_username(members["username"]),
        PublicKey(members["login_key"]),
        parse_kdf(members["kdf"]),
        bytes(range(0x30, 0x40)),
        datetime.now(UTC),
    )


def test_the_signed_messages(written, credential):
    members = parse_json(written["registration"].encode(), max_bytes=4096)
    proof = SignatureHex(written["registration proof"])
    assert verify_signature(credential.login_key, encode_registration({**members, "proof": proof}), proof)
    said = parse_json(written["login"].encode(), max_bytes=4096)
    attempt = LoginAttempt(
        said["username"],
        said["challenge"],
        SignatureHex(written["login signature"]),
        derive_device_id(credential.login_key),
        said["thumbprint"],
        said["origin"],
    )
    assert attempt.signed_bytes() == LOGIN_CONTEXT + rfc8785.dumps(said)
    assert verify_signature(credential.login_key, attempt.signed_bytes(), attempt.signature)


def test_another_login_key_and_the_end(written, credential):
    said = parse_json(written["another login key"].encode(), max_bytes=4096)
    new = Ed25519PrivateKey.from_private_bytes(bytes(range(0xE0, 0x100)))
    assert said["login_key"] == new.public_key().public_bytes_raw().hex()
    asked = NewLoginKey(
        Digest(said["challenge"]),
        parse_kdf(said["kdf"]),
        PublicKey(said["login_key"]),
        LoginKeyChange(said["reason"]),
        SignatureHex(written["its signature"]),
        SignatureHex(written["its proof"]),
        said["origin"],
    )
    assert asked.signed_bytes() == b"solekey/login-key/v1\x00" + rfc8785.dumps(said)
    assert verify_new_login_key(asked, credential, challenge_is_live=True) is asked
    assert asked.kdf.salt == bytes(range(0xD0, 0xE0))
    said = parse_json(written["closing"].encode(), max_bytes=4096)
    signature = SignatureHex(written["closing signature"])
    end = Closing(credential.account, Digest(said["challenge"]), signature, said["origin"])
    assert end.signed_bytes() == b"solekey/close/v1\x00" + rfc8785.dumps(said)
    assert verify_closing(end, credential, challenge_is_live=True) is end
    for refused in (
        lambda: verify_new_login_key(asked, credential, challenge_is_live=False),
        lambda: verify_closing(end, credential, challenge_is_live=False),
        lambda: verify_closing(replace(end, signature=asked.signature), credential, challenge_is_live=True),
    ):
        with pytest.raises(refusals.LoginRefused):
            refused()


def test_what_the_operator_key_derives(written, credential):
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    secret = derive_secret(OperatorKeys(OPERATOR_KEY), credential)
    token = RefreshToken(bytes(range(0x40, 0x60)))
    decoy = derive_decoy_kdf(OPERATOR_KEY, parse_username("nobody@example.org"))
    assert written["username folded"] == credential.username
    assert written["totp secret"] == secret
    assert written["code at 2026-11-23T12:00:00.000Z"] == compute_code(secret, noon)
    assert written["decoy salt of nobody@example.org"] == decoy.salt.hex()
    assert written["refresh token"] == token.reveal()
    assert written["stored digest"] == token.digest
    assert written["successor"] == token.derive_successor(OPERATOR_KEY).reveal()


def test_a_recovery_code_and_another_authenticator(written, credential):
    (code, *_), salt = encode_codes(bytes(range(0xB0, 0xB7)) * 10), bytes(range(0x90, 0xA0))
    parts = (credential.account.raw, salt, code.replace("-", "").encode())
    message = b"solekey/v1/auth/recovery-code\x00" + b"".join(struct.pack(">I", len(p)) + p for p in parts)
    by_hand = hmac.new(bytes(range(32)), message, hashlib.sha256).hexdigest()
    assert written["recovery code"] == code
    assert written["its set"] == RecoverySet(salt, ()).factor_id == hashlib.sha256(salt).hexdigest()
    said = parse_recovery_code(code)
    assert written["its digest"] == by_hand
    assert derive_code_digest(OPERATOR_KEY, credential.account, salt, said) == by_hand
    new = replace(credential, totp_salt=bytes(range(0xA0, 0xB0)))
    assert written["new totp secret"] == derive_secret(OperatorKeys(OPERATOR_KEY), new)
    assert written["new totp factor"] == derive_totp_id(new)


def test_what_another_operator_key_derives(written, credential):
    keys, salt = OperatorKeys(OPERATOR_KEY, OperatorKey(bytes(range(0x20, 0x40)))), bytes(range(0x70, 0x80))
    assert written["check of key 0"] == OPERATOR_KEY.derive_check(0)
    assert written["check of key 1"] == keys.present.derive_check(1)
    masked = keys.present.mask(OPERATOR_KEY, 0, salt)
    assert written["key 0 masked"] == masked.hex()
    assert keys.present.unmask(masked, 0, salt).is_same(OPERATOR_KEY)
    moved = move_totp(keys, credential, bytes(range(0xC0, 0xD0)))
    assert written["totp secret masked"] == moved.moved_totp.mask.hex()
    assert derive_secret(keys, moved) == written["totp secret"]
    assert derive_totp_id(moved) == derive_totp_id(credential)
    assert written["recovery code digest moved"] == keys.move_digest(written["its digest"], 0)


@pytest.mark.parametrize("generation", [0, 1])
def test_the_signing_keys(written, generation):
    secret = bytes(range(0x60, 0x80))
    message = b"solekey/v1/signing-key\x00" + generation.to_bytes(4, "big")
    seed = hmac.new(secret, message, hashlib.sha256).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key_id = hashlib.sha256(b"solekey/v1/signing-key-id\x00" + public).hexdigest()[:32]
    key = SigningSecret(secret).derive_key(generation)
    assert (key.public_key, key.key_id) == (public.hex(), key_id)
    assert written[f"signing key {generation}"] == public.hex()
    assert written[f"signing key {generation} id"] == key_id


def test_every_purpose_setting_and_refusal_stands_in_the_spec():
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) >= {
        purpose.value for purpose in Purpose
    }
    own = set(AuthConfig.__dataclass_fields__) - {"totp_issuer"}
    named = {name.lower() for name in re.findall(r"SOLEKEY_([A-Z_]+)", PAGE)}
    assert named <= set(AuthConfig.__dataclass_fields__)
    assert own - set(ServiceConfig.__dataclass_fields__) <= named  # each of them
    made = [kind for kind in vars(refusals).values() if isinstance(kind, type) and issubclass(kind, Refusal)]
    assert {kind.code for kind in made if kind.__module__ == refusals.__name__} <= set(
        re.findall(r"`([a-z_]+)`", PAGE)
    )
