"""One connection: what eventlet's HTTP/1.1 protocol leaves open, closed. RFC 9112.

eventlet bounds the request line (8 KiB), a header line (8 KiB) and all header lines (64 KiB). Here: one
deadline for the whole header section, so that a client cannot hold a connection by sending one byte a minute;
strict syntax, so that a proxy and this server never read a message differently; and a lingering close, so
that a client that is still sending receives the refusal instead of a reset.
"""

import io
import re
import socket
import time
from typing import Any, Final

import eventlet
from eventlet import wsgi

from solekey_service.refusals import BadRequest

HEADER_DEADLINE_S = 10.0
"""From the first byte of a request, or from the start of its connection, to the end of its header lines."""
_LINGER_S = 2.0
_LINGER_BYTES = 64 * 1024 * 1024
CONNECTION_KEY = "solekey.connection"
_REQUEST_LINE: Final = re.compile(rb"[A-Z]{1,20} [!-~]+ HTTP/1\.[01]\r\n")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([ \t!-~\x80-\xff]*)\r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%:\[\]-]{1,300}")


class Connection(wsgi.HttpProtocol):  # type: ignore[misc]  # eventlet publishes no types
    """Reads the requests of one client."""

    linger = False
    rfile: Any  # the socket's reader; while header lines are parsed, their bytes
    _header_deadline_s: float | None = None

    def handle_one_request(self) -> None:
        """Read and answer one request; refuse what breaks the syntax."""
        try:
            super().handle_one_request()
        except BadRequest as refusal:
            self._refuse(refusal)
        if getattr(self.server, "is_stopping", False):
            self.close_connection = 1
        self.begin_wait()

    def begin_wait(self) -> None:
        """Note that the client is waited for from now on; a server that is full ends the longest wait."""
        self.conn_state[3] = time.monotonic()

    def end_wait(self) -> None:
        """Note that the whole request has come: what follows is this server's work."""
        self.conn_state[3] = None

    def vouch(self) -> None:
        """Note that an account was admitted: a server that is full ends other connections first."""
        self.conn_state[4] = True

    def _read_request_line(self) -> bytes:
        """Wait for a request as long as a connection may be idle, then read its first line."""
        first = self._header_deadline_s is None
        self.connection.settimeout(self.server.keepalive)
        try:
            with eventlet.Timeout(HEADER_DEADLINE_S if first else self.server.keepalive, _too_slow()):
                if not self.rfile.peek(1):
                    return b""
            self.connection.settimeout(self.server.socket_timeout)
            self._header_deadline_s = time.monotonic() + HEADER_DEADLINE_S
            self.begin_wait()
            with eventlet.Timeout(HEADER_DEADLINE_S, _too_slow()):
                line: bytes = self.rfile.readline(self.server.url_length_limit)
        except ValueError:  # closed meanwhile
            return b""
        return line

    def parse_request(self) -> bool:
        """Read the header lines within the deadline. Raises BadRequest."""
        left_s = (self._header_deadline_s or 0) - time.monotonic()
        with eventlet.Timeout(max(left_s, 0.001), _too_slow()):
            lines = []
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                lines.append(line)
        verify_head(self.raw_requestline, lines)
        self.rfile = io.BytesIO(b"".join(lines) + line)
        return bool(super().parse_request())

    def get_environ(self) -> dict[str, Any]:
        """Let the application end the connection."""
        environ: dict[str, Any] = super().get_environ()
        environ[CONNECTION_KEY] = self
        if "content-length" not in self.headers and "transfer-encoding" not in self.headers:
            self.end_wait()
        return environ

    def _refuse(self, refusal: BadRequest) -> None:
        body = self.server.app.refuse_head(refusal).body
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.close_after_response()
        self.wfile.write(head.encode() + body)

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


def verify_head(request_line: bytes, lines: list[bytes]) -> None:
    """Verify the syntax of a request line and header lines; RFC 9112 §3, §5 without its tolerances.

    White space before a colon, folded lines, control characters, a line without a colon, a bare line feed,
    and no Host or two of them are what lets two servers read one message differently.

    Raises:
        BadRequest: says which line is wrong; repeats nothing of it.
    """
    if not _REQUEST_LINE.fullmatch(request_line):
        raise BadRequest("the request line is malformed")
    hosts = []
    for number, line in enumerate(lines, start=1):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadRequest(f"header line {number} is malformed")
        if field[1].lower() == b"host":
            hosts.append(field[2].strip(b" \t"))
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise BadRequest("Host: expected exactly one, with a host")


def _too_slow() -> TimeoutError:
    return TimeoutError("the request line or the header lines came too slowly")


def shut_down(connection: Any, how: int) -> None:
    """Shut a connection beneath its TLS layer, whose own ``shutdown`` makes every later read a ValueError."""
    try:
        with socket.fromfd(connection.fileno(), connection.family, connection.type) as beneath:
            beneath.shutdown(how)
    except (OSError, ValueError):
        return  # it is gone already
