"""Second factors of an account that is logged in: listed, removed, proven again; one transaction each.

Spec: factors.md §5, §6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRows, LoginRows
from solekey_auth.domain import decide
from solekey_auth.factor_book import FactorBook
from solekey_auth.factors.proof import Proof, find_codes_left, find_proven
from solekey_auth.factors.repository import PasskeyRows
from solekey_auth.limits import CHALLENGE_BYTES
from solekey_auth.operator_key import Purpose
from solekey_auth.rate_limits.limiter import Brake
from solekey_auth.recovery_rows import RecoveryRows
from solekey_auth.refusals import LoginRefused
from solekey_auth.retry import run_transaction
from solekey_auth.sessions.sessions import read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import Factor, LoginStage, MfaEnrolled
from solekey_protocol.ids import AccountId, Digest, Timestamp
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
    """What a passkey signs to prove itself again; a code only says it."""

    challenge: str = field(repr=False)
    credentials: Sequence[bytes] = field(repr=False)


class Factors:
    """Which second factors there are, and that they are there still."""

    def __init__(self, kernel: Kernel, config: AuthConfig, book: FactorBook) -> None:
        self._kernel = kernel
        self._limits = config.limits
        self._operator_key = config.open_operator_key()
        self._brake = Brake(config)
        self._book = book

    def find_all(self, account: AccountId) -> Sequence[EnrolledFactor]:
        """List the factors, in the order of their enrolment."""
        with self._kernel.store.read() as uow:
            factors = read_state(self._kernel, uow, account).auth.factors
            enrolled = {
                event.body.factor_id: event.time
                for event in uow.events(account)
                if isinstance(event.body, MfaEnrolled)
            }
            passkeys = PasskeyRows(uow.connection).find_all(account)
            left = RecoveryRows(uow.connection).count(account)
        names = {passkey.factor_id: passkey.name for passkey in passkeys}
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
        return run_transaction(self._kernel.store, partial(self._remove, account, factor_id))

    def challenge(self, caller: Caller) -> StepUpChallenge:
        """Make a challenge for a step-up of this session."""
        challenge = self._kernel.random(CHALLENGE_BYTES).hex()
        with self._kernel.store.begin() as uow:
            LoginRows(uow.connection).put_challenge(
                challenge, self._derive_name(caller), uow.now + self._limits.challenge
            )
            passkeys = PasskeyRows(uow.connection).find_all(caller.account)
        return StepUpChallenge(challenge, [passkey.credential for passkey in passkeys])

    def step_up(self, caller: Caller, challenge: str, proof: Proof) -> Event:
        """Take a second factor that is proven again. The challenge is used up, whatever follows.

        Raises:
            LoginRefused: the proof or the challenge is wrong; which one is not said.
            TooManyAttempts: too many were wrong.
        """
        outcome = run_transaction(self._kernel.store, partial(self._step_up, caller, challenge, proof))
        if isinstance(outcome, LoginRefused):
            raise outcome
        return outcome

    def _remove(self, account: AccountId, factor_id: Digest, uow: UnitOfWork) -> Event:
        self._kernel.streams.require_free(uow, account)
        state = read_state(self._kernel, uow, account)
        bodies = decide(state, asked.RemoveFactor(factor_id), uow.now, self._limits)
        PasskeyRows(uow.connection).delete(account, factor_id)  # first, as a login does
        if state.auth.factors[factor_id] is Factor.RECOVERY_CODES:
            RecoveryRows(uow.connection).delete_all(account)
        (event,) = uow.append(account, state.auth.head, *bodies)
        return event

    def _step_up(self, caller: Caller, challenge: str, proof: Proof, uow: UnitOfWork) -> Event | LoginRefused:
        tried = self._brake.begin_step_up(uow, caller.account, caller.device)
        is_live = LoginRows(uow.connection).take_challenge(challenge, self._derive_name(caller), uow.now)
        credential = CredentialRows(uow.connection).find_by_account(caller.account)
        refusal = LoginRefused(LoginStage.SECOND_FACTOR)
        if credential is None:
            return refusal
        against = self._book.find_checked(uow, credential, proof)
        proven = find_proven(proof, challenge, against, uow.now)
        state = read_state(self._kernel, uow, caller.account)
        if proven is None or not is_live or proven.factor_id not in state.auth.factors:
            tried.count()
            return refusal
        self._book.use(uow, caller.account, proven)
        left = find_codes_left(proven)
        command = asked.StepUp(caller.session, proven.factor, proven.factor_id, left)
        events = uow.append(caller.account, state.auth.head, *decide(state, command, uow.now, self._limits))
        return events[-1]

    def _derive_name(self, caller: Caller) -> str:
        """Derive the name that a challenge is kept under: good for this session and for nothing else."""
        return self._operator_key.derive(Purpose.CEREMONY, _STEP_UP, caller.session.encode()).hex()
