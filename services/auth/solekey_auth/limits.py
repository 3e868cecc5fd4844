"""Named limits of accounts, logins and sessions, each with its unit. Spec: authentication.md §9."""

from dataclasses import dataclass
from datetime import timedelta

MAX_BODY_BYTES = 4096
"""The largest request body that this service reads."""

MIN_USERNAME_CHARS = 3
MAX_USERNAME_CHARS = 64

MIN_SALT_BYTES = 16
MAX_SALT_BYTES = 64

CHALLENGE_BYTES = 32
SECRET_BYTES = 32
"""Refresh tokens, the operator key and the signing key's seed."""

TOTP_STEP_S = 30
TOTP_DIGITS = 6
TOTP_WINDOW_STEPS = 1
"""Steps before and after the current one whose code is accepted."""

TOTP_SECRET_BYTES = 20
TOTP_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """How long things live and how often they may fail. The defaults are the released ones."""

    session_idle: timedelta = timedelta(minutes=30)
    session_absolute: timedelta = timedelta(hours=12)
    access_token: timedelta = timedelta(minutes=5)
    refresh_retry: timedelta = timedelta(seconds=10)
    challenge: timedelta = timedelta(seconds=120)
    unproven_registration: timedelta = timedelta(hours=1)
    login_failures: int = 10
    login_failure_window: timedelta = timedelta(minutes=15)
    signing_key: timedelta = timedelta(days=30)
