"""Sessions: opened, refreshed, listed, ended; one transaction each. Spec: tokens.md §4, §6."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import TokenRows
from solekey_auth.domain import AccountState, decide, derive_idle_limit
from solekey_auth.factors.proof import find_codes_left
from solekey_auth.limits import SECRET_BYTES
from solekey_auth.login import VerifiedLogin
from solekey_auth.rate_limits.limiter import DeviceRows
from solekey_auth.refusals import RefreshRefused
from solekey_auth.retry import LostRaceError, run_transaction
from solekey_auth.sessions.refresh_token import IssuedToken, RefreshToken
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_protocol.events.body import Body
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, DeviceId, SessionId
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_protocol.streams.auth import Session
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import SessionOver


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that tokens may be issued for, as it stands at ``auth_seq``."""

    account: AccountId
    device: DeviceId
    session: SessionId
    thumbprint: str
    expires_at: datetime
    auth_seq: int
    refresh_token: RefreshToken = field(repr=False)


class Sessions:
    """Who is logged in."""

    def __init__(self, kernel: Kernel, config: AuthConfig) -> None:
        self._kernel = kernel
        self._limits = config.limits
        self._operator_key = config.open_operator_key()

    def start(self, uow: UnitOfWork, state: AccountState, login: VerifiedLogin) -> LiveSession:
        """Open a session inside the transaction of its login.

        Raises:
            RevokedDevice, LoginRefused: see domain.decide.
        """
        session = SessionId.from_raw(self._kernel.random(RAW_ID_BYTES))
        bodies = decide(
            state,
            asked.OpenSession(
                session,
                login.device,
                login.proven.factor,
                login.proven.factor_id,
                find_codes_left(login.proven),
            ),
            uow.now,
            self._limits,
        )
        events = uow.append(login.account, state.auth.head, *bodies)
        live = LiveSession(
            account=login.account,
            device=login.device,
            session=session,
            thumbprint=login.thumbprint,
            expires_at=uow.now + self._limits.session_absolute,
            auth_seq=events[-1].seq,
            refresh_token=RefreshToken(self._kernel.random(SECRET_BYTES)),
        )
        self._issue(uow, live, generation=1)
        return live

    def note_use(self, uow: UnitOfWork, login: VerifiedLogin) -> None:
        """State that a recovery code is used up, inside the transaction of a login that opens no session."""
        left = find_codes_left(login.proven)
        if left is not None:
            self._append(uow, login.account, asked.UseRecoveryCode(login.proven.factor_id, left))

    def refresh(self, presented: RefreshToken, thumbprint: str) -> LiveSession:
        """Use a refresh token; used again within the retry time, by the same key, it is answered again.

        Raises:
            RefreshRefused, SessionOver: see refusals; a reuse has ended the session.
            TrustStaleError: whether the device was revoked cannot be known now.
            AccountParkedError, NotYetAppliedError: see Streams.
        """
        self._kernel.freshness.require(Stream.DEVICES)
        live = run_transaction(self._kernel.store, partial(self._refresh, presented, thumbprint))
        if live is None:
            raise SessionOver("log in again")
        return live

    def end(self, caller: Caller, session: SessionId) -> Event:
        """End one of the account's sessions; a session that ends itself logs out.

        Raises:
            NotFound: the account has no such open session.
        """
        return run_transaction(
            self._kernel.store, lambda uow: self._end(uow, caller.account, session, caller.session)
        )

    def find_open(self, account: AccountId) -> Sequence[Session]:
        """List the open sessions of an account, the oldest first."""
        with self._kernel.store.read() as uow:
            sessions = self._kernel.streams.fold(uow, account, AuthStream).sessions.values()
            alive = [session for session in sessions if session.expires_at.datetime > uow.now]
        return sorted(alive, key=lambda session: (session.opened_at, session.session))

    def end_of_device(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> None:
        """End the sessions of a device that was revoked, inside the transaction that notes it."""
        self._append(uow, account, asked.EndDeviceSessions(device))
        DeviceRows(uow.connection).forget(account, device)

    def expire(self, uow: UnitOfWork, account: AccountId, session: SessionId) -> None:
        """End a session that was not refreshed in time, if it is open still."""
        self._append(uow, account, asked.ExpireSessions((session,)))
        TokenRows(uow.connection).close_family(session, uow.now)

    def _refresh(self, presented: RefreshToken, thumbprint: str, uow: UnitOfWork) -> LiveSession | None:
        """Return None when the session has ended because of this: that must be durable first."""
        rows = TokenRows(uow.connection)
        token = rows.find(presented.digest)
        if token is None:
            raise RefreshRefused("no such refresh token")
        # What waits for an event must not refresh: it may be this device's revocation.
        self._kernel.streams.require_free(uow, token.account)
        state = read_state(self._kernel, uow, token.account, token)
        bodies = decide(state, asked.RefreshSession(thumbprint), uow.now, self._limits)
        if _ends(bodies):
            uow.append(token.account, state.auth.head, *bodies)
            rows.close_family(token.session, uow.now)
            return None
        successor = presented.derive_successor(self._operator_key)
        live = LiveSession(
            account=token.account,
            device=state.auth.sessions[token.session].device,
            session=token.session,
            thumbprint=token.thumbprint,
            expires_at=token.expires_at,
            auth_seq=state.auth.head.seq + len(bodies),
            refresh_token=successor,
        )
        if bodies:
            if not rows.use(token.digest, uow.now):
                raise LostRaceError
            uow.append(token.account, state.auth.head, *bodies)
            self._issue(uow, live, generation=token.generation + 1)
        return live

    def _issue(self, uow: UnitOfWork, live: LiveSession, generation: int) -> None:
        trusted = live.device in self._kernel.streams.fold(uow, live.account, DevicesStream).trusted
        TokenRows(uow.connection).put(
            IssuedToken(
                digest=live.refresh_token.digest,
                account=live.account,
                session=live.session,
                thumbprint=live.thumbprint,
                generation=generation,
                issued_at=uow.now,
                idle_until=derive_idle_limit(uow.now, live.expires_at, self._limits, is_trusted=trusted),
                expires_at=live.expires_at,
            )
        )

    def _end(self, uow: UnitOfWork, account: AccountId, session: SessionId, by: SessionId) -> Event:
        (event,) = self._append(uow, account, asked.EndSession(session, by))
        TokenRows(uow.connection).close_family(session, uow.now)
        return event

    def _append(self, uow: UnitOfWork, account: AccountId, command: asked.Command) -> list[Event]:
        state = read_state(self._kernel, uow, account)
        bodies = decide(state, command, uow.now, self._limits)
        return uow.append(account, state.auth.head, *bodies) if bodies else []


def read_state(
    kernel: Kernel, uow: UnitOfWork, account: AccountId, token: IssuedToken | None = None
) -> AccountState:
    """Fold what decisions about an account's sessions look at, even while the account is parked.

    Ending a session is always right; who opens or refreshes one asks ``Streams.require_free`` first.
    """
    auth = kernel.streams.fold_parked(uow, account, AuthStream)
    devices = kernel.streams.fold_parked(uow, account, DevicesStream)
    return AccountState(auth=auth, devices=devices, token=token)


def _ends(bodies: Sequence[Body]) -> bool:
    return any(isinstance(body, events.SessionEnded) for body in bodies)
