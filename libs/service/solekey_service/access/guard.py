"""Admits a request, or refuses it. Spec: tokens.md §5.

::

    PUBLIC   nothing
    PROOF_IF_GIVEN  nothing; or DPoP proof without a nonce, not used before
    PROOF    DPoP proof with the server's nonce (where the service gives some), not used before
    SESSION  proof -> token -> the device's request limit -> [one transaction: Solekey-After -> freshness of
             auth and devices -> proof not used before -> account not parked -> session open
             -> device not revoked]
    STEPPED_UP  ... -> second factor proven a short time ago
    TRUSTED  ... -> device trusted now

A request that changes nothing (GET) writes nothing: its proof is remembered in memory alone. Any other proof
is a row: committed here, or by the first transaction in which the request writes (used_proof.py).
A service that cannot know whether trust was withdrawn refuses (promise P4); it never decides on old state.
A short body is read before its request is admitted. A request with a long one is looked at twice: before that
is read, and when it has come (``confirm``).
"""

import hmac
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from solekey_eventlog.errors import EventLogError, NotYetAppliedError
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT, SessionId
from solekey_protocol.streams import AuthStream, DevicesStream, DeviceStatus
from solekey_protocol.streams.auth import Session
from solekey_service.access.dpop import MAX_AGE_S, verify_dpop_proof
from solekey_service.access.level import Access
from solekey_service.access.load_limit import LoadLimit
from solekey_service.access.nonce import Nonces
from solekey_service.access.request_limiter import RequestLimiter
from solekey_service.access.seen_proofs import SeenProofs
from solekey_service.access.tokens import AccessClaims, OpenedTokens, verify_access_token
from solekey_service.access.used_proof import ProofNote, UsedProofs, make_used_before
from solekey_service.config import ServiceConfig
from solekey_service.http.caller import Caller, DpopProof
from solekey_service.http.request import Request, parse_solekey_after
from solekey_service.kernel import TRUST_STREAMS, Kernel
from solekey_service.refusals import (
    DeviceNotTrusted,
    Refusal,
    RevokedDevice,
    SessionOver,
    StepUpRequired,
    TokenInvalid,
)

_SCHEME = "dpop "


