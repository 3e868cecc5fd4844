"""From the wire to a Request, and from a Response to the wire. WSGI (PEP 3333), as eventlet speaks it."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from solekey_eventlog.log_context import logging_for
from solekey_eventlog.log_lines import FIELDS
from solekey_service.http import (
    NO_OPERATION,
    Headers,
    Operation,
    Request,
    Response,
    parse_query,
    problem_response,
)
from solekey_service.http.request_id import REQUEST_ID_HEADER, derive_request_id
from solekey_service.http.source import Network
from solekey_service.http_server.body import LengthRequired, RequestTimeout, open_body
from solekey_service.http_server.connection import CONNECTION_KEY
from solekey_service.http_server.routes import MethodNotAllowed, Routes
from solekey_service.refusals import BadRequest

_log = logging.getLogger(__name__)

_HEADERS_OF_ALL = (
    ("Strict-Transport-Security", "max-age=31536000"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Observer = Callable[[Operation, int, str | None, float], None]
"""Told of a request that was answered: its operation, the status, the code of a refusal, and seconds."""


def observe_nothing(_operation: Operation, _status: int, _code: str | None, _duration_s: float) -> None:
    """Take no notice."""


@dataclass(slots=True)
class _Answered:
    """What a request was answered; ``close``: nothing may follow it on its connection."""

    response: Response
    operation: Operation = NO_OPERATION
    close: bool = False


class Application:
    """Answers every request, whatever happens: an exception becomes a problem document."""

    def __init__(
        self,
        routes: Routes,
        observe: Observer = observe_nothing,
        *,
        proxies: Sequence[Network] = (),
        is_logged: bool = True,
    ) -> None:
        self._routes = routes
        self._proxies = proxies
        self._observe = observe
        self._is_logged = is_logged

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        fields: list[tuple[str, str]] = list(environ["headers_raw"])
        given = Headers(fields).combined(REQUEST_ID_HEADER)
        request_id = derive_request_id(given, environ.get("REMOTE_ADDR"), self._proxies)
        with logging_for(request_id=request_id):
            return self._respond(environ, fields, request_id, start_response)

    def _respond(
        self,
        environ: dict[str, Any],
        fields: list[tuple[str, str]],
        request_id: str,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        started_s = time.monotonic()
        answered = self._answer(environ, fields, request_id)
        response = answered.response
        if answered.close:
            environ[CONNECTION_KEY].close_after_response()
        start_response(f"{response.status} {_phrase(response.status)}", _encode_headers(response))
        duration_s = time.monotonic() - started_s
        self._observe(answered.operation, response.status, response.code, duration_s)
        if self._is_logged:
            _log_access(environ["REQUEST_METHOD"], environ["RAW_PATH_INFO"], answered, duration_s)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def refuse_head(self, refusal: BadRequest) -> Response:
        """Make the answer to a request whose header section is malformed."""
        response = problem_response(refusal)
        self._observe(NO_OPERATION, response.status, response.code, 0.0)
        return response

    def _answer(self, environ: dict[str, Any], fields: list[tuple[str, str]], request_id: str) -> _Answered:
        try:
            body = open_body(environ, fields)
        except (BadRequest, LengthRequired) as error:
            return _Answered(problem_response(error), close=True)
        operation = NO_OPERATION
        try:
            match = self._routes.find(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            operation = match.operation
            response = match.handler.handle(_parse_head(environ, fields, request_id), match.values, body)
        except MethodNotAllowed as error:
            response = _with_header(problem_response(error), "Allow", ", ".join(error.allowed))
            body.drop()
        except RequestTimeout as error:
            return _Answered(problem_response(error), operation, close=True)
        except Exception as error:  # noqa: BLE001 - nothing that a request causes may end the process
            response = problem_response(error)
            body.drop()
        return _Answered(response, operation, body.must_close)


def _log_access(method: str, path: str, answered: _Answered, duration_s: float) -> None:
    """Log a request. The path holds ids but never a secret; the query is left out all the same."""
    response, duration_ms = answered.response, duration_s * 1000
    told = {
        "method": method,
        "path": path,
        "service": answered.operation.service,
        "operation": answered.operation.name,
        "status": response.status,
        "code": response.code or "ok",
        "duration_ms": round(duration_ms, 1),
    }
    _log.info("%s %s %d %.1f ms", method, path, response.status, duration_ms, extra={FIELDS: told})


def _parse_head(environ: dict[str, Any], fields: list[tuple[str, str]], request_id: str) -> Request:
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["RAW_PATH_INFO"],
        query=parse_query(environ.get("QUERY_STRING", "")),
        headers=Headers(fields),
        peer=environ.get("REMOTE_ADDR"),
        id=request_id,
    )


def _encode_headers(response: Response) -> list[tuple[str, str]]:
    headers = [*response.headers.items(), *_HEADERS_OF_ALL]
    if response.content_type is not None:
        headers.append(("Content-Type", response.content_type))
    if response.status not in (204, 304):
        headers.append(("Content-Length", str(len(response.body))))
    return headers


def _with_header(response: Response, name: str, value: str) -> Response:
    return replace(response, headers={**response.headers, name: value})


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
