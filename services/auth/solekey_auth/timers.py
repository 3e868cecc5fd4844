"""What the service does at intervals: each run may be interrupted, repeated, or made by several processes.

Spec: tokens.md §6.3.
"""

from functools import partial
from typing import Final

from solekey_auth import commands as asked
from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRows, LoginRows, TokenRows
from solekey_auth.domain import decide
from solekey_auth.rate_limits.limiter import purge_budgets
from solekey_auth.recovery_rows import PendingTotpRows
from solekey_auth.retry import run_transaction
from solekey_auth.sessions.sessions import Sessions, read_state
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_service.kernel import Kernel

_PER_RUN: Final = 200
"""Accounts or sessions of one run; the next run goes on."""


class Timers:
    """Ends what expired, reports what failed, forgets what cannot matter any more."""

    def __init__(self, kernel: Kernel, config: AuthConfig, sessions: Sessions) -> None:
        self._kernel = kernel
        self._limits = config.limits
        self._sessions = sessions

    def expire_sessions(self) -> int:
        """End the sessions that were not refreshed in time; returns how many were looked at."""
        with self._kernel.store.read() as uow:
            idle = TokenRows(uow.connection).idle_sessions(uow.now, _PER_RUN)
        for account, session in idle:
            expire = partial(self._sessions.expire, account=account, session=session)
            run_transaction(self._kernel.store, expire)
        return len(idle)

    def report_failed_logins(self) -> int:
        """Put failed logins into the event logs of their accounts; returns how many accounts.

        Not done while the login is answered: a name that nobody has would be answered sooner.
        """
        with self._kernel.store.read() as uow:
            accounts = LoginRows(uow.connection).unreported_accounts(_PER_RUN)
        for account in accounts:
            run_transaction(self._kernel.store, partial(self._report, account=account))
        return len(accounts)

    def purge(self) -> None:
        """Delete private rows that cannot matter any more."""
        with self._kernel.store.begin() as uow:
            LoginRows(uow.connection).purge(uow.now)
            purge_budgets(uow, self._limits)
            TokenRows(uow.connection).purge(uow.now)
            PendingTotpRows(uow.connection).purge(uow.now)
            CredentialRows(uow.connection).delete_unproven(
                uow.now - self._limits.unproven_registration, uow.now
            )

    def _report(self, uow: UnitOfWork, account: AccountId) -> None:
        stages = LoginRows(uow.connection).take_unreported(account)
        state = read_state(self._kernel, uow, account)
        bodies = decide(state, asked.ReportFailedLogins(tuple(stages)), uow.now, self._limits)
        if bodies:
            uow.append(account, state.auth.head, *bodies)
