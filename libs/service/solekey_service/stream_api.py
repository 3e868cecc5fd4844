"""What every service answers about its own stream: statements, events and health. Spec: events.md §6."""

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MAX_SEQ
from solekey_service.config import ServiceConfig
from solekey_service.http import Request, Response, events_response, json_response, parse_query_integer
from solekey_service.kernel import Kernel
from solekey_service.refusals import NotFound
from solekey_service.statement_flow import StatementFlow
from solekey_service.statement_handler import StatementHandler
from solekey_service.stored_list import Row, list_events

MAX_PAGE_EVENTS: Final = 500

ConfigT = TypeVar("ConfigT", bound=ServiceConfig)


class StreamApi(Generic[ConfigT]):
    """Answers requests for one account at a time: the caller's. Base of each service's Api."""

    def __init__(self, kernel: Kernel[ConfigT], statements: StatementHandler[Any, Any] | None = None) -> None:
        self.kernel = kernel
        self._statements = None if statements is None else StatementFlow(kernel, statements)

    def post_statement(self, request: Request) -> Response:
        """Take a statement for the service's stream.

        Raises:
            Refusal, ProtocolError: see StatementFlow.take and the service's StatementHandler.
        """
        if self._statements is None:
            raise NotFound("the service takes no statements")
        return self._statements.take(request)

    def get_events(self, request: Request) -> Response:
        """Read the account's events in the service's stream. Raises BadRequest."""
        return self.read_events(request, request.authenticated.account)

    def get_health(self, request: Request) -> Response:  # noqa: ARG002  # every endpoint is given one
        """Tell whether the service can be relied on: 200, or 503 while a feed is silent."""
        healthy, members = self.kernel.health()
        return json_response(200 if healthy else 503, members)

    def list_stored(self) -> Iterator[Row]:
        """Yield what the service has stored, for an auditor: its events, and what it has beside them."""
        yield from list_events(self.kernel.store, self.kernel.stream)

    def read_events(self, request: Request, account: AccountId) -> Response:
        """Answer with the exact bytes of events, a page from ``after``, and the stream's head.

        Raises:
            BadRequest: ``after`` or ``limit`` in the query is out of bounds.
        """
        after = parse_query_integer(request, "after", default=0, minimum=0, maximum=MAX_SEQ)
        limit = parse_query_integer(
            request, "limit", default=MAX_PAGE_EVENTS, minimum=1, maximum=MAX_PAGE_EVENTS
        )
        with self.kernel.store.read() as uow:
            records, head_seq = uow.page(account, after, limit)
        return events_response(self.kernel.stream, records, head_seq)
