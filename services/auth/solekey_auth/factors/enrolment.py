"""Second factors as they are added: passkeys beside others, codes and authenticators in place of others.

Spec: factors.md §3.2, §4, §2.2. One transaction each.
"""

from dataclasses import dataclass, field
from typing import Final

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.domain import decide_passkey, decide_replacement
from solekey_auth.factors.passkeys import (
    Passkey,
    RelyingParty,
    VerifiedCredential,
    make_creation_options,
    read_challenge,
    verify_registration,
)
from solekey_auth.factors.recovery_codes import (
    CODE_BYTES,
    RecoverySet,
    derive_code_digest,
    encode_codes,
    parse_recovery_code,
)
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.factors.totp import TotpSecret, derive_secret, derive_totp_id, encode_uri, find_step
from solekey_auth.limits import (
    CHALLENGE_BYTES,
    RECOVERY_CODES,
    RECOVERY_SALT_BYTES,
    TOTP_SALT_BYTES,
    AuthLimits,
)
from solekey_auth.operator_key import OperatorKeys, Purpose
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.refusals import LoginRefused, PasskeyRefused, PasskeysUnavailable, PasskeyTaken
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.auth import Factor, LoginStage
from solekey_protocol.ids import AccountId, Digest
from solekey_protocol.streams import AuthStream
from solekey_service.event_rate import verify_pace
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound
from solekey_service.transaction import Committed, in_transaction

_CREATION: Final = b"passkey-creation"


@dataclass(frozen=True, slots=True)
class NewCodes:
    """A new set of recovery codes, for the user's eyes; it can be shown only now."""

    factor_id: Digest
    codes: tuple[str, ...] = field(repr=False)
    auth_seq: int


@dataclass(frozen=True, slots=True)
class NewTotp:
    """An authenticator to be confirmed by one of its codes, for the user's eyes."""

    factor_id: Digest
    secret: TotpSecret = field(repr=False)
    uri: str = field(repr=False)


