"""Changes that an account keeps for good: another login key, and its end; one transaction each.

Spec: authentication.md §4, §5.

*Wire format* of what is signed (Ed25519, RFC 8032), with canonical JSON (RFC 8785):

- to replace the login key, by both keys:
  ``"solekey/login-key/v1" ‖ 0x00 ‖ {"challenge", "kdf", "login_key", "origin", "reason"}``;
- to close the account: ``"solekey/close/v1" ‖ 0x00 ‖ {"account", "challenge", "origin"}``.

On PostgreSQL a login may be decided at the same moment. The transaction that appends second finds that the
head has moved, and begins again on the new state. As in a login, rows of credentials and factors are changed
before events are appended, so that no two transactions wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, derive_username_digest, is_signed
from solekey_auth.credentials.kdf import KdfParameters
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.domain import decide_closing, decide_login_key
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.operator_key import OperatorKeys
from solekey_auth.rate_limits.limiter import Attempt, RateLimiter
from solekey_auth.refusals import KdfTooWeak, LoginRefused
from solekey_auth.sessions.repository import SessionRepository
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import encode_json
from solekey_protocol.event import Event
from solekey_protocol.events.auth import LoginKeyChange, LoginKeyChanged, LoginStage, SessionEnded
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.streams import AuthStream
from solekey_service.event_rate import verify_pace
from solekey_service.http import Caller
from solekey_service.http.source import Source
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest, SessionOver
from solekey_service.transaction import Committed, StaleRowError, in_transaction

CHANGE_CONTEXT = b"solekey/login-key/v1\x00"
CLOSE_CONTEXT = b"solekey/close/v1\x00"


@dataclass(frozen=True, slots=True)
class NewLoginKey:
    """A request to replace the login key.

    Attributes:
        challenge: that the server gave for the account's name.
        kdf: what the new key is stretched with.
        login_key: the new key.
        reason: a new password, or more work for the same one.
        signature: by the present key.
        proof: by the new key.
        origin: of this server.
    """

    challenge: Digest = field(repr=False)
    kdf: KdfParameters
    login_key: PublicKey
    reason: LoginKeyChange
    signature: SignatureHex = field(repr=False)
    proof: SignatureHex = field(repr=False)
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that both keys sign."""
        return CHANGE_CONTEXT + encode_json(
            {
                "challenge": self.challenge,
                "kdf": self.kdf.to_json(),
                "login_key": self.login_key,
                "origin": self.origin,
                "reason": self.reason.value,
            }
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """A request to close an account."""

    account: AccountId
    challenge: Digest = field(repr=False)
    signature: SignatureHex = field(repr=False)
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        members = {"account": self.account, "challenge": self.challenge, "origin": self.origin}
        return CLOSE_CONTEXT + encode_json(members)


class AccountChanges:
    """Changes an account for good. Each change requires the password again, as a signature of its key."""

    def __init__(self, kernel: Kernel[AuthConfig], operator_keys: OperatorKeys, limiter: RateLimiter) -> None:
        self._kernel = kernel
        self._operator_keys = operator_keys
        self._limiter = limiter

    @in_transaction
    def change_login_key(
        self, uow: UnitOfWork, caller: Caller, request: NewLoginKey, source: Source
    ) -> Event:
        """Replace the login key; the same request again is answered the same. The challenge is used up.

        Raises:
            LoginRefused, TooManyAttempts: the present password was not proven, or too often not.
            KdfTooWeak, BadRequest, SessionOver: see domain.decide_login_key.
            RateLimited: the account's stream grows too fast; nothing was changed.
        """
        rows = CredentialRepository(uow.connection)
        present = rows.require(caller.account, SessionOver("the account was closed"))
        attempt = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, request.challenge)
        if is_repetition(request, present):
            before = self._find_change(uow, caller.account, request.reason)
            if before is not None:
                return before
        try:
            verify_new_login_key(request, present, challenge_is_live=is_live)
            auth = self._kernel.streams.fold(uow, caller.account, AuthStream)
            bodies = decide_login_key(
                auth, present, request.login_key, request.kdf, request.reason, caller.session
            )
        except LoginRefused as refusal:
            raise _count(uow, caller.account, attempt, refusal) from None
        except (KdfTooWeak, BadRequest, SessionOver) as refusal:
            raise Committed(refusal) from None  # the challenge stays used up
        verify_pace(uow, caller.account, auth.head, self._kernel.config, urgent=True)
        if not rows.replace_login_key(present, request.login_key, request.kdf):
            raise StaleRowError
        events = uow.append(caller.account, auth.head, *bodies)
        _end_families(uow, events)
        return events[0]

    @in_transaction
    def close(self, uow: UnitOfWork, caller: Caller, request: Closing, source: Source) -> Event:
        """Close the account for good and delete what it was logged in to with.

        Raises:
            LoginRefused, TooManyAttempts: the password was not proven, or too often not.
            SessionOver: see domain.decide_closing.
        """
        rows = CredentialRepository(uow.connection)
        present = rows.require(caller.account, SessionOver("the account was closed"))
        attempt = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, request.challenge)
        try:
            verify_closing(request, present, challenge_is_live=is_live)
            auth = self._kernel.streams.fold_parked(uow, caller.account, AuthStream)
            bodies = decide_closing(auth, caller.session)
        except LoginRefused as refusal:
            raise _count(uow, caller.account, attempt, refusal) from None
        except SessionOver as refusal:
            raise Committed(refusal) from None
        if not rows.close(present, self._digest(present), self._operator_keys.number, uow.now):
            raise StaleRowError
        FactorRepository(uow.connection).delete_all(present.account)
        events = uow.append(caller.account, auth.head, *bodies)
        _end_families(uow, events)
        rows.delete_known_devices(caller.account)
        return events[-1]

    def _begin(self, uow: UnitOfWork, present: Credential, caller: Caller, source: Source) -> Attempt:
        """Begin what may be a guess of the password: it counts with the logins of this device."""
        is_known = CredentialRepository(uow.connection).is_known_device(caller.account, caller.device)
        return self._limiter.begin_login(
            uow, self._digest(present), caller.account, caller.device, source, is_known_device=is_known
        )

    def _take_challenge(self, uow: UnitOfWork, present: Credential, challenge: Digest) -> bool:
        return LoginRepository(uow.connection).take_challenge(challenge, self._digest(present), uow.now)

    def _find_change(self, uow: UnitOfWork, account: AccountId, reason: LoginKeyChange) -> Event | None:
        """Find the event that put the present login key in force, if it was a change for this reason."""
        at = self._kernel.streams.fold_parked(uow, account, AuthStream).login_key_at
        (event,) = uow.events(account, after=at - 1, limit=1)
        changed = isinstance(event.body, LoginKeyChanged) and event.body.reason is reason
        return event if changed else None

    def _digest(self, present: Credential) -> str:
        return derive_username_digest(self._operator_keys.present, present.username)


