"""Sessions: opened, refreshed, listed, ended; one transaction each. Spec: tokens.md §4, §6."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from solekey_auth import commands
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.login_key import LoginAttempt
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.domain import AccountState, IssuedToken, derive_idle_limit
from solekey_auth.factors.proof import Proven, find_codes_left
from solekey_auth.limits import SECRET_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey
from solekey_auth.refusals import RefreshRefused
from solekey_auth.sessions.refresh_token import RefreshToken
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.transactions import Committed, StaleRowError, Transactions
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import SessionEnded
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
    """The sessions that are open."""

    def __init__(self, kernel: Kernel[AuthConfig], limits: AuthLimits, operator_key: OperatorKey) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_key = operator_key
        self._transactions = Transactions(kernel, limits)

    def start(
        self, uow: UnitOfWork, state: AccountState, attempt: LoginAttempt, proven: Proven
    ) -> LiveSession:
        """Open a session inside the transaction of its login.

        Args:
            uow: the transaction.
            state: of the account, read in it.
            attempt: the login, which was verified.
            proven: the second factor, which was used up.

        Raises:
            RevokedDevice, LoginRefused: see domain.decide.
        """
        session = SessionId.from_raw(self._kernel.random(RAW_ID_BYTES))
        command = commands.OpenSession(
            session, attempt.device, proven.factor, proven.factor_id, find_codes_left(proven)
        )
        account = state.auth.chain.account
        events = self._transactions.append(uow, account, state, command)
        live = LiveSession(
            account=account,
            device=attempt.device,
            session=session,
            thumbprint=attempt.thumbprint,
            expires_at=uow.now + self._limits.session_absolute,
            auth_seq=events[-1].seq,
            refresh_token=RefreshToken(self._kernel.random(SECRET_BYTES)),
        )
        self._issue(uow, live, generation=1)
        return live

    def note_use(self, uow: UnitOfWork, account: AccountId, proven: Proven) -> None:
        """State that a recovery code is used up, inside the transaction of a login that opens no session."""
        left = find_codes_left(proven)
        if left is not None:
            self._append(uow, account, commands.UseRecoveryCode(proven.factor_id, left))

    def refresh(self, presented: RefreshToken, thumbprint: str) -> LiveSession:
        """Use a refresh token; used again within the retry time, by the same key, it is answered again.

        Raises:
            RefreshRefused, SessionOver: see refusals; a reuse has ended the session.
            TrustStaleError: whether the device was revoked cannot be known now.
            AccountParkedError, NotYetAppliedError: see Streams.
        """
        self._kernel.freshness.require(Stream.DEVICES)
        return self._transactions.run(partial(self._refresh, presented, thumbprint))

    def end(self, caller: Caller, session: SessionId) -> Event:
        """End one of the account's sessions; a session that ends itself logs out.

        Raises:
            NotFound: the account has no such open session.
        """
        return self._transactions.run(partial(self._end, caller, session))

    def find_open(self, account: AccountId) -> Sequence[Session]:
        """List the open sessions of an account, the oldest first."""
        with self._kernel.store.read() as uow:
            sessions = self._kernel.streams.fold(uow, account, AuthStream).sessions.values()
            alive = [session for session in sessions if session.expires_at.datetime > uow.now]
        return sorted(alive, key=lambda session: (session.opened_at, session.session))

    def end_of_device(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> None:
        """End the sessions of a device that was revoked, inside the transaction that notes it."""
        self._append(uow, account, commands.EndDeviceSessions(device))
        CredentialRepository(uow.connection).delete_known_device(account, device)

    def expire(self, uow: UnitOfWork, account: AccountId, session: SessionId) -> None:
        """End a session that was not refreshed in time, if it is still open."""
        self._append(uow, account, commands.ExpireSessions((session,)))
        SessionRepository(uow.connection).close_family(session, uow.now)

    def _refresh(self, presented: RefreshToken, thumbprint: str, uow: UnitOfWork) -> LiveSession:
        rows = SessionRepository(uow.connection)
        token = rows.find(presented.digest)
        if token is None:
            raise RefreshRefused("no such refresh token")
        # While an event of the account waits, nothing is refreshed: it may be this device's revocation.
        state = replace(self._transactions.read(uow, token.account), token=token)
        bodies = self._transactions.decide(uow, state, commands.RefreshSession(thumbprint))
        if any(isinstance(body, SessionEnded) for body in bodies):
            uow.append(token.account, state.auth.head, *bodies)
            rows.close_family(token.session, uow.now)
            raise Committed(SessionOver("log in again"))
        live = LiveSession(
            account=token.account,
            device=state.auth.sessions[token.session].device,
            session=token.session,
            thumbprint=token.thumbprint,
            expires_at=token.expires_at,
            auth_seq=state.auth.head.seq + len(bodies),
            refresh_token=presented.derive_successor(self._operator_key),
        )
        if bodies:
            if not rows.use(token.digest, uow.now):
                raise StaleRowError
            uow.append(token.account, state.auth.head, *bodies)
            self._issue(uow, live, generation=token.generation + 1)
        return live

    def _issue(self, uow: UnitOfWork, live: LiveSession, generation: int) -> None:
        trusted = live.device in self._kernel.streams.fold(uow, live.account, DevicesStream).trusted
        SessionRepository(uow.connection).put(
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

    def _end(self, caller: Caller, session: SessionId, uow: UnitOfWork) -> Event:
        (event,) = self._append(uow, caller.account, commands.EndSession(session, caller.session))
        SessionRepository(uow.connection).close_family(session, uow.now)
        return event

    def _append(self, uow: UnitOfWork, account: AccountId, command: commands.Command) -> list[Event]:
        """Append what only takes something away: also while an event of the account waits."""
        state = self._transactions.read_parked(uow, account)
        return self._transactions.append(uow, account, state, command)
