"""Events of the ``auth`` stream: facts about accounts, factors and sessions. Spec: events.md §4.1."""

from dataclasses import dataclass
from enum import StrEnum

from solekey_protocol.events.body import Body, event
from solekey_protocol.events.fields import Count, Seq
from solekey_protocol.ids import DeviceId, Digest, KeyId, PublicKey, SessionId, Timestamp
from solekey_protocol.services import Stream


class Factor(StrEnum):
    """A second factor."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODES = "recovery_codes"


class LoginStage(StrEnum):
    """How far a failed login came. Whoever tried it never learns that."""

    LOGIN_KEY = "login_key"
    SECOND_FACTOR = "second_factor"


class SessionEnd(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    ENDED_BY_USER = "ended_by_user"
    DEVICE_REVOKED = "device_revoked"
    REFRESH_REUSED = "refresh_reused"
    EXPIRED = "expired"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a reason, not a password
    ACCOUNT_CLOSED = "account_closed"
    ENDED_BY_OPERATOR = "ended_by_operator"


class LoginKeyChange(StrEnum):
    """Why a login key was replaced."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a reason, not a password
    KDF_UPGRADED = "kdf_upgraded"


@event(Stream.AUTH, "account_registered.v1")
@dataclass(frozen=True, slots=True)
class AccountRegistered(Body):
    """An account exists; its login credential has this version."""

    credential_version: Seq


@event(Stream.AUTH, "mfa_enrolled.v1")
@dataclass(frozen=True, slots=True)
class MfaEnrolled(Body):
    """A second factor was proven and may be used from now on; ``factor_id`` tells it from others."""

    factor: Factor
    factor_id: Digest


@event(Stream.AUTH, "mfa_removed.v1")
@dataclass(frozen=True, slots=True)
class MfaRemoved(Body):
    """A second factor was removed, or another one of its kind took its place."""

    factor: Factor
    factor_id: Digest


@event(Stream.AUTH, "recovery_code_used.v1")
@dataclass(frozen=True, slots=True)
class RecoveryCodeUsed(Body):
    """A one-time recovery code took the place of another second factor; so many are left."""

    factor_id: Digest
    left: Count


@event(Stream.AUTH, "login_key_changed.v1")
@dataclass(frozen=True, slots=True)
class LoginKeyChanged(Body):
    """The user logs in with another login key from now on: another password, or other parameters."""

    credential_version: Seq
    reason: LoginKeyChange


@event(Stream.AUTH, "login_failed.v1")
@dataclass(frozen=True, slots=True)
class LoginFailed(Body):
    """Somebody failed to log in to this account."""

    stage: LoginStage


@event(Stream.AUTH, "session_opened.v1")
@dataclass(frozen=True, slots=True)
class SessionOpened(Body):
    """A device logged in with the login key and a second factor."""

    session: SessionId
    device: DeviceId
    factor: Factor
    expires_at: Timestamp


@event(Stream.AUTH, "session_stepped_up.v1")
@dataclass(frozen=True, slots=True)
class SessionSteppedUp(Body):
    """The user has proven a second factor again, in a session that is open."""

    session: SessionId
    factor: Factor


@event(Stream.AUTH, "session_refreshed.v1")
@dataclass(frozen=True, slots=True)
class SessionRefreshed(Body):
    """A one-time refresh token was used; its successor has this generation."""

    session: SessionId
    generation: Seq


@event(Stream.AUTH, "session_ended.v1")
@dataclass(frozen=True, slots=True)
class SessionEnded(Body):
    """A session is over; every service refuses its tokens."""

    session: SessionId
    reason: SessionEnd


@event(Stream.AUTH, "refresh_reuse_detected.v1")
@dataclass(frozen=True, slots=True)
class RefreshReuseDetected(Body):
    """A used refresh token came back: two parties hold the family."""

    session: SessionId
    generation: Seq


@event(Stream.AUTH, "signing_key_published.v1")
@dataclass(frozen=True, slots=True)
class SigningKeyPublished(Body):
    """Access tokens may be signed by this key in this time. Subject: the system account."""

    key_id: KeyId
    public_key: PublicKey
    not_before: Timestamp
    not_after: Timestamp


@event(Stream.AUTH, "signing_key_withdrawn.v1")
@dataclass(frozen=True, slots=True)
class SigningKeyWithdrawn(Body):
    """No token that this key has signed is accepted any more. Subject: the system account."""

    key_id: KeyId


@event(Stream.AUTH, "account_closed.v1")
@dataclass(frozen=True, slots=True)
class AccountClosed(Body):
    """The user closed the account, which had this credential."""

    credential_version: Seq
