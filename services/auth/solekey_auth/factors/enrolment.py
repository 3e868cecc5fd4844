"""Factors of which an account has one at a time: a new one takes the place of the one before.

Spec: factors.md §4, §2.2. One transaction each.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential
from solekey_auth.credentials.repository import CredentialRows
from solekey_auth.domain import decide
from solekey_auth.factors.recovery_codes import (
    CODE_BYTES,
    RecoverySet,
    derive_code_digest,
    encode_codes,
    parse_recovery_code,
)
from solekey_auth.factors.totp import TotpSecret, derive_secret, derive_totp_id, encode_uri, find_step
from solekey_auth.limits import RECOVERY_CODES, RECOVERY_SALT_BYTES, TOTP_SALT_BYTES
from solekey_auth.rate_limits.limiter import Brake
from solekey_auth.recovery_rows import PendingTotpRows, RecoveryRows
from solekey_auth.refusals import LoginRefused
from solekey_auth.retry import run_transaction
from solekey_auth.sessions.sessions import read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import Factor, LoginStage
from solekey_protocol.ids import AccountId, Digest
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound


@dataclass(frozen=True, slots=True)
class NewCodes:
    """A new set of recovery codes, for the user's eyes; it can be told only now."""

    factor_id: Digest
    codes: tuple[str, ...] = field(repr=False)
    auth_seq: int


@dataclass(frozen=True, slots=True)
class NewTotp:
    """An authenticator that waits for a code of it, for the user's eyes."""

    factor_id: Digest
    secret: TotpSecret = field(repr=False)
    uri: str = field(repr=False)


class Replacements:
    """Puts recovery codes and authenticators in the place of those before."""

    def __init__(self, kernel: Kernel, config: AuthConfig) -> None:
        self._kernel = kernel
        self._issuer = config.totp_issuer
        self._limits = config.limits
        self._operator_key = config.open_operator_key()
        self._brake = Brake(config)

    def make_codes(self, account: AccountId) -> NewCodes:
        """Make a set of recovery codes; those of the set before work no more.

        Raises:
            NotFound: the account was closed.
        """
        codes = encode_codes(self._kernel.random(RECOVERY_CODES * CODE_BYTES))
        salt = self._kernel.random(RECOVERY_SALT_BYTES)
        digests = (
            derive_code_digest(self._operator_key, account, salt, parse_recovery_code(code)) for code in codes
        )
        kept = RecoverySet(salt, tuple(digests))
        event = run_transaction(self._kernel.store, partial(self._put_codes, account, kept))
        return NewCodes(kept.factor_id, codes, event.seq)

    def make_totp(self, account: AccountId) -> NewTotp:
        """Make the secret of another authenticator; the one before stays in force until it is confirmed.

        Raises:
            NotFound: the account was closed.
        """
        salt = self._kernel.random(TOTP_SALT_BYTES)
        new = run_transaction(self._kernel.store, partial(self._put_pending, account, salt))
        secret = derive_secret(self._operator_key, new)
        return NewTotp(derive_totp_id(new), secret, encode_uri(secret, new, self._issuer))

    def confirm_totp(self, caller: Caller, code: str) -> Event:
        """Put the authenticator that waits in force: a code of it shows that the user's app has it.

        Raises:
            NotFound: none waits.
            LoginRefused: the code is not its.
            TooManyAttempts: too many were wrong.
        """
        outcome = run_transaction(self._kernel.store, partial(self._confirm, caller, code))
        if isinstance(outcome, LoginRefused):
            raise outcome
        return outcome

    def _put_codes(self, account: AccountId, codes: RecoverySet, uow: UnitOfWork) -> Event:
        event = self._replace(uow, account, Factor.RECOVERY_CODES, codes.factor_id)
        RecoveryRows(uow.connection).put(account, codes)
        return event

    def _put_pending(self, account: AccountId, salt: bytes, uow: UnitOfWork) -> Credential:
        credential = _require_credential(uow, account)
        PendingTotpRows(uow.connection).put(account, salt, uow.now + self._limits.pending_totp)
        return replace(credential, totp_salt=salt)

    def _confirm(self, caller: Caller, code: str, uow: UnitOfWork) -> Event | LoginRefused:
        tried = self._brake.begin_step_up(uow, caller.account, caller.device)
        pending = PendingTotpRows(uow.connection)
        salt = pending.find(caller.account, uow.now)
        if salt is None:
            raise NotFound("no authenticator waits to be confirmed; begin again")
        new = replace(_require_credential(uow, caller.account), totp_salt=salt)
        step = find_step(derive_secret(self._operator_key, new), code, uow.now)
        if step is None:
            tried.count()
            return LoginRefused(LoginStage.SECOND_FACTOR)
        CredentialRows(uow.connection).replace_totp(caller.account, salt, step)  # first, as a login does
        pending.delete(caller.account)
        return self._replace(uow, caller.account, Factor.TOTP, derive_totp_id(new))

    def _replace(self, uow: UnitOfWork, account: AccountId, factor: Factor, factor_id: Digest) -> Event:
        self._kernel.streams.require_free(uow, account)
        state = read_state(self._kernel, uow, account)
        bodies = decide(state, asked.ReplaceFactor(factor, factor_id), uow.now, self._limits)
        return uow.append(account, state.auth.head, *bodies)[-1]


def _require_credential(uow: UnitOfWork, account: AccountId) -> Credential:
    credential = CredentialRows(uow.connection).find_by_account(account)
    if credential is None:
        raise NotFound("the account has no login any more")
    return credential
