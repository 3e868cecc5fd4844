"""What every service answers about itself and its own stream: events and health. Spec: events.md §6."""

from typing import Final

from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MAX_SEQ
from solekey_service.http import Request, Response, events_response, json_response, parse_query_integer
from solekey_service.kernel import Kernel

MAX_PAGE_EVENTS: Final = 500


def read_events(kernel: Kernel, request: Request, account: AccountId) -> Response:
    """Answer with the exact bytes of an account's events, a page from ``after``, and the stream's head.

    Raises:
        BadRequest: ``after`` or ``limit`` in the query is out of bounds.
    """
    after = parse_query_integer(request, "after", default=0, minimum=0, maximum=MAX_SEQ)
    limit = parse_query_integer(request, "limit", default=MAX_PAGE_EVENTS, minimum=1, maximum=MAX_PAGE_EVENTS)
    with kernel.store.read() as uow:
        events = uow.events(account, after=after, limit=limit)
        return events_response(kernel.definition.stream, events, uow.head(account))


def read_health(kernel: Kernel) -> Response:
    """Answer whether the service can be relied on: 200, or 503 while a feed is silent."""
    healthy, members = kernel.health()
    return json_response(200 if healthy else 503, members)
