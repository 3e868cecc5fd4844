"""What auth takes away when an own event comes back from the log, as its database was restored older.

The rows are as old as the backup. What they gave and an event has taken since is not given again; what an
event has brought since (another password, another factor) is not in any event, and stays lost. Spec:
events.md §8.4.
"""

from solekey_auth.config import AuthConfig
from solekey_auth.credentials.credential import derive_username_digest
from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.operator_key import OperatorKeys
from solekey_auth.sessions.repository import SessionRepository
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events.auth import MfaRemoved, SessionEnded
from solekey_service.kernel import Kernel


class Recoveries:
    """Takes away, in the transaction that takes the event back."""

    def __init__(self, kernel: Kernel[AuthConfig], operator_keys: OperatorKeys) -> None:
        self._kernel = kernel
        self._operator_keys = operator_keys

    def end_session(self, uow: UnitOfWork, event: Event) -> None:
        """End the refresh tokens of a session that has ended."""
        if isinstance(event.body, SessionEnded):
            SessionRepository(uow.connection).close_family(event.body.session, uow.now)

    def delete_codes(self, uow: UnitOfWork, event: Event) -> None:
        """Delete all recovery codes of an account that has used one: which one, no event says."""
        FactorRepository(uow.connection).delete_codes(event.account)

    def delete_factor(self, uow: UnitOfWork, event: Event) -> None:
        """Delete a passkey that was removed."""
        if isinstance(event.body, MfaRemoved):
            FactorRepository(uow.connection).delete_passkey(event.account, event.body.factor_id)

    def close_account(self, uow: UnitOfWork, event: Event) -> None:
        """Delete what a closed account was logged in to with; its name is not given again."""
        rows = CredentialRepository(uow.connection)
        if (present := rows.find(event.account)) is not None:
            name = derive_username_digest(self._operator_keys.present, present.username)
            rows.close(present, name, self._operator_keys.number, uow.now)
        FactorRepository(uow.connection).delete_all(event.account)
        rows.delete_known_devices(event.account)
