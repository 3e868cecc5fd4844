"""A server on a real socket that does what a script says, over TLS or not: for the real client to meet."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from solekey_standalone.certificates import load_or_make_certificates

Script = Callable[[socket.socket, bytes], None]
"""What to do with a connection and the head of the request that it sent."""

_TIMEOUT_S = 20.0


@dataclass
class Hostile:
    """A running server. ``heard`` has the first bytes of each connection, over TLS or plain."""

    port: int
    ca: Path
    heard: list[bytes] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def answer(text: str, body: bytes = b"") -> Script:
    """Give one answer and close. ``text`` is the status line and the header lines."""

    def script(connection: socket.socket, _: bytes) -> None:
        head = text.replace("\n", "\r\n") + "\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    return script


@contextmanager
def serve(
    folder: Path,
    script: Script,
    *,
    tls: bool = True,
    change: Callable[[ssl.SSLContext], None] = lambda _: None,
    host: str = "127.0.0.1",
) -> Iterator[Hostile]:
    """Serve until the block ends. ``change`` may spoil the TLS context, ``host`` names the certificate."""
    folder.mkdir(exist_ok=True)
    certificates = load_or_make_certificates(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    change(context)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        hostile = Hostile(listener.getsockname()[1], certificates.authority)
        arguments = (listener, hostile, context if tls else None, script)
        thread = threading.Thread(target=_accept, args=arguments)
        thread.start()
        try:
            yield hostile
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(_TIMEOUT_S)


def _accept(
    listener: socket.socket, hostile: Hostile, context: ssl.SSLContext | None, script: Script
) -> None:
    """One connection after the other: a script that never ends would hold up the next, as it should."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TIMEOUT_S)
            if context is None:
                hostile.heard.append(connection.recv(65536))
                script(connection, hostile.heard[-1])
                continue
            with context.wrap_socket(connection, server_side=True) as secure:
                hostile.heard.append(_read_head(secure))
                script(secure, hostile.heard[-1])


def _read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    return data
