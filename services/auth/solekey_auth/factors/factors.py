"""The second factors of accounts: listed, removed, proven again; one transaction each.

Spec: factors.md §2.1, §5, §6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.domain import decide_removal, decide_step_up
from solekey_auth.factors.proof import Proof, Verifier
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import CHALLENGE_BYTES, AuthLimits
from solekey_auth.operator_key import OperatorKey, Purpose
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_auth.refusals import LoginRefused
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import Factor, LoginStage
from solekey_protocol.ids import AccountId, Digest, Timestamp
from solekey_protocol.streams import AuthStream
from solekey_service.event_rate import verify_pace
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.transaction import Committed, in_transaction

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
        verifier: Verifier,
    ) -> None:
        self._kernel = kernel
        self._limits = limits
        self._operator_key = operator_key
        self._limiter = limiter
        self._verifier = verifier

    def find_all(self, account: AccountId) -> Sequence[EnrolledFactor]:
        """List the factors, in the order of their enrolment."""
        with self._kernel.store.read() as uow:
            auth = self._kernel.streams.fold_parked(uow, account, AuthStream)
            rows = FactorRepository(uow.connection)
            names = {passkey.factor_id: passkey.name for passkey in rows.find_passkeys(account)}
            left = rows.count_codes(account)
        return [
            EnrolledFactor(
                factor,
                factor_id,
                auth.enrolled_at[factor_id],
                names.get(factor_id),
                left if factor is Factor.RECOVERY_CODES else None,
            )
            for factor_id, factor in auth.factors.items()
        ]

    @in_transaction
    def remove(self, uow: UnitOfWork, account: AccountId, factor_id: Digest) -> Event:
        """Remove a factor: it opens no session and no step-up any more.

        Raises:
            NotFound, FactorRequired: see domain.decide_removal.
        """
        auth = self._kernel.streams.fold(uow, account, AuthStream)
        bodies = decide_removal(auth, factor_id, self._limits)
        rows = FactorRepository(uow.connection)
        rows.delete_passkey(account, factor_id)  # rows before events, as a login does
        if auth.factors[factor_id] is Factor.RECOVERY_CODES:
            rows.delete_codes(account)
        (event,) = uow.append(account, auth.head, *bodies)
        return event

    def make_challenge(self, caller: Caller) -> StepUpChallenge:
        """Make a challenge for a step-up of this session."""
        challenge = self._kernel.random(CHALLENGE_BYTES).hex()
        with self._kernel.store.begin() as uow:
            LoginRepository(uow.connection).put_challenge(
                challenge, self._derive_purpose(caller), uow.now + self._limits.challenge
            )
            passkeys = FactorRepository(uow.connection).find_passkeys(caller.account)
        return StepUpChallenge(challenge, [passkey.credential for passkey in passkeys])

    @in_transaction
    def step_up(self, uow: UnitOfWork, caller: Caller, challenge: str, proof: Proof) -> Event:
        """Accept a second factor that is proven again. The challenge is used up in any case.

        Raises:
            LoginRefused: the proof or the challenge is wrong; the answer does not say which one.
            TooManyAttempts: too many were wrong. RateLimited: the account's stream grows too fast.
        """
        attempt = self._limiter.begin_step_up(uow, caller.account, caller.device)
        is_live = LoginRepository(uow.connection).take_challenge(
            challenge, self._derive_purpose(caller), uow.now
        )
        credential = CredentialRepository(uow.connection).find(caller.account)
        refusal = LoginRefused(LoginStage.SECOND_FACTOR)
        if credential is None:
            raise Committed(refusal)
        rows = FactorRepository(uow.connection)
        proven = self._verifier.find_proven(proof, challenge, rows.find_checked(credential, proof), uow.now)
        auth = self._kernel.streams.fold_parked(uow, caller.account, AuthStream)
        if proven is None or not is_live or proven.use.factor_id not in auth.factors:
            attempt.count()
            raise Committed(refusal)
        rows.use(caller.account, proven, uow.now)
        bodies = decide_step_up(auth, caller.session, proven.use)
        verify_pace(uow, caller.account, auth.head, self._kernel.config, urgent=True)
        return uow.append(caller.account, auth.head, *bodies)[-1]

    def _derive_purpose(self, caller: Caller) -> str:
        """Derive what a challenge is good for: this session's step-up and nothing else."""
        return self._operator_key.derive(Purpose.CEREMONY, _STEP_UP, caller.session.encode()).hex()
