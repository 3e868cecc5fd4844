"""Which events follow from a command: decisions over an account's folded streams and private rows.

Pure. Spec: tokens.md §6. Time is an argument; nothing here reads a clock, a row or a random number.

::

    (nothing) --AccountRegistered--> unproven --MfaEnrolled--> proven
    a session: SessionOpened --SessionRefreshed*--> SessionEnded, for ever
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solekey_auth import commands
from solekey_auth.credentials.credential import Credential
from solekey_auth.limits import MAX_PASSKEYS, AuthLimits
from solekey_auth.refusals import (
    AccountTaken,
    FactorRequired,
    KdfTooWeak,
    LoginRefused,
    RefreshRefused,
    TooManyPasskeys,
    UsernameTaken,
)
from solekey_protocol.events import auth as events
from solekey_protocol.events.body import Body
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, DeviceId, Digest, SessionId, Timestamp
from solekey_protocol.streams import AuthStream, DevicesStream, DeviceStatus
from solekey_service.refusals import BadRequest, NotFound, RevokedDevice, SessionOver

_LASTING: Final = frozenset({events.Factor.TOTP, events.Factor.PASSKEY})
"""Whatever the policy is, an account keeps one of these: recovery codes stand in for them and are used up."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """All that a decision may look at: folded streams, and the private rows that concern the command."""

    auth: AuthStream
    devices: DevicesStream
    credential: Credential | None = None
    name_holder: Credential | None = None
    name_is_closed: bool = False
    token: IssuedToken | None = None


def decide(  # noqa: C901  # one line a command
    state: AccountState, command: commands.Command, now: datetime, limits: AuthLimits
) -> list[Body]:
    """Decide which events follow from a command; none when it has happened already.

    Raises:
        UsernameTaken, AccountTaken: RegisterAccount.
        RevokedDevice, LoginRefused: OpenSession.
        TooManyPasskeys: AddPasskey.
        NotFound: AddPasskey, ReplaceFactor.
        NotFound, FactorRequired: RemoveFactor.
        SessionOver: StepUp, CloseAccount.
        SessionOver, KdfTooWeak, BadRequest: ChangeLoginKey.
        RefreshRefused, SessionOver: RefreshSession.
        NotFound: EndSession.
    """
    match command:
        case commands.RegisterAccount():
            return _register(state, command, now, limits)
        case commands.ReportFailedLogins(stages):
            return [] if state.auth.closed else [events.LoginFailed(stage) for stage in stages]
        case commands.OpenSession():
            return _open(state, command, now, limits)
        case commands.UseRecoveryCode():
            return _use_code(command)
        case commands.AddPasskey(factor_id):
            return _add_passkey(state, factor_id)
        case commands.ReplaceFactor(factor, factor_id):
            return _replace_factor(state, factor, factor_id)
        case commands.RemoveFactor(factor_id):
            return _remove_factor(state, factor_id, limits)
        case commands.StepUp():
            return _step_up(state, command)
        case commands.ChangeLoginKey():
            return _change_login_key(state, command)
        case commands.CloseAccount(by):
            return _close(state, by)
        case commands.RefreshSession(thumbprint):
            return _refresh(state, thumbprint, now, limits)
        case commands.EndSession(session, by):
            return _end(state, session, by)
        case commands.EndDeviceSessions(device):
            of_device = [each.session for each in state.auth.sessions.values() if each.device == device]
            return [events.SessionEnded(session, events.SessionEnd.DEVICE_REVOKED) for session in of_device]
        case commands.ExpireSessions(sessions):
            open_still = [session for session in sessions if session in state.auth.sessions]
            return [events.SessionEnded(session, events.SessionEnd.EXPIRED) for session in open_still]


def derive_idle_limit(
    now: datetime, expires_at: datetime, limits: AuthLimits, *, is_trusted: bool = False
) -> datetime:
    """Derive until when a refresh token issued now may be used, in a session that ends at ``expires_at``.

    A trusted device may rest longer: its session is bound to a key that the account's owner has certified.
    """
    idle = limits.session_idle_trusted if is_trusted else limits.session_idle
    return min(now + idle, expires_at)


def _register(
    state: AccountState, command: commands.RegisterAccount, now: datetime, limits: AuthLimits
) -> list[Body]:
    if command.account == SYSTEM_ACCOUNT:
        raise AccountTaken("this account id is the platform's own")
    holder, own = state.name_holder, state.credential
    if state.name_is_closed:
        raise UsernameTaken("choose another username")
    if (
        holder is not None
        and holder.account != command.account
        and not holder.is_expired(now, limits.unproven_registration)
    ):
        raise UsernameTaken("choose another username")
    if own is not None and not own.is_expired(now, limits.unproven_registration):
        same = (own.username, own.login_key, own.kdf) == (command.username, command.login_key, command.kdf)
        if own.proven or not same:
            raise AccountTaken("log in, or register with a new account id")
        return []
    if state.auth.factors or state.auth.closed:
        raise AccountTaken("register with a new account id")
    return [events.AccountRegistered(state.auth.credential_version + 1)]


def _open(
    state: AccountState, command: commands.OpenSession, now: datetime, limits: AuthLimits
) -> list[Body]:
    if state.auth.closed:
        raise LoginRefused(events.LoginStage.LOGIN_KEY)
    if _is_revoked(state.devices, command.device):
        raise RevokedDevice("this device was revoked by its account; log in from another device")
    expires_at = Timestamp.from_datetime(now + limits.session_absolute)
    opened = events.SessionOpened(command.session, command.device, command.factor, expires_at)
    if command.factor_id in state.auth.factors:
        return [*_use_code(command), opened]
    # The first login enrols an authenticator; afterwards, a factor that is not there was removed.
    if state.auth.factors or command.factor is not events.Factor.TOTP:
        raise LoginRefused(events.LoginStage.SECOND_FACTOR)
    return [events.MfaEnrolled(command.factor, command.factor_id), opened]


def _add_passkey(state: AccountState, factor_id: Digest) -> list[Body]:
    if state.auth.closed:
        raise NotFound("the account was closed")
    passkeys = [factor for factor in state.auth.factors.values() if factor is events.Factor.PASSKEY]
    if len(passkeys) >= MAX_PASSKEYS:
        raise TooManyPasskeys(f"an account has at most {MAX_PASSKEYS}; remove one first")
    return [events.MfaEnrolled(events.Factor.PASSKEY, factor_id)]


def _replace_factor(state: AccountState, factor: events.Factor, factor_id: Digest) -> list[Body]:
    if state.auth.closed:
        raise NotFound("the account was closed")
    before = [events.MfaRemoved(kind, other) for other, kind in state.auth.factors.items() if kind is factor]
    return [*before, events.MfaEnrolled(factor, factor_id)]


def _remove_factor(state: AccountState, factor_id: Digest, limits: AuthLimits) -> list[Body]:
    factor = state.auth.factors.get(factor_id)
    if factor is None:
        raise NotFound("the account has no such factor")
    left = {kind for other, kind in state.auth.factors.items() if other != factor_id}
    for required in (_LASTING, limits.required_factors):
        if factor in required and not left & required:
            names = " or ".join(sorted(kind.value for kind in required))
            raise FactorRequired(f"the account must keep one of this kind: {names}; add another one first")
    return [events.MfaRemoved(factor, factor_id)]


def _step_up(state: AccountState, command: commands.StepUp) -> list[Body]:
    if command.session not in state.auth.sessions:
        raise SessionOver("log in again")
    return [*_use_code(command), events.SessionSteppedUp(command.session, command.factor)]


def _change_login_key(state: AccountState, command: commands.ChangeLoginKey) -> list[Body]:
    """A change of the password ends all sessions but the one that it is made in."""
    present = state.credential
    if present is None or command.by not in state.auth.sessions:
        raise SessionOver("log in again")
    if command.kdf.work.is_weaker_than(present.kdf.work):
        raise KdfTooWeak("kdf: no number may be less than it is now")
    if command.login_key == present.login_key:
        raise BadRequest("body.login_key: expected another one than the present")
    changed = events.LoginKeyChanged(state.auth.credential_version + 1, command.reason)
    if command.reason is events.LoginKeyChange.KDF_UPGRADED:
        if command.kdf.work == present.kdf.work:
            raise KdfTooWeak("kdf: an upgrade does more work than now")
        return [changed]
    return [changed, *_end_all(state, events.SessionEnd.PASSWORD_CHANGED, spared=command.by)]


def _close(state: AccountState, by: SessionId) -> list[Body]:
    if by not in state.auth.sessions:
        raise SessionOver("log in again")
    closed = events.AccountClosed(state.auth.credential_version)
    return [*_end_all(state, events.SessionEnd.ACCOUNT_CLOSED), closed]


def _end_all(
    state: AccountState, reason: events.SessionEnd, spared: SessionId | None = None
) -> list[events.SessionEnded]:
    return [events.SessionEnded(session, reason) for session in state.auth.sessions if session != spared]


def _use_code(command: commands.OpenSession | commands.StepUp | commands.UseRecoveryCode) -> list[Body]:
    left = command.codes_left
    return [] if left is None else [events.RecoveryCodeUsed(command.factor_id, left)]


def _refresh(state: AccountState, thumbprint: str, now: datetime, limits: AuthLimits) -> list[Body]:
    """No event: a repetition whose answer was lost. A SessionEnded: the caller must refuse."""
    token = state.token
    if token is None:
        raise RefreshRefused("no such refresh token")
    session = state.auth.sessions.get(token.session)
    if session is None:
        raise SessionOver("log in again")
    reused = [
        events.RefreshReuseDetected(token.session, token.generation),
        events.SessionEnded(token.session, events.SessionEnd.REFRESH_REUSED),
    ]
    if token.thumbprint != thumbprint:
        return reused
    if _is_revoked(state.devices, session.device):
        return [events.SessionEnded(token.session, events.SessionEnd.DEVICE_REVOKED)]
    if token.expires_at <= now or (token.used_at is None and token.idle_until <= now):
        return [events.SessionEnded(token.session, events.SessionEnd.EXPIRED)]
    if token.used_at is None:
        return [events.SessionRefreshed(token.session, token.generation + 1)]
    # Either direction: a clock that was set back must not stretch the time in which a repetition is believed.
    in_time = abs(now - token.used_at) <= limits.refresh_retry
    return [] if in_time and not token.successor_used else reused


def _end(state: AccountState, session: SessionId, by: SessionId) -> list[Body]:
    if session not in state.auth.sessions:
        raise NotFound("the account has no such open session")
    reason = events.SessionEnd.LOGOUT if session == by else events.SessionEnd.ENDED_BY_USER
    return [events.SessionEnded(session, reason)]


def _is_revoked(devices: DevicesStream, device: DeviceId) -> bool:
    known = devices.devices.get(device)
    return known is not None and known.status is DeviceStatus.REVOKED