class Guard:
    """Decides who may call one service."""

    def __init__(self, kernel: Kernel[ServiceConfig], seen_proofs: SeenProofs | None = None) -> None:
        """Guard a service; ``seen_proofs`` may be shared with its other processes."""
        self._kernel = kernel
        self._used_proofs = UsedProofs(kernel.store)
        self.limiter = RequestLimiter(
            kernel.clock,
            per_second=kernel.config.requests_per_second,
            at_once=kernel.config.requests_at_once,
        )
        self.load = LoadLimit(kernel.config.max_requests)
        key = kernel.config.derive_nonce_key()
        self._nonces = None if key is None else Nonces(key)
        self._seen_proofs = SeenProofs() if seen_proofs is None else seen_proofs
        self._platform: AuthStream | None = None
        self._opened_tokens = OpenedTokens()

    def admit(self, request: Request, access: Access, *, note_later: bool = False) -> Request:
        """Return the request with what is known of its sender: ``proof`` and ``caller``.

        Args:
            request: without its body, if that is long.
            access: what its entry point asks for.
            note_later: whether the proof of a request that may write is noted with the first thing that it
                writes; the caller settles ``note`` at the end, whatever becomes of the request.

        Raises:
            DpopInvalid, UseDpopNonce, TokenInvalid, TokenExpired, SessionOver: the caller is not proven.
            RevokedDevice, DeviceNotTrusted: the caller is proven, and may not do this.
            RateLimited: the device sends too many requests, or its account does.
            NotYetAppliedError, TrustStaleError, AccountParkedError: this service cannot know; try again.
            UnavailableError: too many requests are being worked on; try again.
        """
        if access is Access.PUBLIC:
            return request
        if access is Access.PROOF_IF_GIVEN and not request.headers.getlist("DPoP"):
            return request
        if access in {Access.PROOF, Access.PROOF_IF_GIVEN}:
            proof = self._verify_proof(request, None, self._nonces if access is Access.PROOF else None)
            note = self._used_proofs.make_note(proof)
            with self.load.begin():
                if not note_later:
                    note.settle()
            return replace(request, proof=proof, note=note)
        token = _read_token(request)
        proof = self._verify_proof(request, token, None)  # a token's hash is as fresh as a nonce
        claims, platform = self._verify_token(token, proof)
        self.limiter.take(claims.account, claims.device)
        read = request.method == "GET"
        entry = _Entry(
            request, token, claims, proof, access, platform,
            note=None if read else self._used_proofs.make_note(proof), note_later=note_later,
        )  # fmt: skip
        admitted = self._kernel.freshness.wait(claims.account, lambda: self._enter(entry))
        if isinstance(admitted, Exception):
            if entry.note is not None:
                entry.note.settle()
            raise admitted
        return replace(request, caller=admitted, proof=proof, note=entry.note)

    def confirm(self, request: Request, access: Access) -> Request:
        """Return an admitted request whose long body has come: what held at its head must hold still.

        A body may take minutes; from a device that is revoked in that time it must not be accepted.

        Raises:
            SessionOver, RevokedDevice, DeviceNotTrusted, StepUpRequired: it holds no longer.
            NotYetAppliedError, TrustStaleError, AccountParkedError: this service cannot know whether it does.
        """
        caller = request.caller
        if caller is not None:
            self._kernel.freshness.wait(caller.account, lambda: self._confirm(caller, access))
        return request

    def _confirm(self, caller: Caller, access: Access) -> None:
        with self._kernel.store.read() as uow:
            self._kernel.streams.look_up(uow, *((caller.account, stream) for stream in TRUST_STREAMS))
            self._kernel.freshness.require_positions(uow, caller.account, {})
            self._require_fresh(uow)
            self._verify_caller(uow, caller, access)

    def _verify_proof(self, request: Request, token: str | None, nonces: Nonces | None) -> DpopProof:
        return verify_dpop_proof(
            request.headers.getlist("DPoP"),
            method=request.method,
            url=self._kernel.config.origin + request.path,
            now=self._kernel.clock.now(),
            token=token,
            nonces=nonces,
        )

    def _verify_token(self, token: str, proof: DpopProof) -> tuple[AccessClaims, AuthStream]:
        """Verify a token by the signing keys as they were last known here; `_enter` sees to what is new."""
        platform = self._platform
        if platform is not None:
            try:
                return self._verify_token_by(platform, token, proof), platform
            except NotYetAppliedError:
                pass  # a key that was not known then
        with self._kernel.store.read() as uow:
            self._platform = platform = self._kernel.streams.fold(uow, SYSTEM_ACCOUNT, AuthStream)
        return self._verify_token_by(platform, token, proof), platform

    def _verify_token_by(self, platform: AuthStream, token: str, proof: DpopProof) -> AccessClaims:
        claims = verify_access_token(
            token,
            signing_keys=platform.signing_keys,
            withdrawn_keys=platform.withdrawn_keys,
            issuer=self._kernel.config.origin,
            audience=self._kernel.service,
            now=self._kernel.clock.now(),
            opened=self._opened_tokens,
        )
        bound = hmac.compare_digest(claims.thumbprint, proof.thumbprint)
        if not bound or claims.device != proof.device:  # RFC 9449 §4.3 check 12b
            raise TokenInvalid("access token: bound to another device key")
        return claims

    def _enter(self, entry: "_Entry") -> Caller | Exception:
        """Decide in one transaction. A refusal is returned where the proof stays used: the note is kept.

        Raises:
            NotYetAppliedError: it may be known in a moment; nothing was noted.
        """
        claims, request = entry.claims, entry.request
        seen = parse_solekey_after(request)
        seen = {**seen, Stream.AUTH: max(seen.get(Stream.AUTH, 0), claims.auth_seq)}
        account_streams = dict.fromkeys((*TRUST_STREAMS, *seen))
        turn = self.limiter.take_turn(claims.account, claims.device)
        with turn, self.load.begin(), self._begin(entry) as uow:
            is_used = self._kernel.streams.look_up(
                uow,
                (SYSTEM_ACCOUNT, Stream.AUTH),
                *((claims.account, stream) for stream in account_streams),
                proof=entry.proof.digest if entry.note is not None and entry.note_later else None,
            )
            self._require_known_keys(uow, entry)
            self._kernel.freshness.require_positions(uow, claims.account, seen)
            self._require_fresh(uow)
            self._note(uow, entry, is_used=is_used)
            caller = Caller(claims.account, claims.device, claims.session, entry.proof.device_key)
            try:
                return self._verify_caller(uow, caller, entry.access, claims.auth_seq)
            except (Refusal, EventLogError) as error:
                return error

    def _begin(self, entry: "_Entry") -> AbstractContextManager[UnitOfWork]:
        """Begin the transaction that admits; with the note that it commits, if there is one."""
        if entry.note is None or entry.note_later:
            return self._kernel.store.read()
        return self._kernel.store.begin()

    def _note(self, uow: UnitOfWork, entry: "_Entry", *, is_used: bool) -> None:
        """See to it that the proof admits nothing else. Raises DpopInvalid: it was used before."""
        if entry.note is None:
            self._seen_proofs.add(entry.proof, uow.now)
        elif is_used:
            raise make_used_before()
        elif not entry.note_later:
            entry.note.write(uow)
            uow.afterwards.append(entry.note.mark_durable)

    def _require_known_keys(self, uow: UnitOfWork, entry: "_Entry") -> None:
        """Verify the token again where signing keys have come or gone since it was verified."""
        platform = self._kernel.streams.fold(uow, SYSTEM_ACCOUNT, AuthStream)
        if platform is not entry.platform:
            self._platform = platform
            self._verify_token_by(platform, entry.token, entry.proof)

    def _require_fresh(self, uow: UnitOfWork) -> None:
        for stream in TRUST_STREAMS:
            self._kernel.freshness.require(stream, uow)

    def _verify_caller(self, uow: UnitOfWork, caller: Caller, access: Access, auth_seq: int = 0) -> Caller:
        try:
            auth = self._verify_session(uow, caller, auth_seq)
        except SessionOver:
            self._verify_device(
                uow, caller, Access.SESSION
            )  # a revoked device learns that it is, not that it must log in
            raise
        self._verify_device(uow, caller, access)
        if access is Access.STEPPED_UP:
            verify_stepped_up(auth, caller.session, uow.now, self._kernel.config.step_up_s)
        return caller

    def _verify_session(self, uow: UnitOfWork, caller: Caller, auth_seq: int) -> AuthStream:
        auth = self._kernel.streams.fold(uow, caller.account, AuthStream)
        session = auth.sessions.get(caller.session)
        if session is None:
            if auth.head.seq < auth_seq:
                raise NotYetAppliedError("the session is not known here yet")
            raise SessionOver("the session has ended; log in again")
        if session.device != caller.device:
            raise TokenInvalid("access token: the session is another device's")
        if session.expires_at.datetime <= uow.now:
            raise SessionOver("the session has expired; log in again")
        return auth

    def _verify_device(self, uow: UnitOfWork, caller: Caller, access: Access) -> None:
        """Refuse a revoked device always. An unknown one is admitted to enrol; it is not trusted."""
        device = self._kernel.streams.fold(uow, caller.account, DevicesStream).devices.get(caller.device)
        if device is not None and device.status is DeviceStatus.REVOKED:
            raise RevokedDevice("this device was revoked by its account")
        if access is Access.TRUSTED and (device is None or device.status is not DeviceStatus.TRUSTED):
            raise DeviceNotTrusted("this device is not trusted yet: certify it with the user key")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A request that wants in: with a proof and a token that are genuine."""

    request: Request
    token: str
    claims: AccessClaims
    proof: DpopProof
    access: Access
    platform: AuthStream  # by whose signing keys the token was verified
    note: ProofNote | None  # None: a read, whose proof is remembered in memory
    note_later: bool


def verify_stepped_up(auth: AuthStream, session: SessionId, now: datetime, max_age_s: int) -> Session:
    """Verify that the session's user has proven a second factor a short time ago.

    The clocks of two services differ, so a proof may come from the near future; one from further on, or from
    a session that is not open, does not count. Spec: factors.md §5.

    Raises:
        StepUpRequired: too long ago.
    """
    proven = auth.sessions.get(session)
    if proven is None or not -MAX_AGE_S <= (now - proven.proven_at.datetime).total_seconds() <= max_age_s:
        raise StepUpRequired(max_age_s)
    return proven


def _read_token(request: Request) -> str:
    values = request.headers.getlist("Authorization")
    if len(values) != 1 or not values[0].lower().startswith(_SCHEME):
        raise TokenInvalid("expected one header field Authorization: DPoP <access token>")
    return values[0][len(_SCHEME) :].strip()
