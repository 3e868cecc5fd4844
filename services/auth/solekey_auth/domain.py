"""Which events follow: decisions over an account's folded streams and private rows.

Pure. Spec: tokens.md §6. Each ``decide_*`` returns the bodies of the events to append, none when it has all
happened already. Time is an argument; nothing here reads a clock, a row or a random number.

::

    (nothing) --AccountRegistered--> unproven --MfaEnrolled--> proven
    a session: SessionOpened --SessionRefreshed*--> SessionEnded, for good
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.limits import MAX_PASSKEYS, AuthLimits
from solekey_auth.refusals import (
    AccountTaken,
    FactorRequired,
    KdfTooWeak,
    LoginRefused,
    TooManyPasskeys,
    UsernameTaken,
)
from solekey_protocol.events import auth as events
from solekey_protocol.events.body import Body
from solekey_protocol.ids import (
    SYSTEM_ACCOUNT,
    AccountId,
    DeviceId,
    Digest,
    PublicKey,
    SessionId,
    Timestamp,
)
from solekey_protocol.streams import AuthStream, DevicesStream, DeviceStatus
from solekey_service.refusals import BadRequest, NotFound, RevokedDevice, SessionOver

_LASTING: Final = frozenset({events.Factor.TOTP, events.Factor.PASSKEY})
"""Whatever the policy is, an account keeps one of these: recovery codes stand in for them and are used up."""


@dataclass(frozen=True, slots=True)
class FactorUse:
    """A second factor that was proven.

    Attributes:
        factor, factor_id: as in the event of its enrolment.
        codes_left: of its set, if a recovery code was used up.
    """

    factor: events.Factor
    factor_id: Digest
    codes_left: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """What is kept of a refresh token. The newest of a family is the one without ``used_at``."""

    digest: Digest
    account: AccountId
    session: SessionId
    thumbprint: str
    generation: int
    issued_at: datetime
    idle_until: datetime
    expires_at: datetime
    used_at: datetime | None = None
    successor_used: bool = False


# Accounts


def decide_registration(
    auth: AuthStream,
    new: Credential,
    own: Credential | None,
    holder: Credential | None,
    limits: AuthLimits,
    *,
    name_is_closed: bool,
) -> list[Body]:
    """Decide a registration at the time that it bears; none when it is a repetition.

    Args:
        auth: the account's stream.
        new: what is to be registered.
        own: what the account is registered with already.
        holder: who has the name.
        limits: how long an unproven registration keeps its name.
        name_is_closed: whether an account of this name was closed.

    Raises:
        UsernameTaken, AccountTaken: see refusals.
    """
    now, unproven_for = new.registered_at, limits.unproven_registration
    if new.account == SYSTEM_ACCOUNT:
        raise AccountTaken("this account id is the platform's own")
    held = holder is not None and holder.account != new.account and not holder.is_expired(now, unproven_for)
    if name_is_closed or held:
        raise UsernameTaken("choose another username")
    if own is not None and not own.is_expired(now, unproven_for):
        same = (own.username, own.login_key, own.kdf) == (new.username, new.login_key, new.kdf)
        if own.proven or not same:
            raise AccountTaken("log in, or register with a new account id")
        return []
    if auth.factors or auth.closed:
        raise AccountTaken("register with a new account id")
    return [events.AccountRegistered(auth.credential_version + 1)]


def decide_login_key(
    auth: AuthStream,
    present: Credential,
    login_key: PublicKey,
    kdf: KdfParameters,
    reason: events.LoginKeyChange,
    by: SessionId,
) -> list[Body]:
    """Decide a change of the login key, which its present one agreed to, in the session ``by``.

    A change of the password ends all sessions but that one.

    Raises:
        SessionOver, KdfTooWeak, BadRequest: see refusals.
    """
    if by not in auth.sessions:
        raise SessionOver("log in again")
    if kdf.work.is_weaker_than(present.kdf.work):
        raise KdfTooWeak("kdf: no number may be less than it is now")
    if login_key == present.login_key:
        raise BadRequest("body.login_key: expected another one than the present")
    changed = events.LoginKeyChanged(auth.credential_version + 1, reason)
    if reason is events.LoginKeyChange.KDF_UPGRADED:
        if kdf.work == present.kdf.work:
            raise KdfTooWeak("kdf: an upgrade does more work than now")
        return [changed]
    return [changed, *_end_all(auth, events.SessionEnd.PASSWORD_CHANGED, spared=by)]


def decide_closing(auth: AuthStream, by: SessionId) -> list[Body]:
    """Decide the account's end, in the session ``by``. Raises SessionOver."""
    if by not in auth.sessions:
        raise SessionOver("log in again")
    closed = events.AccountClosed(auth.credential_version)
    return [*_end_all(auth, events.SessionEnd.ACCOUNT_CLOSED), closed]


