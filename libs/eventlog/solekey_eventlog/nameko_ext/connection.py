"""One connection: what eventlet's HTTP/1.1 protocol leaves open, closed. RFC 9112.

eventlet bounds the request line (8 KiB), a header line (8 KiB) and all header lines (64 KiB). Here: a
deadline for them, so that a client cannot hold a connection by sending one byte a minute, and a lingering
close, so that a client that is still sending receives the refusal instead of a reset.
"""

import socket
from typing import Any

import eventlet
from eventlet import wsgi

HEADER_DEADLINE_S = 10.0
_LINGER_S = 2.0
_LINGER_BYTES = 64 * 1024 * 1024
CONNECTION_KEY = "solekey.connection"


class Connection(wsgi.HttpProtocol):  # type: ignore[misc]  # eventlet publishes no types
    """Reads the requests of one client."""

    linger = False

    def parse_request(self) -> bool:
        """Read the header lines within the deadline."""
        with eventlet.Timeout(HEADER_DEADLINE_S, TimeoutError("header lines came too slowly")):
            return bool(super().parse_request())

    def get_environ(self) -> dict[str, Any]:
        """Let the application end the connection."""
        environ: dict[str, Any] = super().get_environ()
        environ[CONNECTION_KEY] = self
        return environ

    def close_after_response(self) -> None:
        """End the connection after this response; what the client still sends is dropped."""
        self.close_connection = 1
        self.linger = True

    def finish(self) -> None:
        """Close, politely if the client may still be sending (RFC 9112 §9.6)."""
        if self.linger:
            self._drain()
        super().finish()

    def _drain(self) -> None:
        left = _LINGER_BYTES
        try:
            self.wfile.flush()
            shut_down(self.connection, socket.SHUT_WR)
            with eventlet.Timeout(_LINGER_S, TimeoutError()):
                while left > 0 and (data := self.connection.recv(64 * 1024)):
                    left -= len(data)
        except (OSError, ValueError):
            return  # it is gone already


def shut_down(connection: Any, how: int) -> None:
    """Shut a connection beneath its TLS layer, whose own ``shutdown`` makes every later read a ValueError."""
    try:
        with socket.fromfd(connection.fileno(), connection.family, connection.type) as beneath:
            beneath.shutdown(how)
    except (OSError, ValueError):
        return  # it is gone already
