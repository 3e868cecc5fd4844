"""Sends requests on open connections, as fast as they are answered, and measures each: one thread.

An *operation* is a generator: it yields a request and is given the answer, once or several times, such as a
login of a challenge and a session. So many *clients* work on operations at the same time, each on its own
connections, one operation after the other.
"""

import re
import selectors
import socket
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_READ_BYTES: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_NO_CONTENT: Final = 204
_DEADLINE_S: Final = 60.0
"""Within which some answer comes, or the benchmark ends."""


@dataclass(frozen=True, slots=True)
class Send:
    """One request, ready to be sent, and to whom."""

    target: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Its answer."""

    status: int
    head: bytes
    body: bytes

    def find_header(self, name: str) -> str | None:
        """Find a header field."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return None if found is None else found[1].decode()


Operation = Generator[Send, Reply, None]


class BusyError(Exception):
    """A service has answered 503: the operation ends, and is counted apart."""


@dataclass(slots=True)
class Load:
    """What was measured: seconds of each operation, and in all; seconds of processor time it took here."""

    seconds: list[float]
    wall_s: float
    cpu_s: float
    busy: int = 0
    """How many operations ended with 503; their seconds are not among the others."""


def run_load(operations: Iterable[Operation], clients: int, addresses: Mapping[str, str]) -> Load:
    """Run operations, so many at the same time, and measure them.

    Raises:
        TimeoutError: nothing was answered for a minute.
        ConnectionError: a connection ended.
    """
    waiting, seconds = iter(operations), list[float]()
    with selectors.DefaultSelector() as selector:
        workers = [_Client(selector, addresses, seconds) for _ in range(clients)]
        try:
            began_s, cpu_s = time.perf_counter(), time.process_time()
            for worker in workers:
                worker.begin(waiting)
            while any(worker.is_busy for worker in workers):
                ready = selector.select(_DEADLINE_S)
                if not ready:
                    raise TimeoutError("no service answers")
                for key, _ in ready:
                    worker, target = key.data
                    worker.receive(target, waiting)
            wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
            return Load(seconds, wall_s, cpu_s, sum(worker.busy for worker in workers))
        finally:
            for worker in workers:
                worker.close()


@dataclass(slots=True)
class _Client:
    """One client: its connections, and the operation that it works on."""

    _selector: selectors.BaseSelector
    _addresses: Mapping[str, str]
    _seconds: list[float]
    _lines: dict[str, socket.socket] = field(default_factory=dict)
    _operation: Operation | None = None
    _asked: str = ""
    _began_s: float = 0.0
    _got: bytearray = field(default_factory=bytearray)
    busy: int = 0

    @property
    def is_busy(self) -> bool:
        return self._operation is not None

    def begin(self, waiting: Iterator[Operation]) -> None:
        """Take the next operation, if there is one."""
        self._operation = next(waiting, None)
        if self._operation is not None:
            self._began_s = time.perf_counter()
            self._send(next(self._operation))

    def receive(self, target: str, waiting: Iterator[Operation]) -> None:
        """Take what has come, and go on when the answer is whole."""
        data = self._lines[target].recv(_READ_BYTES)
        if not data:
            self._drop(target)
            return
        self._got += data
        reply = _parse(self._got)
        if reply is None or self._operation is None:
            return
        self._got.clear()
        try:
            following = self._operation.send(reply)
        except StopIteration:
            self._seconds.append(time.perf_counter() - self._began_s)
            self.begin(waiting)
        except BusyError:
            self.busy += 1
            self.begin(waiting)
        else:
            self._send(following)

    def _drop(self, target: str) -> None:
        """Take note that a service has closed a connection: idle for a minute, it may; the next is opened."""
        if self._operation is not None and self._asked == target:
            raise ConnectionError(f"{target} has closed a connection")
        line = self._lines.pop(target)
        self._selector.unregister(line)
        line.close()

    def close(self) -> None:
        """Hang up."""
        for line in self._lines.values():
            line.close()

    def _send(self, request: Send) -> None:
        self._asked = request.target
        line = self._lines.get(request.target)
        if line is None:
            host, _, port = self._addresses[request.target].rpartition(":")
            line = self._lines[request.target] = socket.create_connection((host, int(port)))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._selector.register(line, selectors.EVENT_READ, (self, request.target))
        line.sendall(request.raw)


def _parse(got: bytearray) -> Reply | None:
    """Parse an answer with a Content-Length; None: it is not whole yet."""
    head, end, body = bytes(got).partition(b"\r\n\r\n")
    if not end:
        return None
    status, length = int(head[9:12]), _LENGTH.search(head)
    if length is None and status != _NO_CONTENT:
        raise ConnectionError("an answer without a length")
    wanted = 0 if length is None else int(length[1])
    return Reply(status, head, body) if len(body) >= wanted else None


def build_request(method: str, path: str, host: str, fields: Mapping[str, str], body: bytes = b"") -> bytes:
    """Build the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in fields.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
