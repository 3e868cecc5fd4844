"""Authenticator apps: time-based one-time passwords (RFC 6238), SHA-1, 6 digits, 30 s.

Pure. Spec: factors.md §2.1. The secret is derived from the operator's key: nothing here decrypts.
"""

import base64
import hmac
import re
from datetime import datetime
from typing import NewType

import pyotp

from solekey_auth.credentials.credential import Credential
from solekey_auth.limits import TOTP_DIGITS, TOTP_SECRET_BYTES, TOTP_STEP_S, TOTP_WINDOW_STEPS
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_eventlog.clock import CLOCK_SKEW
from solekey_protocol.ids import Digest, compute_digest
from solekey_service.refusals import BadRequest

TotpSecret = NewType("TotpSecret", str)
"""RFC 4648 base32, as authenticator apps read it."""

_CODE = re.compile(rf"[0-9]{{{TOTP_DIGITS}}}")


def derive_secret(operator_key: OperatorKey, credential: Credential) -> TotpSecret:
    """Derive the secret that an account shares with its authenticator app: 20 bytes."""
    secret = operator_key.derive(Purpose.TOTP_SECRET, credential.account.raw, credential.totp_salt)
    return TotpSecret(base64.b32encode(secret[:TOTP_SECRET_BYTES]).decode())


def derive_totp_id(credential: Credential) -> Digest:
    """Derive the factor's id in events: SHA-256 of its salt, which tells nothing of the secret."""
    return compute_digest(credential.totp_salt)


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