def decide_failures(auth: AuthStream, stages: Sequence[events.LoginStage]) -> list[Body]:
    """Decide that failed logins are put into the account's event log."""
    return [] if auth.closed else [events.LoginFailed(stage) for stage in stages]


# Sessions


def decide_opening(
    auth: AuthStream,
    devices: DevicesStream,
    session: SessionId,
    device: DeviceId,
    use: FactorUse,
    expires_at: datetime,
) -> list[Body]:
    """Decide that a session is opened for a device whose login was verified.

    Raises:
        RevokedDevice, LoginRefused: see refusals.
    """
    if auth.closed:
        raise LoginRefused(events.LoginStage.LOGIN_KEY)
    if _is_revoked(devices, device):
        raise RevokedDevice("this device was revoked by its account; log in from another device")
    opened = events.SessionOpened(session, device, use.factor, Timestamp.from_datetime(expires_at))
    if use.factor_id in auth.factors:
        return [*decide_code_use(use), opened]
    # The first login enrols an authenticator; afterwards, a factor that is not there was removed.
    if auth.factors or use.factor is not events.Factor.TOTP:
        raise LoginRefused(events.LoginStage.SECOND_FACTOR)
    return [events.MfaEnrolled(use.factor, use.factor_id), opened]


def derive_idle_limit(
    now: datetime, expires_at: datetime, limits: AuthLimits, *, is_trusted: bool = False
) -> datetime:
    """Derive until when a refresh token issued now may be used, in a session that ends at ``expires_at``.

    A trusted device may rest longer: its session is bound to a key that the account's owner has certified.
    """
    idle = limits.session_idle_trusted if is_trusted else limits.session_idle
    return min(now + idle, expires_at)


def decide_refresh(
    auth: AuthStream,
    devices: DevicesStream,
    token: IssuedToken,
    thumbprint: str,
    now: datetime,
    limits: AuthLimits,
) -> list[Body]:
    """Decide what using a refresh token with the device key of this thumbprint leads to.

    No event: a repetition whose answer was lost. A SessionEnded: the caller must refuse.

    Raises:
        SessionOver: the session has ended.
    """
    session = auth.sessions.get(token.session)
    if session is None:
        raise SessionOver("log in again")
    reused = [
        events.RefreshReuseDetected(token.session, token.generation),
        events.SessionEnded(token.session, events.SessionEnd.REFRESH_REUSED),
    ]
    if token.thumbprint != thumbprint:
        return reused
    if _is_revoked(devices, session.device):
        return [events.SessionEnded(token.session, events.SessionEnd.DEVICE_REVOKED)]
    if token.expires_at <= now or (token.used_at is None and token.idle_until <= now):
        return [events.SessionEnded(token.session, events.SessionEnd.EXPIRED)]
    if token.used_at is None:
        return [events.SessionRefreshed(token.session, token.generation + 1)]
    # Either direction: a clock that was set back must not stretch the time in which a repetition is accepted.
    in_time = abs(now - token.used_at) <= limits.refresh_retry
    return [] if in_time and not token.successor_used else reused