class Enrolment:
    """Adds second factors to accounts that are logged in.

    Args:
        kernel, limits, operator_keys, limiter: the service's.
        totp_issuer: what authenticator apps show beside the username.
        party: for whom passkeys are made; None where there can be none.
    """

    def __init__(
        self,
        kernel: Kernel[AuthConfig],
        limits: AuthLimits,
        operator_keys: OperatorKeys,
        limiter: RateLimiter,
        *,
        totp_issuer: str,
        party: RelyingParty | None,
    ) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_keys = operator_keys
        self._limiter = limiter
        self._totp_issuer = totp_issuer
        self._party = party

    def make_passkey_options(self, caller: Caller) -> dict[str, Json]:
        """Make the options of a new passkey, with a challenge for this session alone.

        Raises:
            PasskeysUnavailable: the server is reached by an address.
            NotFound: the account was closed.
        """
        party = self._require_party()
        challenge = self._kernel.random(CHALLENGE_BYTES)
        with self._kernel.store.begin() as uow:
            credential = CredentialRepository(uow.connection).require(caller.account, _closed())
            known = FactorRepository(uow.connection).find_passkeys(caller.account)
            LoginRepository(uow.connection).put_challenge(
                challenge.hex(), self._derive_purpose(caller), uow.now + self._limits.challenge
            )
        return make_creation_options(party, caller.account, credential.username, challenge, known)

    def add_passkey(self, caller: Caller, name: str, client_data: bytes, attestation: bytes) -> Event:
        """Add a passkey. Its challenge is used up in any case.

        Raises:
            PasskeysUnavailable, PasskeyRefused, PasskeyTaken, TooManyPasskeys: see refusals.
        """
        party = self._require_party()
        challenge = read_challenge(client_data)
        if not self._take_challenge(caller, challenge):
            raise PasskeyRefused("the challenge is unknown, used, or too old; fetch new options")
        new = verify_registration(party, challenge, client_data, attestation)
        return self._put_passkey(caller.account, name, new)

    def make_codes(self, account: AccountId) -> NewCodes:
        """Make a set of recovery codes; those of the set before stop working.

        Raises:
            NotFound: the account was closed.
        """
        codes = encode_codes(self._kernel.random(RECOVERY_CODES * CODE_BYTES))
        salt = self._kernel.random(RECOVERY_SALT_BYTES)
        digests = (
            derive_code_digest(self._operator_keys.present, account, salt, parse_recovery_code(code))
            for code in codes
        )
        kept = RecoverySet(salt, tuple(digests), self._operator_keys.number)
        event = self._put_codes(account, kept)
        return NewCodes(kept.factor_id, codes, event.seq)

    def make_totp(self, account: AccountId) -> NewTotp:
        """Make the secret of another authenticator; the one before stays in force until it is confirmed.

        Raises:
            NotFound: the account was closed.
        """
        salt = self._kernel.random(TOTP_SALT_BYTES)
        new = self._put_pending(account, salt)
        secret = derive_secret(self._operator_keys, new)
        return NewTotp(derive_totp_id(new), secret, encode_uri(secret, new, self._totp_issuer))

    @in_transaction
    def confirm_totp(self, uow: UnitOfWork, caller: Caller, code: str) -> Event:
        """Put the authenticator to be confirmed in force: a code of it shows that the user's app has it.

        Raises:
            NotFound: there is none.
            LoginRefused: the code is not from it.
            TooManyAttempts: too many were wrong.
        """
        attempt = self._limiter.begin_step_up(uow, caller.account, caller.device)
        rows = FactorRepository(uow.connection)
        salt = rows.find_pending_totp(caller.account, uow.now)
        if salt is None:
            raise NotFound("no authenticator waits to be confirmed; begin again")
        present = CredentialRepository(uow.connection).require(caller.account, _closed())
        new = present.with_new_totp(salt, self._operator_keys.number)
        step = find_step(derive_secret(self._operator_keys, new), code, uow.now)
        if step is None:
            attempt.count()
            raise Committed(LoginRefused(LoginStage.SECOND_FACTOR))
        # Rows before events, as a login does.
        CredentialRepository(uow.connection).replace_totp(new, step)
        rows.delete_pending_totp(caller.account)
        return self._replace(uow, caller.account, Factor.TOTP, derive_totp_id(new))

    @in_transaction
    def _put_passkey(self, uow: UnitOfWork, account: AccountId, name: str, new: VerifiedCredential) -> Event:
        rows = FactorRepository(uow.connection)
        passkey = Passkey(account, new.credential, new.public_key, new.sign_count, name, uow.now)
        auth = self._kernel.streams.fold(uow, account, AuthStream)
        if rows.find_passkey(passkey.factor_id) is not None:
            raise PasskeyTaken("remove it where it is, or use another security key")
        verify_pace(uow, account, auth.head, self._kernel.config, urgent=True)
        (event,) = uow.append(account, auth.head, *decide_passkey(auth, passkey.factor_id))
        rows.put_passkey(passkey)
        return event

    @in_transaction
    def _put_codes(self, uow: UnitOfWork, account: AccountId, codes: RecoverySet) -> Event:
        event = self._replace(uow, account, Factor.RECOVERY_CODES, codes.factor_id)
        FactorRepository(uow.connection).put_codes(account, codes)
        return event

    @in_transaction
    def _put_pending(self, uow: UnitOfWork, account: AccountId, salt: bytes) -> Credential:
        credential = CredentialRepository(uow.connection).require(account, _closed())
        FactorRepository(uow.connection).put_pending_totp(account, salt, uow.now + self._limits.pending_totp)
        return credential.with_new_totp(salt, self._operator_keys.number)

    def _replace(self, uow: UnitOfWork, account: AccountId, factor: Factor, factor_id: Digest) -> Event:
        auth = self._kernel.streams.fold(uow, account, AuthStream)
        verify_pace(uow, account, auth.head, self._kernel.config, urgent=True)
        return uow.append(account, auth.head, *decide_replacement(auth, factor, factor_id))[-1]

    def _take_challenge(self, caller: Caller, challenge: bytes) -> bool:
        with self._kernel.store.begin() as uow:
            rows = LoginRepository(uow.connection)
            return rows.take_challenge(challenge.hex(), self._derive_purpose(caller), uow.now)

    def _derive_purpose(self, caller: Caller) -> str:
        """Derive what a challenge is good for: a new passkey of this session and nothing else."""
        return self._operator_keys.present.derive(Purpose.CEREMONY, _CREATION, caller.session.encode()).hex()

    def _require_party(self) -> RelyingParty:
        if self._party is None:
            raise PasskeysUnavailable("passkeys need a server with a host name; it is reached by an address")
        return self._party


def _closed() -> NotFound:
    return NotFound("the account has no login any more")
