"""Sessions: opened, refreshed, listed, ended; one transaction each. Spec: tokens.md §1, §4, §6.

*Wire format* of a refresh token: ``skr_`` and 32 bytes as 64 lower-case hex characters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.domain import (
    FactorUse,
    IssuedToken,
    decide_code_use,
    decide_end,
    decide_end_by_operator,
    decide_end_of_device,
    decide_expiry,
    decide_opening,
    decide_refresh,
    derive_idle_limit,
)
from solekey_auth.limits import SECRET_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey, OperatorKeys, Purpose
from solekey_auth.refusals import RefreshRefused
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.signing_keys.signing_keys import SigningKey
from solekey_eventlog.secret import Redacted
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import SessionEnded
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, DeviceId, Digest, SessionId, compute_digest
from solekey_protocol.services import TOKEN_AUDIENCES, Service
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_protocol.streams.auth import Session
from solekey_service.access.guard import verify_stepped_up
from solekey_service.access.tokens import AccessClaims
from solekey_service.event_rate import verify_pace
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest, RevokedDevice, SessionOver
from solekey_service.transaction import Committed, StaleRowError, in_transaction

PREFIX = "skr_"
_TOKEN = re.compile(rf"{PREFIX}[0-9a-f]{{{2 * SECRET_BYTES}}}")


class RefreshToken(Redacted):
    """A refresh token in clear, between the client and one transaction.

    It is good once and kept only as its digest; each successor derives from its predecessor.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != SECRET_BYTES:
            raise ValueError(f"a refresh token is {SECRET_BYTES} bytes")
        self._raw = raw

    @property
    def digest(self) -> Digest:
        """SHA-256 of the text that travels: all that is stored."""
        return compute_digest(self.reveal().encode())

    def reveal(self) -> str:
        """The text that travels. For the answer to its owner alone."""
        return PREFIX + self._raw.hex()

    def derive_successor(self, operator_key: OperatorKey) -> "RefreshToken":
        """Derive the next token of the family: always the same one, so that a lost answer can be repeated.

        The operator's key takes part: who holds a token cannot compute those after it.
        """
        return RefreshToken(operator_key.derive(Purpose.REFRESH_SUCCESSOR, self._raw))


def parse_refresh_token(text: str) -> RefreshToken:
    """Parse a token. Raises BadRequest, which does not repeat the input."""
    if not _TOKEN.fullmatch(text):
        raise BadRequest("refresh_token: not a refresh token of this platform")
    return RefreshToken(bytes.fromhex(text.removeprefix(PREFIX)))


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

    def derive_lifetime_s(self, now: datetime, limits: AuthLimits) -> int:
        """Derive for how many whole seconds access tokens are valid; never beyond the session's end."""
        return int(min(limits.access_token, self.expires_at - now).total_seconds())

    def mint_tokens(
        self, key: SigningKey, *, issuer: str, now: datetime, limits: AuthLimits, token_id: str
    ) -> dict[Service, str]:
        """Mint an access token for each service that takes one; no service can use it at another."""
        issued_at_s = int(now.timestamp())
        expires_at_s = issued_at_s + max(1, self.derive_lifetime_s(now, limits))
        return {
            audience: key.mint(
                AccessClaims(
                    issuer=issuer,
                    audience=audience,
                    account=self.account,
                    device=self.device,
                    session=self.session,
                    thumbprint=self.thumbprint,
                    auth_seq=self.auth_seq,
                    issued_at_s=issued_at_s,
                    expires_at_s=expires_at_s,
                    token_id=f"{token_id}.{audience.value}",
                )
            )
            for audience in TOKEN_AUDIENCES
        }


