"""Changes that an account keeps for good: another login key, and its end; one transaction each.

Spec: authentication.md §4, §5.

On PostgreSQL a login may be decided at the same moment. Whoever appends second finds that the head has moved,
and begins again on what is true then; rows of credentials and factors are changed before events are appended,
as a login does, so that no two transactions wait for each other.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from solekey_auth import commands
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, derive_username_digest
from solekey_auth.credentials.login_key import (
    Closing,
    NewLoginKey,
    is_repetition,
    verify_closing,
    verify_new_login_key,
)
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import AuthLimits
from solekey_auth.operator_key import OperatorKey
from solekey_auth.rate_limits.limiter import Attempt, RateLimiter
from solekey_auth.rate_limits.source import Source
from solekey_auth.refusals import KdfTooWeak, LoginRefused
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.transactions import Committed, StaleRowError, Transactions
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import LoginKeyChange, LoginKeyChanged, SessionEnded
from solekey_protocol.ids import AccountId, Digest
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest, SessionOver


class AccountChanges:
    """Changes an account for good. Each change asks for the password again, by a signature of its key."""

    def __init__(
        self, kernel: Kernel[AuthConfig], limits: AuthLimits, operator_key: OperatorKey, limiter: RateLimiter
    ) -> None:
        self._operator_key = operator_key
        self._limiter = limiter
        self._transactions = Transactions(kernel, limits)

    def change_login_key(self, caller: Caller, request: NewLoginKey, source: Source) -> Event:
        """Replace the login key; the same request again is answered the same. The challenge is used up.

        Raises:
            LoginRefused, TooManyAttempts: the present password was not proven, or too often not.
            KdfTooWeak, BadRequest, SessionOver: see domain.decide.
        """
        return self._transactions.run(partial(self._change, caller, request, source))

    def close(self, caller: Caller, request: Closing, source: Source) -> Event:
        """Close the account for ever and delete what it was logged in to with.

        Raises:
            LoginRefused, TooManyAttempts: the password was not proven, or too often not.
            SessionOver: see domain.decide.
        """
        return self._transactions.run(partial(self._close, caller, request, source))

    def _change(self, caller: Caller, request: NewLoginKey, source: Source, uow: UnitOfWork) -> Event:
        rows = CredentialRepository(uow.connection)
        present = rows.require(caller.account, SessionOver("the account was closed"))
        attempt = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, request.challenge)
        if is_repetition(request, present):
            before = _find_change(uow, caller.account, request.reason)
            if before is not None:
                return before
        try:
            verify_new_login_key(request, present, challenge_is_live=is_live)
            state = replace(self._transactions.read(uow, caller.account), credential=present)
            command = commands.ChangeLoginKey(caller.session, request.login_key, request.kdf, request.reason)
            bodies = self._transactions.decide(uow, state, command)
        except LoginRefused as refusal:
            raise _count(uow, caller.account, attempt, refusal) from None
        except (KdfTooWeak, BadRequest, SessionOver) as refusal:
            raise Committed(refusal) from None  # the challenge stays used up
        if not rows.replace_login_key(present, request.login_key, request.kdf):
            raise StaleRowError
        events = uow.append(caller.account, state.auth.head, *bodies)
        _end_families(uow, events)
        return events[0]

    def _close(self, caller: Caller, request: Closing, source: Source, uow: UnitOfWork) -> Event:
        rows = CredentialRepository(uow.connection)
        present = rows.require(caller.account, SessionOver("the account was closed"))
        attempt = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, request.challenge)
        try:
            verify_closing(request, present, challenge_is_live=is_live)
            state = self._transactions.read_parked(uow, caller.account)
            bodies = self._transactions.decide(uow, state, commands.CloseAccount(caller.session))
        except LoginRefused as refusal:
            raise _count(uow, caller.account, attempt, refusal) from None
        except SessionOver as refusal:
            raise Committed(refusal) from None
        if not rows.close(present, self._digest(present), uow.now):
            raise StaleRowError
        FactorRepository(uow.connection).delete_all(present.account)
        events = uow.append(caller.account, state.auth.head, *bodies)
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

    def _digest(self, present: Credential) -> str:
        return derive_username_digest(self._operator_key, present.username)


def _count(uow: UnitOfWork, account: AccountId, attempt: Attempt, refusal: LoginRefused) -> Committed:
    LoginRepository(uow.connection).put_failure(account, refusal, uow.now)
    attempt.count()
    return Committed(refusal)


def _find_change(uow: UnitOfWork, account: AccountId, reason: LoginKeyChange) -> Event | None:
    """Find the event that put the present login key in force, if it was a change for this reason."""
    changes = [event for event in uow.events(account) if isinstance(event.body, LoginKeyChanged)]
    newest = changes[-1] if changes else None
    if newest is None or not isinstance(newest.body, LoginKeyChanged):
        return None
    return newest if newest.body.reason is reason else None


def _end_families(uow: UnitOfWork, events: Sequence[Event]) -> None:
    rows = SessionRepository(uow.connection)
    for event in events:
        if isinstance(event.body, SessionEnded):
            rows.close_family(event.body.session, uow.now)
