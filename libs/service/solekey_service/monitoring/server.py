"""The port for operators: ``GET /metrics``, ``/live`` and ``/ready``, and nothing else. Plain HTTP.

It is never the port of the clients, and the reverse proxy knows no way to it. It has a loop, a limit of
connections and no log of its own, so that neither a flood of requests nor frequent probes hide the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import eventlet

from solekey_eventlog.errors import ConfigError
from solekey_service.http import Request, Response, json_response
from solekey_service.http_server.body import BodyReader
from solekey_service.http_server.server import HttpServer, Room
from solekey_service.kernel import Kernel
from solekey_service.monitoring.exposition import CONTENT_TYPE, Exposition
from solekey_service.monitoring.readiness import Readiness, is_answering
from solekey_service.monitoring.request_metrics import RequestMetrics
from solekey_service.monitoring.started import Started

METRICS, LIVE, READY = "/metrics", "/live", "/ready"
_ROOM: Final = Room(100, 0)
_DATABASE_S: Final = 2.0

Answer = Callable[[], Response]


class _Asked:
    """Answers one path."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def handle(self, request: Request, values: Mapping[str, str], body: BodyReader) -> Response:  # noqa: ARG002  # as every Handler
        """See Handler.handle."""
        body.verify_declared(0)
        return self._answer()


class MonitoringServer:
    """Answers operators from before the services are built until the process ends.

    Attributes:
        requests: what the process counts of its requests.
        readiness: what it answers to ``/ready``.
    """

    def __init__(self, address: tuple[str, int] | None) -> None:
        """Make it. Nobody is answered without an address; the numbers are counted all the same."""
        self.requests = RequestMetrics()
        self.readiness = Readiness(_answers_soon)
        self._exposition = Exposition(self.requests, _answers_soon)
        self._services: Sequence[Started] = ()
        self._address = address
        self._server: HttpServer | None = None

    def start(self, descriptor: int | None = None) -> None:
        """Begin to answer, on a listen socket that was passed on or on one's own.

        Raises:
            ConfigError: the address cannot be had.
        """
        if self._address is None:
            return
        host, port = self._address
        server = HttpServer(host, port, None, _ROOM, is_logged=False)
        for path, answer in ((METRICS, self._write), (LIVE, _tell_alive), (READY, self._tell_ready)):
            server.routes.add("GET", path, _Asked(answer))
        try:
            server.listen() if descriptor is None else server.adopt(descriptor)
        except OSError as error:
            raise ConfigError([f"monitoring_listen: cannot listen on {host}:{port}: {error}"]) from error
        server.start()
        self._server = server

    def begin(self, services: Sequence[Started]) -> None:
        """Tell of the services from now on: they serve."""
        self._services = services
        self.readiness.begin(services)

    def stop(self) -> None:
        """End it, at once."""
        if self._server is not None:
            self._server.stop(0)

    def _write(self) -> Response:
        return Response(200, self._exposition.write(self._services), CONTENT_TYPE)

    def _tell_ready(self) -> Response:
        ready, parts = self.readiness.look()
        return json_response(200 if ready else 503, parts)


def _answers_soon(kernel: Kernel[Any]) -> bool:
    """Ask the database; one that takes longer than a probe waits does not answer."""
    try:
        with eventlet.Timeout(_DATABASE_S):
            return is_answering(kernel)
    except eventlet.Timeout:
        return False


def _tell_alive() -> Response:
    return json_response(200, {"live": True})
