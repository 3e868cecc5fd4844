"""An account's login key replaced, and the account closed; one transaction each.

Spec: authentication.md §4, §5.

On PostgreSQL a login may be decided at the same moment. Whoever appends second finds that the head has moved,
and begins again on what is true then; rows of credentials and factors are changed before events are appended,
as a login does, so that neither waits for the other in a circle.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from solekey_auth import commands
from solekey_auth.closed_names import ClosedNameRows
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import Credential, derive_username_digest
from solekey_auth.credentials.login_key import (
    Closing,
    NewLoginKey,
    is_repetition,
    verify_closing,
    verify_new_login_key,
)
from solekey_auth.credentials.repository import CredentialRows, LoginRows, TokenRows
from solekey_auth.domain import AccountState, decide
from solekey_auth.factors.repository import PasskeyRows
from solekey_auth.rate_limits.limiter import Attempt, Brake, DeviceRows
from solekey_auth.rate_limits.source import Source
from solekey_auth.recovery_rows import PendingTotpRows, RecoveryRows
from solekey_auth.refusals import KdfTooWeak, LoginRefused
from solekey_auth.retry import LostRaceError, run_transaction
from solekey_auth.sessions.sessions import read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import auth as events
from solekey_protocol.ids import AccountId, Digest
from solekey_service.http import Caller
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest, Refusal, SessionOver


class AccountChanges:
    """What changes an account for good. Each asks for the password again, by a signature of its key."""

    def __init__(self, kernel: Kernel, config: AuthConfig) -> None:
        self._kernel = kernel
        self._limits = config.limits
        self._operator_key = config.open_operator_key()
        self._brake = Brake(config)

    def change_login_key(self, caller: Caller, asked: NewLoginKey, source: Source) -> Event:
        """Put another login key in force; the same again is answered the same. The challenge is used up.

        Raises:
            LoginRefused, TooManyAttempts: the present password was not proven, or too often not.
            KdfTooWeak, BadRequest, SessionOver: see domain.decide.
        """
        return self._run(partial(self._change, caller, asked, source))

    def close(self, caller: Caller, asked: Closing, source: Source) -> Event:
        """Close the account for ever and forget what it was logged in to with.

        Raises:
            LoginRefused, TooManyAttempts: the password was not proven, or too often not.
            SessionOver: see domain.decide.
        """
        return self._run(partial(self._close, caller, asked, source))

    def _run(self, work: "partial[Event | Refusal]") -> Event:
        outcome = run_transaction(self._kernel.store, work)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    def _change(self, caller: Caller, asked: NewLoginKey, source: Source, uow: UnitOfWork) -> Event | Refusal:
        present = _require_credential(uow, caller.account)
        tried = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, asked.challenge)
        if is_repetition(asked, present):
            before = _find_change(uow, caller.account, asked.reason)
            if before is not None:
                return before
        try:
            verify_new_login_key(asked, present, challenge_is_live=is_live)
            self._kernel.streams.require_free(uow, caller.account)
            state = replace(read_state(self._kernel, uow, caller.account), credential=present)
            command = commands.ChangeLoginKey(caller.session, asked.login_key, asked.kdf, asked.reason)
            bodies = decide(state, command, uow.now, self._limits)
        except LoginRefused as refusal:
            return _count(uow, caller.account, tried, refusal)
        except (KdfTooWeak, BadRequest, SessionOver) as refusal:
            return refusal  # the challenge stays used up
        if not CredentialRows(uow.connection).replace_login_key(present, asked.login_key, asked.kdf):
            raise LostRaceError
        events = uow.append(caller.account, state.auth.head, *bodies)
        _end_families(uow, events)
        return events[0]

    def _close(self, caller: Caller, asked: Closing, source: Source, uow: UnitOfWork) -> Event | Refusal:
        present = _require_credential(uow, caller.account)
        tried = self._begin(uow, present, caller, source)
        is_live = self._take_challenge(uow, present, asked.challenge)
        try:
            verify_closing(asked, present, challenge_is_live=is_live)
            state = read_state(self._kernel, uow, caller.account)
            bodies = decide(state, commands.CloseAccount(caller.session), uow.now, self._limits)
        except LoginRefused as refusal:
            return _count(uow, caller.account, tried, refusal)
        except SessionOver as refusal:
            return refusal
        self._forget(uow, present)
        events = uow.append(caller.account, state.auth.head, *bodies)
        _end_families(uow, events)
        DeviceRows(uow.connection).forget_all(caller.account)
        return events[-1]

    def _begin(self, uow: UnitOfWork, present: Credential, caller: Caller, source: Source) -> Attempt:
        """Begin what may be a guess of the password: it counts with the logins of this device."""
        name = derive_username_digest(self._operator_key, present.username)
        return self._brake.begin_login(uow, name, caller.account, caller.device, source)

    def _take_challenge(self, uow: UnitOfWork, present: Credential, challenge: Digest) -> bool:
        name = derive_username_digest(self._operator_key, present.username)
        return LoginRows(uow.connection).take_challenge(challenge, name, uow.now)

    def _forget(self, uow: UnitOfWork, present: Credential) -> None:
        if not CredentialRows(uow.connection).delete_closed(present):
            raise LostRaceError
        name = derive_username_digest(self._operator_key, present.username)
        ClosedNameRows(uow.connection).put(name, uow.now)
        PasskeyRows(uow.connection).delete_all(present.account)
        RecoveryRows(uow.connection).delete_all(present.account)
        PendingTotpRows(uow.connection).delete(present.account)


def require_unchanged(uow: UnitOfWork, judged: Credential, state: AccountState) -> AccountState:
    """Return a state, read before, on which a login with this credential may be decided.

    If the login key was replaced before the state was read, it is seen here; if afterwards, the head moves.

    Raises:
        LostRaceError: the login key was replaced while the login was judged.
    """
    now = CredentialRows(uow.connection).find_by_account(judged.account)
    if now is None or now.login_key != judged.login_key:
        raise LostRaceError
    return state


def _require_credential(uow: UnitOfWork, account: AccountId) -> Credential:
    credential = CredentialRows(uow.connection).find_by_account(account)
    if credential is None:
        raise SessionOver("the account was closed")
    return credential


def _count(uow: UnitOfWork, account: AccountId, tried: Attempt, refusal: LoginRefused) -> LoginRefused:
    LoginRows(uow.connection).put_failure(account, refusal.stage, uow.now)
    tried.count()
    return refusal


def _find_change(uow: UnitOfWork, account: AccountId, reason: events.LoginKeyChange) -> Event | None:
    """Find the event that put the present login key in force, if it was a change for this reason."""
    changes = [event for event in uow.events(account) if isinstance(event.body, events.LoginKeyChanged)]
    newest = changes[-1] if changes else None
    if newest is None or not isinstance(newest.body, events.LoginKeyChanged):
        return None
    return newest if newest.body.reason is reason else None


def _end_families(uow: UnitOfWork, appended: Sequence[Event]) -> None:
    for event in appended:
        if isinstance(event.body, events.SessionEnded):
            TokenRows(uow.connection).close_family(event.body.session, uow.now)
