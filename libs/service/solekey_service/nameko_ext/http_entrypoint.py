"""Answers the requests of one route."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import eventlet
from eventlet.event import Event as GreenEvent
from nameko.extensions import Entrypoint

from solekey_eventlog.errors import EventLogError
from solekey_eventlog.noted_first import settling
from solekey_protocol.errors import ProtocolError
from solekey_service.access import Access, Guard
from solekey_service.access.load_limit import verify_patience
from solekey_service.access.used_proof import NOTED_LATER_BYTES
from solekey_service.definition import Route
from solekey_service.http import Operation, Request, Response
from solekey_service.http_server.body import BodyReader
from solekey_service.http_server.server import HttpServer
from solekey_service.nameko_ext.wiring import find_wiring
from solekey_service.refusals import RateLimited, Refusal

SERVER_KEY = "SOLEKEY_SERVER"
"""Where nameko's configuration holds the HttpServer of the process."""
_PENALTY_S = 0.5
"""How long the refusal of one request too many is held back; it holds a connection and nothing else."""


class HttpEntrypoint(Entrypoint):  # type: ignore[misc]  # nameko publishes no types
    """Admits a request, reads its body, and runs the service's method as a nameko worker."""

    def __init__(self, route: Route[Any]) -> None:
        self.route = route
        super().__init__(expected_exceptions=(Refusal, ProtocolError, EventLogError))

    def setup(self) -> None:
        """Take the route. No client can connect before all containers have started."""
        operation = Operation(self.container.service_name, self.route.operation)
        _find_server(self.container).routes.add(self.route.method, self.route.path, self, operation)

    def stop(self) -> None:
        """Give the route back."""
        _find_server(self.container).routes.remove(self)

    def handle(self, request: Request, values: Mapping[str, str], body: BodyReader) -> Response:
        """Answer a request.

        A short body is read first, and the caller is admitted once. The sender of a long one is admitted
        before it is read, and confirmed afterwards.
        """
        body.verify_declared(self.route.max_body_bytes)
        guard = find_wiring(self.container).guard
        is_short = body.declared_bytes <= NOTED_LATER_BYTES
        try:
            if is_short:
                request = replace(request, body=body.read(self.route.max_body_bytes))
            admitted = guard.admit(request, self.route.access, note_later=is_short)
            with settling(admitted.note):
                return self._work(guard, admitted, values, body)
        except RateLimited:
            # Otherwise a client that repeats itself would keep this process busy with refusals.
            eventlet.sleep(_PENALTY_S)
            raise

    def _work(self, guard: Guard, admitted: Request, values: Mapping[str, str], body: BodyReader) -> Response:
        caller = admitted.caller
        running = nullcontext() if caller is None else guard.limiter.running(caller.account, caller.device)
        if caller is not None:
            body.on_admitted()
        with running:
            return self._answer(guard, admitted, values, body)

    def _answer(
        self, guard: Guard, admitted: Request, values: Mapping[str, str], body: BodyReader
    ) -> Response:
        is_long = body.declared_bytes > NOTED_LATER_BYTES
        if is_long:
            admitted = replace(admitted, body=body.read(self.route.max_body_bytes))
        caller = admitted.caller
        turn = nullcontext() if caller is None else guard.limiter.take_turn(caller.account, caller.device)
        work = guard.load.begin if self.route.access is Access.PUBLIC else guard.load.resume
        waiting_since_s = time.monotonic()
        with turn, work():
            verify_patience(time.monotonic() - waiting_since_s)
            if is_long:
                guard.confirm(admitted, self.route.access)
            return self._run(admitted, values)

    def _run(self, request: Request, values: Mapping[str, str]) -> Response:
        finished = GreenEvent()

        def handle_result(_: object, result: Any, exc_info: Any) -> tuple[Any, Any]:
            finished.send(result, exc_info)
            return result, exc_info

        self.container.spawn_worker(self, (request,), dict(values), handle_result=handle_result)
        response = finished.wait()
        if not isinstance(response, Response):
            raise TypeError(f"{self.method_name} must return a Response, got {type(response).__name__}")
        return response


def _find_server(container: Any) -> HttpServer:
    return cast("HttpServer", container.config[SERVER_KEY])