def decide_end(auth: AuthStream, session: SessionId, by: SessionId) -> list[Body]:
    """Decide that a user ends a session, in the session ``by``. Raises NotFound."""
    if session not in auth.sessions:
        raise NotFound("the account has no such open session")
    reason = events.SessionEnd.LOGOUT if session == by else events.SessionEnd.ENDED_BY_USER
    return [events.SessionEnded(session, reason)]


def decide_end_of_device(auth: AuthStream, device: DeviceId) -> list[Body]:
    """Decide the end of every session of a device that was revoked."""
    of_device = [each.session for each in auth.sessions.values() if each.device == device]
    return [events.SessionEnded(session, events.SessionEnd.DEVICE_REVOKED) for session in of_device]


def decide_expiry(auth: AuthStream, session: SessionId) -> list[Body]:
    """Decide the end of a session that was not refreshed in time, if it is still open."""
    return [events.SessionEnded(session, events.SessionEnd.EXPIRED)] if session in auth.sessions else []


def decide_end_by_operator(auth: AuthStream) -> list[Body]:
    """Decide that the operator ends every session of an account."""
    return [*_end_all(auth, events.SessionEnd.ENDED_BY_OPERATOR)]


# Second factors


def decide_passkey(auth: AuthStream, factor_id: Digest) -> list[Body]:
    """Decide that a passkey is added, which was verified and which no account has.

    Raises:
        NotFound, TooManyPasskeys: see refusals.
    """
    if auth.closed:
        raise NotFound("the account was closed")
    if list(auth.factors.values()).count(events.Factor.PASSKEY) >= MAX_PASSKEYS:
        raise TooManyPasskeys(f"an account has at most {MAX_PASSKEYS}; remove one first")
    return [events.MfaEnrolled(events.Factor.PASSKEY, factor_id)]


def decide_replacement(auth: AuthStream, factor: events.Factor, factor_id: Digest) -> list[Body]:
    """Decide that a factor takes the place of the account's other ones of its kind. Raises NotFound."""
    if auth.closed:
        raise NotFound("the account was closed")
    before = [events.MfaRemoved(kind, other) for other, kind in auth.factors.items() if kind is factor]
    return [*before, events.MfaEnrolled(factor, factor_id)]


def decide_removal(auth: AuthStream, factor_id: Digest, limits: AuthLimits) -> list[Body]:
    """Decide that a second factor is removed.

    Raises:
        NotFound, FactorRequired: see refusals.
    """
    factor = auth.factors.get(factor_id)
    if factor is None:
        raise NotFound("the account has no such factor")
    left = {kind for other, kind in auth.factors.items() if other != factor_id}
    for required in (_LASTING, limits.required_factors):
        if factor in required and not left & required:
            names = " or ".join(sorted(kind.value for kind in required))
            raise FactorRequired(f"the account must keep one of this kind: {names}; add another one first")
    return [events.MfaRemoved(factor, factor_id)]


def decide_step_up(auth: AuthStream, session: SessionId, use: FactorUse) -> list[Body]:
    """Decide that the user of a session has proven a second factor again. Raises SessionOver."""
    if session not in auth.sessions:
        raise SessionOver("log in again")
    return [*decide_code_use(use), events.SessionSteppedUp(session, use.factor)]


def decide_code_use(use: FactorUse) -> list[Body]:
    """Decide that a recovery code is used up, if the factor was one."""
    return [] if use.codes_left is None else [events.RecoveryCodeUsed(use.factor_id, use.codes_left)]


def _end_all(
    auth: AuthStream, reason: events.SessionEnd, spared: SessionId | None = None
) -> list[events.SessionEnded]:
    return [events.SessionEnded(session, reason) for session in auth.sessions if session != spared]


def _is_revoked(devices: DevicesStream, device: DeviceId) -> bool:
    known = devices.devices.get(device)
    return known is not None and known.status is DeviceStatus.REVOKED
