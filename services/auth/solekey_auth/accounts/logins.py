"""Registrations, challenges and logins: one transaction each. Spec: authentication.md §2, §3."""

from dataclasses import dataclass, field
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_auth.accounts.account_changes import require_unchanged
from solekey_auth.closed_names import ClosedNameRows
from solekey_auth.commands import RegisterAccount
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import (
    Credential,
    KdfParameters,
    KdfWork,
    Username,
    derive_decoy_kdf,
    derive_username_digest,
)
from solekey_auth.credentials.repository import CredentialRows, LoginRows
from solekey_auth.domain import AccountState, decide, is_expired
from solekey_auth.factor_book import FactorBook
from solekey_auth.factors.repository import PasskeyRows
from solekey_auth.factors.totp import TotpSecret, derive_secret, encode_uri
from solekey_auth.limits import CHALLENGE_BYTES, TOTP_SALT_BYTES
from solekey_auth.login import LoginAttempt, PasskeyQuestion, is_signed_by, verify_login
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.rate_limits.limiter import Brake, DeviceRows
from solekey_auth.rate_limits.source import Source
from solekey_auth.refusals import LoginRefused
from solekey_auth.retry import run_transaction
from solekey_auth.sessions.sessions import LiveSession, Sessions, read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginStage
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, DeviceId, PublicKey
from solekey_protocol.streams import AuthStream, DevicesStream
from solekey_service.kernel import Kernel
from solekey_service.refusals import RevokedDevice


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration is answered with: the authenticator app's secret, for the user's eyes."""

    account: AccountId
    totp_secret: TotpSecret = field(repr=False)
    totp_uri: str = field(repr=False)
    auth_seq: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a login must sign, and how its password is stretched. Looks the same for names that nobody has."""

    challenge: str = field(repr=False)
    kdf: KdfParameters
    kdf_wanted: KdfWork | None


