"""HTTP as values: what a service's Api takes and returns. No framework, no socket.

Map
    headers.py    Headers: case-insensitive, repetitions kept
    caller.py     Caller, DpopProof: who calls, as the guard established it
    request.py    Request, and parsing of its query and body
    response.py   Response and its constructors
    operation.py  Operation: what a route does
    problems.py   exceptions → RFC 9457 problem documents

``solekey_service.nameko_ext`` brings them to the wire.
"""

from solekey_service.http.caller import Caller, DpopProof
from solekey_service.http.headers import Headers
from solekey_service.http.operation import NO_OPERATION, Operation
from solekey_service.http.problems import problem_response
from solekey_service.http.request import (
    Request,
    expect_id,
    expect_members,
    expect_string,
    parse_cbor_body,
    parse_json_body,
    parse_members,
    parse_query,
    parse_query_integer,
    parse_solekey_after,
)
from solekey_service.http.response import (
    POSITION_HEADER,
    Response,
    cbor_response,
    empty_response,
    event_response,
    events_response,
    json_response,
)

__all__ = [
    "NO_OPERATION",
    "POSITION_HEADER",
    "Caller",
    "DpopProof",
    "Headers",
    "Operation",
    "Request",
    "Response",
    "cbor_response",
    "empty_response",
    "event_response",
    "events_response",
    "expect_id",
    "expect_members",
    "expect_string",
    "json_response",
    "parse_cbor_body",
    "parse_json_body",
    "parse_members",
    "parse_query",
    "parse_query_integer",
    "parse_solekey_after",
    "problem_response",
]
