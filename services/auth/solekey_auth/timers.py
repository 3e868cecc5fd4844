"""What the service does at intervals: each run may be interrupted, repeated, or made by several processes.

Spec: tokens.md §6.3.
"""

from typing import Final

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.repository import CredentialRepository, LoginRepository
from solekey_auth.domain import decide_failures
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import AuthLimits
from solekey_auth.rate_limits.limiter import purge_buckets
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.sessions.sessions import Sessions
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import AuthStream
from solekey_service.kernel import Kernel
from solekey_service.transaction import in_transaction

_PER_RUN: Final = 200
"""Accounts or sessions of one run; the next run goes on."""


class Timers:
    """Ends what expired, reports what failed, deletes what cannot matter any more."""

    def __init__(self, kernel: Kernel[AuthConfig], limits: AuthLimits, sessions: Sessions) -> None:
        self._kernel = kernel
        self._limits = limits
        self._sessions = sessions

    def expire_sessions(self) -> int:
        """End the sessions that were not refreshed in time; return how many were looked at."""
        with self._kernel.store.read() as uow:
            idle = SessionRepository(uow.connection).find_idle(uow.now, _PER_RUN)
        for account, session in idle:
            self._sessions.expire(account, session)
        return len(idle)

    def report_failed_logins(self) -> int:
        """Put failed logins into the event logs of their accounts; return how many accounts.

        Not done while the login is answered: an unknown name would be answered sooner.
        """
        with self._kernel.store.read() as uow:
            accounts = LoginRepository(uow.connection).find_unreported(_PER_RUN)
        for account in accounts:
            self._report(account)
        return len(accounts)

    def purge(self) -> None:
        """Delete private rows that cannot matter any more."""
        with self._kernel.store.begin() as uow:
            LoginRepository(uow.connection).purge(uow.now)
            purge_buckets(uow)
            SessionRepository(uow.connection).purge(uow.now)
            FactorRepository(uow.connection).purge(uow.now)
            rows = CredentialRepository(uow.connection)
            rows.purge_known_devices(uow.now - self._limits.known_device)
            rows.delete_unproven(uow.now - self._limits.unproven_registration, uow.now)

    @in_transaction
    def _report(self, uow: UnitOfWork, account: AccountId) -> None:
        stages = LoginRepository(uow.connection).take_unreported(account)
        auth = self._kernel.streams.fold_parked(uow, account, AuthStream)
        uow.append(account, auth.head, *decide_failures(auth, stages))