class Accounts:
    """Who may log in."""

    def __init__(self, kernel: Kernel, config: AuthConfig, sessions: Sessions, factors: FactorBook) -> None:
        self._kernel = kernel
        self._issuer = config.totp_issuer
        self._limits = config.limits
        self._kdf_wanted = config.find_kdf_wanted()
        self._operator_key = config.open_operator_key()
        self._sessions = sessions
        self._factors = factors
        self._brake = Brake(config)
        self._decoy = _derive_decoy(self._operator_key, kernel)

    def register(self, command: RegisterAccount, source: Source) -> Registration:
        """Reserve a name; the same registration again is answered the same while it is unproven.

        Raises:
            TooManyAttempts: from this source.
            UsernameTaken, AccountTaken: see domain.decide.
        """
        with self._kernel.store.begin() as uow:
            self._brake.count_registration(uow, source)  # stays counted when it is refused
        return run_transaction(self._kernel.store, partial(self._register, command))

    def challenge(self, username: Username, device: DeviceId | None, source: Source) -> Challenge:
        """Make a challenge for a name, whether anybody has it or not. Raises TooManyAttempts."""
        challenge = self._kernel.random(CHALLENGE_BYTES).hex()
        with self._kernel.store.begin() as uow:
            known = self._find(uow, username)
            self._brake.count_challenge(uow, (known or self._decoy).account, device, source)
            LoginRows(uow.connection).put_challenge(
                challenge, self._digest(username), uow.now + self._limits.challenge
            )
        decoy = derive_decoy_kdf(self._operator_key, username, self._kdf_wanted)
        return Challenge(challenge, decoy if known is None else known.kdf, self._kdf_wanted)

    def log_in(self, username: Username, attempt: LoginAttempt, source: Source) -> LiveSession:
        """Judge a login and open a session. What was used up by it stays used up when it is refused.

        Raises:
            LoginRefused, TooManyAttempts, RevokedDevice: see refusals.
            TrustStaleError: whether the device was revoked cannot be known now.
            AccountParkedError, NotYetAppliedError: see Streams.
        """
        self._kernel.freshness.require(Stream.DEVICES)
        outcome = run_transaction(self._kernel.store, partial(self._log_in, username, attempt, source))
        if isinstance(outcome, LoginRefused | RevokedDevice):
            raise outcome
        return outcome

    def tell_passkeys(self, username: Username, question: PasskeyQuestion, source: Source) -> list[bytes]:
        """Tell whoever has the password the account's credential ids; once a challenge, which stays good.

        Raises:
            LoginRefused, TooManyAttempts: see refusals; the challenge is used up.
        """
        work = partial(self._tell_passkeys, username, question, source)
        outcome = run_transaction(self._kernel.store, work)
        if isinstance(outcome, LoginRefused):
            raise outcome
        return outcome

    def _register(self, command: RegisterAccount, uow: UnitOfWork) -> Registration:
        rows = CredentialRows(uow.connection)
        own, holder = rows.find_by_account(command.account), rows.find_by_username(command.username)
        # After the holder: of an account that is closed meanwhile, one of the two rows is seen.
        is_closed = ClosedNameRows(uow.connection).knows(self._digest(command.username))
        state = AccountState(
            auth=self._kernel.streams.fold(uow, command.account, AuthStream),
            devices=self._kernel.streams.fold(uow, command.account, DevicesStream),
            credential=own,
            name_holder=holder,
            name_is_closed=is_closed,
        )
        bodies = decide(state, command, uow.now, self._limits)
        if own is None or bodies:
            events = uow.append(command.account, state.auth.head, *bodies)
            for expired in filter(None, (own, holder)):
                rows.delete(expired)
            own = Credential(
                account=command.account,
                username=command.username,
                login_key=command.login_key,
                kdf=command.kdf,
                totp_salt=self._kernel.random(TOTP_SALT_BYTES),
                registered_at=uow.now,
            )
            rows.put(own)
            return self._answer(own, events[-1].seq)
        return self._answer(own, state.auth.head.seq)

    def _answer(self, credential: Credential, auth_seq: int) -> Registration:
        secret = derive_secret(self._operator_key, credential)
        uri = encode_uri(secret, credential, self._issuer)
        return Registration(credential.account, secret, uri, auth_seq)

    def _log_in(
        self, username: Username, attempt: LoginAttempt, source: Source, uow: UnitOfWork
    ) -> LiveSession | LoginRefused | RevokedDevice:
        rows, name = LoginRows(uow.connection), self._digest(username)
        known = self._find(uow, username)
        credential = known or self._decoy
        tried = self._brake.begin_login(uow, name, credential.account, attempt.device, source)
        against = self._factors.find_checked(uow, credential, attempt.proof)
        try:
            login = verify_login(
                attempt,
                against,
                uow.now,
                is_decoy=known is None,
                challenge_is_live=rows.take_challenge(attempt.challenge, name, uow.now),
            )
            self._factors.use(uow, login.account, login.proven)
            self._kernel.streams.require_free(uow, login.account)
            state = require_unchanged(uow, credential, read_state(self._kernel, uow, login.account))
            live = self._sessions.start(uow, state, login)
        except LoginRefused as refusal:
            rows.put_failure(None if known is None else known.account, refusal.stage, uow.now)
            tried.count()
            return refusal
        except RevokedDevice as refusal:
            self._sessions.note_use(uow, login)
            return refusal
        DeviceRows(uow.connection).note(live.account, live.device, uow.now)
        return live

    def _tell_passkeys(
        self, username: Username, question: PasskeyQuestion, source: Source, uow: UnitOfWork
    ) -> list[bytes] | LoginRefused:
        rows, name = LoginRows(uow.connection), self._digest(username)
        known = self._find(uow, username)
        credential = known or self._decoy
        tried = self._brake.begin_login(uow, name, credential.account, question.device, source)
        key_is_right = is_signed_by(credential.login_key, question)
        passkeys = PasskeyRows(uow.connection).find_all(credential.account)
        if rows.tell_challenge(question.challenge, name, uow.now) and key_is_right and known is not None:
            return [passkey.credential for passkey in passkeys]
        rows.take_challenge(question.challenge, name, uow.now)
        refusal = LoginRefused(LoginStage.LOGIN_KEY)
        rows.put_failure(None if known is None else known.account, refusal.stage, uow.now)
        tried.count()
        return refusal

    def _find(self, uow: UnitOfWork, username: Username) -> Credential | None:
        """Find who has a name. A registration that was not proven in time has it no more."""
        known = CredentialRows(uow.connection).find_by_username(username)
        return None if known is None or is_expired(known, uow.now, self._limits) else known

    def _digest(self, username: Username) -> str:
        return derive_username_digest(self._operator_key, username)


def _derive_decoy(operator_key: OperatorKey, kernel: Kernel) -> Credential:
    """Derive the credential that logins under unknown names are checked against; it opens nothing."""
    seed = operator_key.derive(Purpose.DECOY_CREDENTIAL)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return Credential(
        account=AccountId.from_raw(seed[:RAW_ID_BYTES]),
        username=Username("nobody"),
        login_key=PublicKey(public.hex()),
        kdf=derive_decoy_kdf(operator_key, Username("nobody")),
        totp_salt=seed[:TOTP_SALT_BYTES],
        registered_at=kernel.clock.now(),
        proven=True,
    )
