"""Challenges and logins, one transaction each. Spec: authentication.md §3.

One login, POST /v1/auth/sessions: ``SessionApi.post_session`` parses it; ``Logins.log_in`` holds it to the
rate limits, verifies the login key and the second factor, and calls ``Sessions.start``, which appends the
events and keeps the first refresh token; the answer carries access tokens, which ``SigningKeys`` signs.

*Wire format* of what the login key signs (Ed25519, RFC 8032): ``"solekey/login/v1" ‖ 0x00 ‖`` the canonical
JSON (RFC 8785) of ``{"challenge", "origin", "thumbprint", "username"}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import (
    Credential,
    Username,
    derive_decoy,
    derive_decoy_kdf,
    derive_username_digest,
    is_signed,
)
from solekey_auth.credentials.kdf import KdfParameters, KdfWork
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.factors.proof import Checked, Proof, Proven, Verifier
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import CHALLENGE_BYTES
from solekey_auth.operator_key import OperatorKeys
from solekey_auth.rate_limits.limiter import Attempt, RateLimiter
from solekey_auth.refusals import LoginRefused
from solekey_auth.sessions.sessions import LiveSession, Sessions
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginStage
from solekey_protocol.ids import DeviceId, Digest, PublicKey, SignatureHex
from solekey_protocol.streams import AuthStream
from solekey_service.http.source import Source
from solekey_service.kernel import Kernel
from solekey_service.refusals import RevokedDevice
from solekey_service.transaction import Committed, StaleRowError, in_transaction

LOGIN_CONTEXT = b"solekey/login/v1\x00"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a login must sign, and how its password is stretched; alike for known and unknown names.

    Attributes:
        challenge: 32 random bytes in hex.
        kdf: parameters of the account, or of a decoy.
        kdf_wanted: the work that the operator wants, if any.
    """

    challenge: str = field(repr=False)
    kdf: KdfParameters
    kdf_wanted: KdfWork | None


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a client signs to log in, and before that to learn which passkeys it may use.

    Attributes:
        claimed_username: in the spelling that was signed.
        challenge: that the server gave for this name.
        signature: by the login key.
        device: whose key signed the request's DPoP proof.
        thumbprint: of that key.
        origin: of this server.
    """

    claimed_username: str
    challenge: Digest = field(repr=False)
    signature: SignatureHex = field(repr=False)
    device: DeviceId
    thumbprint: str
    origin: str

    def signed_bytes(self) -> bytes:
        """The bytes that the login key signs."""
        members: dict[str, Json] = {
            "challenge": self.challenge,
            "origin": self.origin,
            "thumbprint": self.thumbprint,
            "username": self.claimed_username,
        }
        return LOGIN_CONTEXT + encode_json(members)

    def is_signed_by(self, login_key: PublicKey) -> bool:
        """Whether this login key signed it."""
        return is_signed(login_key, self.signed_bytes(), self.signature)


class Logins:
    """Logs in users who prove a login key and a second factor.

    Args:
        kernel, operator_keys, limiter, sessions, verifier: the service's.
        kdf_wanted: the work that the operator wants passwords to be stretched with, if any.
    """

    def __init__(
        self,
        kernel: Kernel[AuthConfig],
        operator_keys: OperatorKeys,
        limiter: RateLimiter,
        sessions: Sessions,
        verifier: Verifier,
        *,
        kdf_wanted: KdfWork | None,
    ) -> None:
        self._kernel = kernel
        self._limits = kernel.config.limits
        self._operator_keys = operator_keys
        self._limiter = limiter
        self._sessions = sessions
        self._verifier = verifier
        self._kdf_wanted = kdf_wanted
        self._decoy = derive_decoy(operator_keys.founding, kernel.clock.now())

    def make_challenge(self, username: Username, device: DeviceId | None, source: Source) -> Challenge:
        """Make a challenge for a name, known or unknown.

        Args:
            username: whose.
            device: whose key signed the request's proof, if it came with one.
            source: where the request comes from.

        Raises:
            TooManyAttempts: from this device, or from this source.
        """
        challenge = self._kernel.random(CHALLENGE_BYTES).hex()
        with self._kernel.store.begin() as uow:
            known = self._find(uow, username)
            account, rows = (known or self._decoy).account, CredentialRepository(uow.connection)
            if device is not None and rows.is_known_device(account, device):
                self._limiter.count_challenge_of_device(uow, account, device)
            else:
                self._limiter.count_challenge(uow, source)
            LoginRepository(uow.connection).put_challenge(
                challenge, self._digest(username), uow.now + self._limits.challenge
            )
        decoy = derive_decoy_kdf(self._operator_keys.founding, username, self._kdf_wanted)
        return Challenge(challenge, decoy if known is None else known.kdf, self._kdf_wanted)

    @in_transaction
    def log_in(
        self, uow: UnitOfWork, username: Username, attempt: LoginAttempt, proof: Proof, source: Source
    ) -> LiveSession:
        """Judge a login and open a session. What it has used up stays used up if it is refused.

        Raises:
            LoginRefused, TooManyAttempts, RevokedDevice: see refusals.
            TrustStaleError: whether the device was revoked cannot be known now.
            AccountParkedError, NotYetAppliedError: see Streams.
        """
        self._kernel.freshness.require(Stream.DEVICES, uow)
        known = self._find(uow, username)
        credential = known or self._decoy
        counted = self._begin(uow, credential, username, attempt.device, source)
        factors = FactorRepository(uow.connection)
        against = factors.find_checked(credential, proof)
        is_live = LoginRepository(uow.connection).take_challenge(
            attempt.challenge, self._digest(username), uow.now
        )
        try:
            proven = verify_login(
                attempt,
                proof,
                against,
                uow.now,
                self._verifier,
                is_decoy=known is None,
                challenge_is_live=is_live,
            )
            factors.use(credential.account, proven, uow.now)
            account_streams = ((credential.account, stream) for stream in (Stream.AUTH, Stream.DEVICES))
            self._kernel.streams.look_up(uow, *account_streams)
            auth = self._kernel.streams.fold(uow, credential.account, AuthStream)
            self._require_unchanged(uow, credential)
            live = self._sessions.start(uow, auth, attempt.device, attempt.thumbprint, proven.use)
        except LoginRefused as refusal:
            raise self._count(uow, known, counted, refusal) from None
        except RevokedDevice as refusal:
            self._sessions.note_use(uow, credential.account, proven.use)
            raise Committed(refusal) from None
        CredentialRepository(uow.connection).put_known_device(live.account, live.device, uow.now)
        return live

    @in_transaction
    def find_passkeys(
        self, uow: UnitOfWork, username: Username, attempt: LoginAttempt, source: Source
    ) -> Sequence[bytes]:
        """Find the credential ids of an account for a client that has its password.

        Once a challenge, which stays good for the login that follows.

        Raises:
            LoginRefused, TooManyAttempts: see refusals; the challenge is used up.
        """
        known = self._find(uow, username)
        credential = known or self._decoy
        counted = self._begin(uow, credential, username, attempt.device, source)
        key_is_right = attempt.is_signed_by(credential.login_key)
        passkeys = FactorRepository(uow.connection).find_passkeys(credential.account)
        rows, name = LoginRepository(uow.connection), self._digest(username)
        if rows.list_for_challenge(attempt.challenge, name, uow.now) and key_is_right and known is not None:
            return [passkey.credential for passkey in passkeys]
        rows.take_challenge(attempt.challenge, name, uow.now)
        raise self._count(uow, known, counted, LoginRefused(LoginStage.LOGIN_KEY))

    def _begin(
        self, uow: UnitOfWork, credential: Credential, username: Username, device: DeviceId, source: Source
    ) -> Attempt:
        is_known = CredentialRepository(uow.connection).is_known_device(credential.account, device)
        return self._limiter.begin_login(
            uow, self._digest(username), credential.account, device, source, is_known_device=is_known
        )

    def _count(
        self, uow: UnitOfWork, known: Credential | None, counted: Attempt, refusal: LoginRefused
    ) -> Committed:
        LoginRepository(uow.connection).put_failure(
            None if known is None else known.account, refusal, uow.now
        )
        counted.count()
        return Committed(refusal)

    def _require_unchanged(self, uow: UnitOfWork, judged: Credential) -> None:
        """Require that the login key was not replaced while the login was judged.

        After the state was read: if the key was replaced before that, it is seen here; if afterwards, the
        head of the stream moves.

        Raises:
            StaleRowError: it was replaced, or the account closed.
        """
        now = CredentialRepository(uow.connection).find(judged.account)
        if now is None or now.login_key != judged.login_key:
            raise StaleRowError

    def _find(self, uow: UnitOfWork, username: Username) -> Credential | None:
        """Find who has a name; None also for a registration that was not proven in time."""
        known = CredentialRepository(uow.connection).find_by_username(username)
        if known is None or known.is_expired(uow.now, self._limits.unproven_registration):
            return None
        return known

    def _digest(self, username: Username) -> str:
        return derive_username_digest(self._operator_keys.present, username)


def verify_login(
    attempt: LoginAttempt,
    proof: Proof,
    against: Checked,
    now: datetime,
    verifier: Verifier,
    *,
    is_decoy: bool,
    challenge_is_live: bool,
) -> Proven:
    """Verify the challenge, the login key and the second factor; all of them before any is judged.

    A decoy goes the same way and fails at the end, so neither the answer nor the work tells who exists.

    Raises:
        LoginRefused: with the same words for every cause.
    """
    key_is_right = attempt.is_signed_by(against.credential.login_key)
    proven = verifier.find_proven(proof, attempt.challenge, against, now)
    if is_decoy or not key_is_right or not challenge_is_live:
        raise LoginRefused(LoginStage.LOGIN_KEY)
    if proven is None:
        raise LoginRefused(LoginStage.SECOND_FACTOR)
    return proven
