"""Named limits of accounts, logins and sessions, each with its unit. Spec: rate-limits.md §1, §2."""

from dataclasses import dataclass
from datetime import timedelta

from solekey_protocol.events.auth import Factor

MAX_BODY_BYTES = 4096
"""The largest request body that this service reads."""

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

RECOVERY_CODES = 10
"""Codes of one set."""
RECOVERY_SALT_BYTES = 16

SOURCE_SLOT_BITS = 20
"""Sources are kept apart in so many slots as these bits count: what bounds the rows about them."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often something may be tried, and how long one waits once that is used up.

    Attributes:
        free: attempts without any wait.
        forget: one attempt is forgotten each time this has passed.
        first_wait: the wait after the last free attempt; each further one doubles it.
        longest_wait: it grows no longer than this.
    """

    free: int
    forget: timedelta
    first_wait: timedelta
    longest_wait: timedelta


_MINUTE = timedelta(minutes=1)
LOGIN_DEVICE = Budget(10, 15 * _MINUTE, _MINUTE / 2, 15 * _MINUTE)
"""Failed logins from one device that the account knows."""
LOGIN_STRANGER = Budget(5, 60 * _MINUTE, _MINUTE, 60 * _MINUTE)
"""Failed logins from one source under one name."""
LOGIN_NAME = Budget(20, 15 * _MINUTE, _MINUTE, 15 * _MINUTE)
"""Failed logins under one name, of all sources together."""
LOGIN_SOURCE = Budget(50, _MINUTE, _MINUTE, 15 * _MINUTE)
"""Failed logins from one source, under all names together."""
CHALLENGES = Budget(300, _MINUTE / 60, _MINUTE / 60, _MINUTE / 60)
"""Challenges that one source asks for: afterwards one a second."""
CHALLENGES_DEVICE = Budget(60, _MINUTE / 60, _MINUTE / 60, _MINUTE / 60)
"""Challenges that one device asks for of an account that knows it: afterwards one a second."""
REGISTRATIONS = Budget(60, _MINUTE, _MINUTE, _MINUTE)
"""Registrations from one source: afterwards one a minute."""
STEP_UP = Budget(5, 15 * _MINUTE, _MINUTE / 2, 15 * _MINUTE)
"""Wrong second factors in the sessions of one device."""


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """What decisions are made with: how long things live, how often they may fail, what must stay."""

    session_idle: timedelta = timedelta(minutes=30)
    session_idle_trusted: timedelta = timedelta(hours=12)
    session_absolute: timedelta = timedelta(hours=12)
    access_token: timedelta = timedelta(minutes=5)
    refresh_retry: timedelta = timedelta(seconds=10)
    challenge: timedelta = timedelta(seconds=120)
    unproven_registration: timedelta = timedelta(hours=1)
    pending_totp: timedelta = timedelta(minutes=15)
    login_device: Budget = LOGIN_DEVICE
    login_stranger: Budget = LOGIN_STRANGER
    login_name: Budget = LOGIN_NAME
    login_source: Budget = LOGIN_SOURCE
    challenges: Budget = CHALLENGES
    challenges_device: Budget = CHALLENGES_DEVICE
    registrations: Budget = REGISTRATIONS
    step_up: Budget = STEP_UP
    known_device: timedelta = timedelta(days=90)
    signing_key: timedelta = timedelta(days=30)
    signing_key_lead: timedelta = timedelta(minutes=10)
    signing_key_overlap: timedelta = timedelta(days=1)
    clock_skew: timedelta = timedelta(seconds=60)
    required_factors: frozenset[Factor] = frozenset({Factor.TOTP, Factor.PASSKEY})
    """An account that has a factor of these kinds keeps one of them."""