class Sessions:
    """The sessions that are open."""

    def __init__(self, kernel: Kernel[AuthConfig], limits: AuthLimits, operator_keys: OperatorKeys) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_keys = operator_keys

    def start(
        self, uow: UnitOfWork, auth: AuthStream, device: DeviceId, thumbprint: str, use: FactorUse
    ) -> LiveSession:
        """Open a session inside the transaction of its login.

        Args:
            uow: the transaction.
            auth: the account's stream, read in it.
            device: that logs in.
            thumbprint: of its key.
            use: the second factor, which was used up.

        Raises:
            RevokedDevice, LoginRefused: see domain.decide_opening.
            RateLimited: the account's stream grows too fast.
        """
        account, session = auth.chain.account, SessionId.from_raw(self._kernel.random(RAW_ID_BYTES))
        devices = self._kernel.streams.fold(uow, account, DevicesStream)
        if CredentialRepository(uow.connection).is_barred(account, device):
            raise RevokedDevice("this device was revoked by its account; log in from another device")
        expires_at = uow.now + self._limits.session_absolute
        bodies = decide_opening(auth, devices, session, device, use, expires_at)
        verify_pace(uow, account, auth.head, self._kernel.config, urgent=True)
        events = uow.append(account, auth.head, *bodies)
        self._kernel.streams.keep(uow, reduce(AuthStream.evolve, events, auth))
        live = LiveSession(
            account=account,
            device=device,
            session=session,
            thumbprint=thumbprint,
            expires_at=expires_at,
            auth_seq=events[-1].seq,
            refresh_token=RefreshToken(self._kernel.random(SECRET_BYTES)),
        )
        self._keep_token(uow, live, devices, generation=1)
        return live

    def note_use(self, uow: UnitOfWork, account: AccountId, use: FactorUse) -> None:
        """Append that a recovery code is used up, in the transaction of a login that opens no session."""
        auth = self._read_parked(uow, account)
        uow.append(account, auth.head, *decide_code_use(use))

    @in_transaction
    def refresh(self, uow: UnitOfWork, presented: RefreshToken, thumbprint: str) -> LiveSession:
        """Use a refresh token; used again within the retry time, by the same key, it is answered again.

        Raises:
            RefreshRefused, SessionOver: see refusals; a reuse has ended the session.
            RateLimited: the account's sessions are refreshed too often.
            TrustStaleError: whether the device was revoked cannot be known now.
            AccountParkedError, NotYetAppliedError: see Streams.
        """
        self._kernel.freshness.require(Stream.DEVICES, uow)
        rows = SessionRepository(uow.connection)
        token = rows.find(presented.digest)
        if token is None:
            raise RefreshRefused("no such refresh token")
        # While an event of the account waits, nothing is refreshed: it may be this device's revocation.
        auth = self._kernel.streams.fold(uow, token.account, AuthStream)
        devices = self._kernel.streams.fold(uow, token.account, DevicesStream)
        bodies = decide_refresh(auth, devices, token, thumbprint, uow.now, self._limits)
        if any(isinstance(body, SessionEnded) for body in bodies):
            uow.append(token.account, auth.head, *bodies)
            rows.close_family(token.session, uow.now)
            raise Committed(SessionOver("log in again"))
        live = LiveSession(
            account=token.account,
            device=auth.sessions[token.session].device,
            session=token.session,
            thumbprint=token.thumbprint,
            expires_at=token.expires_at,
            auth_seq=auth.head.seq + len(bodies),
            refresh_token=self._derive_successor(rows, presented, is_retry=not bodies),
        )
        if bodies:
            verify_pace(uow, token.account, auth.head, self._kernel.config, urgent=False)
            if not rows.use(token.digest, uow.now):
                raise StaleRowError
            uow.append(token.account, auth.head, *bodies)
            self._keep_token(uow, live, devices, generation=token.generation + 1)
        return live

    def _derive_successor(
        self, rows: SessionRepository, presented: RefreshToken, *, is_retry: bool
    ) -> RefreshToken:
        """Derive the next token; in a retry the one that was given out, by whichever operator key."""
        derived = [presented.derive_successor(key) for key in self._operator_keys.list_newest_first()]
        given_out = (token for token in derived if is_retry and rows.find(token.digest) is not None)
        return next(given_out, derived[0])

    @in_transaction
    def end(self, uow: UnitOfWork, caller: Caller, session: SessionId) -> Event:
        """End one of the account's sessions; a session that ends itself logs out.

        Another one needs a fresh second factor: else a thief with a locked device could end each session of
        the owner before the device is revoked from it.

        Raises:
            NotFound: the account has no such open session.
            StepUpRequired: another session, and the second factor was proven too long ago.
        """
        auth = self._read_parked(uow, caller.account)
        bodies = decide_end(auth, session, caller.session)
        if session != caller.session:
            verify_stepped_up(auth, caller.session, uow.now, self._kernel.config.step_up_s)
        (event,) = uow.append(caller.account, auth.head, *bodies)
        SessionRepository(uow.connection).close_family(session, uow.now)
        return event

    def find_open(self, account: AccountId) -> Sequence[Session]:
        """List the open sessions of an account, the oldest first."""
        with self._kernel.store.read() as uow:
            sessions = self._kernel.streams.fold(uow, account, AuthStream).sessions.values()
            alive = [session for session in sessions if session.expires_at.datetime > uow.now]
        return sorted(alive, key=lambda session: (session.opened_at, session.session))

    def end_of_device(self, uow: UnitOfWork, account: AccountId, device: DeviceId) -> None:
        """End the sessions of a device that was revoked, inside the transaction that notes it."""
        auth = self._read_parked(uow, account)
        uow.append(account, auth.head, *decide_end_of_device(auth, device))
        CredentialRepository(uow.connection).delete_known_device(account, device)

    @in_transaction
    def end_all(self, uow: UnitOfWork, account: AccountId) -> Sequence[Event]:
        """End every session of an account, as its operator; one that expired meanwhile is ended with them."""
        auth = self._read_parked(uow, account)
        ended = uow.append(account, auth.head, *decide_end_by_operator(auth))
        for session in auth.sessions:
            SessionRepository(uow.connection).close_family(session, uow.now)
        return ended

    @in_transaction
    def expire(self, uow: UnitOfWork, account: AccountId, session: SessionId) -> None:
        """End a session that was not refreshed in time, if it is still open."""
        auth = self._read_parked(uow, account)
        uow.append(account, auth.head, *decide_expiry(auth, session))
        SessionRepository(uow.connection).close_family(session, uow.now)

    def _keep_token(
        self, uow: UnitOfWork, live: LiveSession, devices: DevicesStream, generation: int
    ) -> None:
        trusted = live.device in devices.trusted
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

    def _read_parked(self, uow: UnitOfWork, account: AccountId) -> AuthStream:
        """Read the stream even while an event of the account waits, for what only takes something away."""
        return self._kernel.streams.fold_parked(uow, account, AuthStream)
