"""Opens the TLS between a client and a server, and keeps every byte that passes, in the clear.

The client pins the recorder's own authority; towards the server the recorder is a client that verifies the
server's. It understands no HTTP: it passes bytes on as they come, and notes when.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from solekey.server import Server
from solekey_standalone.certificates import Certificates, load_or_make_certificates

_PIECE_BYTES: Final = 64 * 1024
_LOOK_S: Final = 0.5
_TIMEOUT_S: Final = 60.0
HOST: Final = "localhost"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the server listens, and the authority that certifies it."""

    port: int
    ca_file: Path


@dataclass(slots=True)
class Line:
    """One connection: what went up and what came down, and at which offset which moment began."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    moments: list[tuple[int, float]] = field(default_factory=list)
    """(offset in ``up``, monotonic time) of each piece."""

    def find_moment(self, offset: int) -> float:
        """Find when the byte at an offset of ``up`` passed."""
        return max((moment for moment in self.moments if moment[0] <= offset), default=(0, 0.0))[1]


class Recorder:
    """Listens at a port of its own; ``lines`` holds what passed, in the order of the connections."""

    def __init__(self, folder: Path, port: int, upstream: Upstream) -> None:
        self.port = port
        self.lines: list[Line] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._certificates: Certificates = load_or_make_certificates(folder, HOST)
        self._inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._inside.load_cert_chain(self._certificates.server, self._certificates.server_key)
        self._outside = ssl.create_default_context(cafile=upstream.ca_file)
        self._upstream = upstream
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def server(self) -> Server:
        """What a client has to know of it."""
        return Server(f"https://{HOST}:{self.port}", self._certificates.authority)

    @contextmanager
    def running(self) -> Iterator["Recorder"]:
        """Record until the end of the block."""
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(_LOOK_S)
        accepting = threading.Thread(target=self._accept, args=(listener,))
        accepting.start()
        try:
            yield self
        finally:
            self._stopped.set()
            accepting.join()
            listener.close()
            for thread in self._threads:
                thread.join(_TIMEOUT_S)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                line = Line()
                self.lines.append(line)
                thread = threading.Thread(target=self._serve, args=(client, line))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, line: Line) -> None:
        client.settimeout(_TIMEOUT_S)
        with (
            suppress(OSError),  # either end may hang up at any time
            self._inside.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", self._upstream.port), _TIMEOUT_S) as plain,
            self._outside.wrap_socket(plain, server_hostname=HOST) as outside,
        ):
            self._pass_on(inside, outside, line)
        client.close()

    def _pass_on(self, inside: ssl.SSLSocket, outside: ssl.SSLSocket, line: Line) -> None:
        """Pass bytes on in both directions; one thread, for a TLS connection serves no two at once."""
        while not self._stopped.is_set():
            if not (inside.pending() or outside.pending()):
                select.select([inside, outside], [], [], _LOOK_S)
            if (piece := _receive(inside)) is not None:
                line.moments.append((len(line.up), time.monotonic()))
                line.up += piece
                if not piece:
                    return
                outside.sendall(piece)
            if (piece := _receive(outside)) is not None:
                line.down += piece
                if not piece:
                    return
                inside.sendall(piece)


def _receive(end: ssl.SSLSocket) -> bytes | None:
    """Receive what is there; None: nothing; empty: it has hung up."""
    end.settimeout(0.0)
    try:
        return end.recv(_PIECE_BYTES)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    finally:
        end.settimeout(_TIMEOUT_S)
