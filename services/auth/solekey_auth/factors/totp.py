"""Authenticator apps: time-based one-time passwords (RFC 6238), SHA-1, 6 digits, 30 s.

Pure. Spec: factors.md §2.1, authentication.md §7.1. The secret is derived from the operator's key.
"""

import base64
import hmac
import re
from dataclasses import replace
from datetime import datetime
from typing import NewType

import pyotp

from solekey_auth.credentials.credential import Credential, MovedTotp
from solekey_auth.limits import TOTP_DIGITS, TOTP_SECRET_BYTES, TOTP_STEP_S, TOTP_WINDOW_STEPS
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose, mask
from solekey_eventlog.clock import CLOCK_SKEW
from solekey_protocol.ids import Digest, compute_digest
from solekey_service.refusals import BadRequest

TotpSecret = NewType("TotpSecret", str)
"""RFC 4648 base32, as authenticator apps read it."""

_CODE = re.compile(rf"[0-9]{{{TOTP_DIGITS}}}")


def derive_secret(keys: OperatorKeys, credential: Credential) -> TotpSecret:
    """Derive the secret that an account shares with its authenticator app: 20 bytes.

    Raises:
        UnavailableError: it derives from a newer operator key than this process has.
    """
    return TotpSecret(base64.b32encode(_derive_raw(keys, credential)).decode())


def derive_totp_id(credential: Credential) -> Digest:
    """Derive the factor's id in events: SHA-256 of its first salt, which tells nothing of the secret."""
    return credential.moved_totp.factor_id if credential.moved_totp else compute_digest(credential.totp_salt)


def move_totp(keys: OperatorKeys, credential: Credential, salt: bytes) -> Credential:
    """Move an authenticator to the operator key in force: its secret and its id stay.

    *Wire format* of what is kept: the secret ⊕ the first 20 bytes that derive from the key, the account and
    the salt.

    Args:
        keys: the operator's.
        credential: as it is.
        salt: 16 new random bytes. Those of before are kept nowhere: whoever has the former key has nothing.
    """
    mask_of_now = _derive_mask(keys.present, credential, salt)
    moved = MovedTotp(derive_totp_id(credential), mask(_derive_raw(keys, credential), mask_of_now))
    return replace(credential, totp_salt=salt, key_number=keys.number, moved_totp=moved)


def _derive_raw(keys: OperatorKeys, credential: Credential) -> bytes:
    key = keys.find(credential.key_number)
    if credential.moved_totp is not None:
        return mask(credential.moved_totp.mask, _derive_mask(key, credential, credential.totp_salt))
    return key.derive(Purpose.TOTP_SECRET, credential.account.raw, credential.totp_salt)[:TOTP_SECRET_BYTES]


def _derive_mask(key: OperatorKey, credential: Credential, salt: bytes) -> bytes:
    return key.derive(Purpose.MOVED_TOTP, credential.account.raw, salt)[:TOTP_SECRET_BYTES]


def encode_uri(secret: TotpSecret, credential: Credential, issuer: str) -> str:
    """Encode the ``otpauth://`` address that an authenticator app scans."""
    return _generator(secret).provisioning_uri(name=credential.username, issuer_name=issuer)


def parse_code(text: str) -> str:
    """Parse the six digits. Raises BadRequest, which does not repeat the input."""
    if not _CODE.fullmatch(text):
        raise BadRequest(f"code: expected {TOTP_DIGITS} digits")
    return text


def find_step(secret: TotpSecret, code: str, now: datetime) -> int | None:
    """Find the newest step of the window whose code this is. Always computes the whole window."""
    current = int(now.timestamp()) // TOTP_STEP_S
    generator, found = _generator(secret), None
    for step in range(current - TOTP_WINDOW_STEPS, current + TOTP_WINDOW_STEPS + 1):
        if hmac.compare_digest(generator.generate_otp(step), code):
            found = step
    return found


def derive_last_credible_step(now: datetime) -> int:
    """Derive the newest step that can have been used by now; later ones were while the clock was ahead."""
    return int((now + CLOCK_SKEW).timestamp()) // TOTP_STEP_S + TOTP_WINDOW_STEPS


def _generator(secret: TotpSecret) -> pyotp.TOTP:
    return pyotp.TOTP(secret, digits=TOTP_DIGITS, interval=TOTP_STEP_S)
