"""Named limits of accounts, logins and sessions, each with its unit. Spec: rate-limits.md §1, §2."""

from dataclasses import dataclass
from datetime import timedelta

from solekey_protocol.events.auth import Factor

MAX_BODY_BYTES = 4096
"""The largest request body that this service reads."""

MAX_TEXT_CHARS = 256
"""The longest text in a request body, before it is parsed."""

MIN_USERNAME_CHARS = 3
MAX_USERNAME_CHARS = 64

MIN_SALT_BYTES = 16
MAX_SALT_BYTES = 64

CHALLENGE_BYTES = 32
SECRET_BYTES = 32
"""Refresh tokens, the operator key and the signing key's seed."""

MAX_PASSKEYS = 10
"""Passkeys of one account."""
MAX_PASSKEY_NAME_CHARS = 64
MAX_CREDENTIAL_ID_BYTES = 1023
"""WebAuthn Level 2 §4."""
MAX_CLIENT_DATA_BYTES = 2048
MAX_AUTHENTICATOR_DATA_BYTES = 2048
"""The longest credential id, a public key, and some extensions."""
MAX_ATTESTATION_VALUES = 64
"""CBOR values of an attestation object, keys counted too; one with a chain of certificates has about 15."""
MAX_PASSKEY_BODY_BYTES = 16 * 1024
"""The largest request body that adds a passkey: some authenticators send a certificate with it."""

TOTP_STEP_S = 30
TOTP_DIGITS = 6
TOTP_WINDOW_STEPS = 1
"""Steps before and after the current one whose code is accepted."""

TOTP_SECRET_BYTES = 20
TOTP_SALT_BYTES = 16
KEY_SALT_BYTES = 16
"""Of a former operator key, as it is kept."""

RECOVERY_CODES = 10
"""Codes of one set."""
RECOVERY_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """What decisions are made with: how long things live, and what must stay."""

    session_idle: timedelta = timedelta(minutes=30)
    session_idle_trusted: timedelta = timedelta(hours=12)
    session_absolute: timedelta = timedelta(hours=12)
    access_token: timedelta = timedelta(minutes=5)
    refresh_retry: timedelta = timedelta(seconds=10)
    challenge: timedelta = timedelta(seconds=120)
    unproven_registration: timedelta = timedelta(hours=1)
    pending_totp: timedelta = timedelta(minutes=15)
    known_device: timedelta = timedelta(days=90)
    signing_key: timedelta = timedelta(days=30)
    signing_key_lead: timedelta = timedelta(minutes=10)
    signing_key_overlap: timedelta = timedelta(days=1)
    clock_skew: timedelta = timedelta(seconds=60)
    required_factors: frozenset[Factor] = frozenset({Factor.TOTP, Factor.PASSKEY})
    """An account that has a factor of these kinds keeps one of them."""
