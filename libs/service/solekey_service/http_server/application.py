"""From the wire to a Request, and from a Response to the wire. WSGI (PEP 3333), as eventlet speaks it."""

import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from solekey_service.http import Headers, Request, Response, parse_query, problem_response
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


class Application:
    """Answers every request, whatever happens: an exception becomes a problem document."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started_s = time.monotonic()
        response, close = self._answer(environ)
        if close:
            environ[CONNECTION_KEY].close_after_response()
        start_response(f"{response.status} {_phrase(response.status)}", _encode_headers(response))
        # The path holds ids but never a secret; the query is left out all the same.
        _log.info(
            "%s %s %d %.1f ms",
            environ["REQUEST_METHOD"],
            environ["RAW_PATH_INFO"],
            response.status,
            (time.monotonic() - started_s) * 1000,
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def _answer(self, environ: dict[str, Any]) -> tuple[Response, bool]:
        fields: list[tuple[str, str]] = list(environ["headers_raw"])
        try:
            body = open_body(environ, fields)
        except (BadRequest, LengthRequired) as error:
            return problem_response(error), True
        try:
            match = self._routes.find(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            response = match.handler.handle(_parse_head(environ, fields), match.values, body)
        except MethodNotAllowed as error:
            response = _with_header(problem_response(error), "Allow", ", ".join(error.allowed))
            body.drop()
        except RequestTimeout as error:
            return problem_response(error), True
        except Exception as error:  # noqa: BLE001 - nothing that a request causes may end the process
            response = problem_response(error)
            body.drop()
        return response, body.must_close


def _parse_head(environ: dict[str, Any], fields: list[tuple[str, str]]) -> Request:
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["RAW_PATH_INFO"],
        query=parse_query(environ.get("QUERY_STRING", "")),
        headers=Headers(fields),
        peer=environ.get("REMOTE_ADDR"),
    )


def _encode_headers(response: Response) -> list[tuple[str, str]]:
    headers = [*response.headers.items(), *_HEADERS_OF_ALL]
    if response.content_type is not None:
        headers.append(("Content-Type", response.content_type))
    if response.status not in (204, 304):
        headers.append(("Content-Length", str(len(response.body))))
    return headers


def _with_header(response: Response, name: str, value: str) -> Response:
    return Response(response.status, response.body, response.content_type, {**response.headers, name: value})


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
