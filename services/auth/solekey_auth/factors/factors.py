"""The second factors of accounts: checked, used up, listed, removed, proven again; one transaction each.

Spec: factors.md §2.1, §5, §6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from solekey_auth import commands
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.factors.passkeys import Assertion, RelyingParty
from solekey_auth.factors.proof import (
    Checked,
    Proof,
    Proven,
    ProvenPasskey,
    ProvenRecoveryCode,
    ProvenTotp,
    RecoveryProof,
    find_codes_left,
    find_proven,
)
from solekey_auth.factors.recovery_codes import NO_CODES, derive_code_digest
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.factors.totp import derive_last_credible_step, derive_secret
from solekey_auth.limits import CHALLENGE_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.refusals import LoginRefused
from solekey_auth.transactions import Committed, StaleRowError, Transactions
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import Factor, LoginStage, MfaEnrolled
from solekey_protocol.ids import AccountId, Digest, Timestamp, compute_digest
from solekey_service.http import Caller
from solekey_service.kernel import Kernel

_STEP_UP: Final = b"step-up"


@dataclass(frozen=True, slots=True)
class EnrolledFactor:
    """A second factor of an account.

    Attributes:
        factor, factor_id, enrolled_at: as in its event.
        name: of a passkey, as its user gave it.
        codes_left: of a set of recovery codes: how many are not used.
    """

    factor: Factor
    factor_id: Digest
    enrolled_at: Timestamp
    name: str | None = field(default=None, repr=False)
    codes_left: int | None = None


@dataclass(frozen=True, slots=True)
class StepUpChallenge:
    """What a passkey signs to prove itself again; codes sign nothing."""

    challenge: str = field(repr=False)
    credentials: Sequence[bytes] = field(repr=False)


class Factors:
    """The second factors that there are."""

    def __init__(
        self,
        kernel: Kernel[AuthConfig],
        limits: AuthLimits,
        operator_key: OperatorKey,
        limiter: RateLimiter,
        party: RelyingParty | None,
    ) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_key = operator_key
        self._limiter = limiter
        self._party = party
        self._transactions = Transactions(kernel, limits)

    def find_checked(self, uow: UnitOfWork, credential: Credential, proof: Proof) -> Checked:
        """Find what a proof is checked against. A decoy's rows are looked for like anybody's."""
        rows, passkey, codes, code_digest = FactorRepository(uow.connection), None, NO_CODES, None
        if isinstance(proof, Assertion):
            found = rows.find_passkey(compute_digest(proof.credential))
            passkey = found if found is not None and found.account == credential.account else None
        if isinstance(proof, RecoveryProof):
            account = credential.account
            codes = rows.find_codes(account)
            code_digest = derive_code_digest(self._operator_key, account, codes.salt, proof.code)
        secret = derive_secret(self._operator_key, credential)
        return Checked(credential, secret, passkey, self._party, codes, code_digest)

    def use(self, uow: UnitOfWork, account: AccountId, proven: Proven) -> None:
        """Use up what was proven: it counts once. Raises StaleRowError if another transaction did."""
        match proven:
            case ProvenTotp(step=step):
                used = CredentialRepository(uow.connection).take_totp_step(
                    account, step, derive_last_credible_step(uow.now)
                )
            case ProvenRecoveryCode(digest=digest):
                used = FactorRepository(uow.connection).take_code(digest)
            case ProvenPasskey(passkey=passkey, sign_count=sign_count):
                used = FactorRepository(uow.connection).raise_counter(passkey, sign_count, uow.now)
        if not used:
            raise StaleRowError

    def find_all(self, account: AccountId) -> Sequence[EnrolledFactor]:
        """List the factors, in the order of their enrolment."""
        with self._kernel.store.read() as uow:
            factors = self._transactions.read_parked(uow, account).auth.factors
            enrolled = {
                event.body.factor_id: event.time
                for event in uow.events(account)
                if isinstance(event.body, MfaEnrolled)
            }
            rows = FactorRepository(uow.connection)
            names = {passkey.factor_id: passkey.name for passkey in rows.find_passkeys(account)}
            left = rows.count_codes(account)
        return [
            EnrolledFactor(
                factor,
                factor_id,
                enrolled[factor_id],
                names.get(factor_id),
                left if factor is Factor.RECOVERY_CODES else None,
            )
            for factor_id, factor in factors.items()
        ]

    def remove(self, account: AccountId, factor_id: Digest) -> Event:
        """Remove a factor: it opens no session and no step-up any more.

        Raises:
            NotFound, FactorRequired: see domain.decide.
        """
        return self._transactions.run(partial(self._remove, account, factor_id))

    def make_challenge(self, caller: Caller) -> StepUpChallenge:
        """Make a challenge for a step-up of this session."""
        challenge = self._kernel.random(CHALLENGE_BYTES).hex()
        with self._kernel.store.begin() as uow:
            LoginRepository(uow.connection).put_challenge(
                challenge, self._derive_purpose(caller), uow.now + self._limits.challenge
            )
            passkeys = FactorRepository(uow.connection).find_passkeys(caller.account)
        return StepUpChallenge(challenge, [passkey.credential for passkey in passkeys])

    def step_up(self, caller: Caller, challenge: str, proof: Proof) -> Event:
        """Accept a second factor that is proven again. The challenge is used up in any case.

        Raises:
            LoginRefused: the proof or the challenge is wrong; which one is not told.
            TooManyAttempts: too many were wrong.
        """
        return self._transactions.run(partial(self._step_up, caller, challenge, proof))

    def _remove(self, account: AccountId, factor_id: Digest, uow: UnitOfWork) -> Event:
        state = self._transactions.read(uow, account)
        bodies = self._transactions.decide(uow, state, commands.RemoveFactor(factor_id))
        rows = FactorRepository(uow.connection)
        rows.delete_passkey(account, factor_id)  # rows before events, as a login does
        if state.auth.factors[factor_id] is Factor.RECOVERY_CODES:
            rows.delete_codes(account)
        (event,) = uow.append(account, state.auth.head, *bodies)
        return event

    def _step_up(self, caller: Caller, challenge: str, proof: Proof, uow: UnitOfWork) -> Event:
        attempt = self._limiter.begin_step_up(uow, caller.account, caller.device)
        is_live = LoginRepository(uow.connection).take_challenge(
            challenge, self._derive_purpose(caller), uow.now
        )
        credential = CredentialRepository(uow.connection).find(caller.account)
        refusal = LoginRefused(LoginStage.SECOND_FACTOR)
        if credential is None:
            raise Committed(refusal)
        against = self.find_checked(uow, credential, proof)
        proven = find_proven(proof, challenge, against, uow.now)
        state = self._transactions.read_parked(uow, caller.account)
        if proven is None or not is_live or proven.factor_id not in state.auth.factors:
            attempt.count()
            raise Committed(refusal)
        self.use(uow, caller.account, proven)
        left = find_codes_left(proven)
        command = commands.StepUp(caller.session, proven.factor, proven.factor_id, left)
        return self._transactions.append(uow, caller.account, state, command)[-1]

    def _derive_purpose(self, caller: Caller) -> str:
        """Derive what a challenge is good for: this session's step-up and nothing else."""
        return self._operator_key.derive(Purpose.CEREMONY, _STEP_UP, caller.session.encode()).hex()
