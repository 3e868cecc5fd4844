"""The way from one device to the server: it may be down, and it may lose or hold back a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import httpx

from tests.support.client.fake_server import FakeServer


class Cut(Enum):
    """What becomes of the request at which a way is cut. All that follow it find no way."""

    LOST = "the server never has it"
    UNANSWERED = "the server does it, and the answer is lost"
    HELD = "the server has it later"


class Wire(httpx.BaseTransport):
    """One device's way to the server."""

    def __init__(self, server: FakeServer) -> None:
        self.origin = server.origin
        self.down = False
        self.held: list[httpx.Request] = []
        self._server = server
        self._cut: Cut | None = None
        self._passes = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Take a request to the server, if there is a way."""
        if not self.down and self._cut is not None:
            self._passes -= 1
            if self._passes < 0:
                self._fall(request)
        if self.down:
            raise httpx.ConnectError("no way to the server")
        return self._server.handle_request(request)

    @contextmanager
    def cut(self, cut: Cut | None, passes: int) -> Iterator[None]:
        """Cut the way after so many more requests, for the time of the block."""
        self._cut, self._passes = cut, passes
        try:
            yield
        finally:
            self._cut, self.down = None, False

    def deliver(self) -> None:
        """Have the server take the oldest request that was held back."""
        self._server.handle_request(self.held.pop(0))

    def _fall(self, request: httpx.Request) -> None:
        if self._cut is Cut.HELD:
            request.read()
            self.held.append(request)
        elif self._cut is Cut.UNANSWERED:
            self._server.handle_request(request)
        self._cut, self.down = None, True
