"""The rotation service's HTTP API without a framework. Spec: rotation.md §5."""

from solekey_rotation.schedule import make_schedule
from solekey_rotation.statements import RotationStatements
from solekey_service.http import Request, Response
from solekey_service.kernel import Kernel
from solekey_service.statement_flow import StatementFlow
from solekey_service.stream_views import read_events, read_health


class RotationApi:
    """Answers requests for one account at a time: the caller's."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._schedule = make_schedule(kernel)
        self._statements = StatementFlow(kernel, RotationStatements(self._schedule))

    def post_statement(self, request: Request) -> Response:
        """Take a statement for the rotation stream.

        Raises:
            Refusal, ProtocolError: see StatementFlow.take and domain.verify_none_open.
        """
        return self._statements.take(request)

    def get_events(self, request: Request) -> Response:
        """Read the account's rotation stream."""
        return read_events(self.kernel, request, request.authenticated.account)

    def get_health(self) -> Response:
        """Tell whether the service can be relied on."""
        return read_health(self.kernel)

    def announce_due(self) -> int:
        """Say of each key that has become too old that its rotation is due; returns how many were said."""
        return self._schedule.announce_due()

    def rebuild_key_ages(self) -> None:
        """Make the read model of the key ages from zero."""
        with self.kernel.store.begin() as uow:
            self._schedule.rebuild(uow)
