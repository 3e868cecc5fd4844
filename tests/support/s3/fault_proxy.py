"""An HTTP proxy before an S3 server: passes requests on, notes them, and fails those that a test chooses."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Fault = Callable[["Handler"], bool]
"""Answers a request in the server's place, and returns True; or False: it is passed on."""


class FaultProxy:
    """Where it listens, what it was asked, and what it does about it."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.requests: list[str] = []
        self.fault: Fault = lambda _: False
        self.endpoint = ""
        self.released = threading.Event()

    def count(self, *parts: str) -> int:
        """Count the requests in whose line all of some parts stand."""
        return sum(all(part in line for part in parts) for line in self.requests)


class Handler(BaseHTTPRequestHandler):
    """Passes one connection's requests on."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def answer(self, status: int, body: bytes = b"") -> bool:
        """Answer instead of the server."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def hang_up(self) -> bool:
        """End the connection without an answer."""
        self.close_connection = True
        self.connection.close()
        return True

    def stay_silent(self) -> bool:
        """Answer nothing until the proxy ends."""
        self.proxy.released.wait()
        return self.hang_up()

    def forward(self, *, cut: bool = False) -> None:
        """Ask the server, and pass its answer on; or half of it."""
        line = http.client.HTTPConnection(self.proxy.target)
        line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            line.putheader(name, value)
        line.endheaders(self.body or None)
        response = line.getresponse()
        body = response.read()
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header(
            "Content-Length", response.getheader("Content-Length", "0") if is_head else str(len(body))
        )
        self.end_headers()
        if not is_head:
            self.wfile.write(body[: len(body) // 2] if cut else body)
        line.close()
        if cut:
            self.hang_up()

    def handle_request(self) -> None:
        """Note a request; fail it or pass it on."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.requests.append(f"{self.command} {self.path}")
        if not self.proxy.fault(self):
            self.forward()

    do_GET = do_PUT = handle_request  # noqa: N815  # the names that http.server asks for
    do_POST = do_DELETE = do_HEAD = handle_request  # noqa: N815  # likewise

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def run_fault_proxy(target: str) -> Iterator[FaultProxy]:
    """Run a proxy while the block runs."""
    proxy = FaultProxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ProxyHandler", (Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
