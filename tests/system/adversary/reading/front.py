"""Puts real sockets and TLS before the fake server, and lets an attack write what it likes in their place."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from solekey_protocol.encoding import encode_json, parse_json
from solekey_protocol.ids import compute_digest
from solekey_protocol.limits import MIB
from tests.support.client.fake_server import FakeServer
from tests.system.adversary.hostile_server import Hostile, serve

Write = Callable[[socket.socket, httpx.Response], None]
"""Writes an answer to a connection."""


def write_honestly(connection: socket.socket, response: httpx.Response) -> None:
    send(connection, response.status_code, response.content, dict(response.headers))


def send(connection: socket.socket, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Send one answer and ask the client to close."""
    members = {"Content-Length": str(len(body)), **(headers or {}), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in members.items() if name.lower() != "date")
    connection.sendall(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)


@dataclass
class Front:
    """A server on a socket. ``write`` is called for the answers to requests of ``path``."""

    server: FakeServer
    path: str = ""
    write: Write = write_honestly

    def be_honest(self) -> None:
        self.path = ""

    def __call__(self, connection: socket.socket, received: bytes) -> None:
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int({name.lower(): value for name, value in headers.items()}.get("content-length", "0"))
        while len(body) < length:
            body += connection.recv(65536)
        request = httpx.Request(method, f"https://solekey.test{target}", headers=headers, content=body)
        response = self.server.handle_request(request)
        spoilt = bool(self.path) and request.url.path.endswith(self.path)
        (self.write if spoilt else write_honestly)(connection, response)


@contextmanager
def serve_on_sockets(
    server: FakeServer, folder: Path, profiles: list[Path], change: Callable[[ssl.SSLContext], None]
) -> Iterator[Front]:
    """Serve, and pin the server in profiles of devices that know it in this process."""
    front = Front(server)
    with serve(folder, front, change=change) as hostile:
        for profile in profiles:
            pin(profile, hostile)
        yield front


def pin(profile: Path, hostile: Hostile) -> None:
    """Have a profile say that this is its server."""
    details = parse_json((profile / "profile.json").read_bytes(), max_bytes=MIB)
    assert isinstance(details, dict)
    pem = hostile.ca.read_bytes()
    pinned = {"origin": hostile.origin, "authority": compute_digest(pem)}
    (profile / "profile.json").write_bytes(encode_json({**details, **pinned}))
    (profile / "server-ca.pem").write_bytes(pem)