def verify_new_login_key(
    request: NewLoginKey, present: Credential, *, challenge_is_live: bool
) -> NewLoginKey:
    """Verify the challenge and both keys' signatures; all of them before any is judged.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    signed = request.signed_bytes()
    agreed = is_signed(present.login_key, signed, request.signature)
    proven = is_signed(request.login_key, signed, request.proof)
    if not (agreed and proven and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return request


def verify_closing(request: Closing, present: Credential, *, challenge_is_live: bool) -> Closing:
    """Verify the challenge and the signature. Raises LoginRefused, with the same words for every cause."""
    agreed = is_signed(present.login_key, request.signed_bytes(), request.signature)
    if not (agreed and challenge_is_live):
        raise LoginRefused(LoginStage.LOGIN_KEY)
    return request


def is_repetition(request: NewLoginKey, present: Credential) -> bool:
    """Whether this very key is in force already and proves it: the answer to the same request was lost."""
    in_force = (request.login_key, request.kdf) == (present.login_key, present.kdf)
    return in_force and is_signed(present.login_key, request.signed_bytes(), request.proof)


def _count(uow: UnitOfWork, account: AccountId, attempt: Attempt, refusal: LoginRefused) -> Committed:
    LoginRepository(uow.connection).put_failure(account, refusal, uow.now)
    attempt.count()
    return Committed(refusal)


def _end_families(uow: UnitOfWork, events: Sequence[Event]) -> None:
    rows = SessionRepository(uow.connection)
    for event in events:
        if isinstance(event.body, SessionEnded):
            rows.close_family(event.body.session, uow.now)
