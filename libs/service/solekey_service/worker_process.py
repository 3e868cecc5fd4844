"""A process for long computations, so that requests and heartbeats have the interpreter to themselves.

A thread would not do: it shares the interpreter's lock with the event loop, which then waits 5 ms whenever it
comes back from a system call. The process starts with the first call, runs at a low priority, knows no secret
but what a call gives it, and ends with its parent. Decision: docs/decisions/0044.

*Wire format.* A socket pair. Call: 1 byte for the function, 4 bytes length, the argument. Answer: 1 byte
(0 returned, 1 refused), 4 bytes length, the value or the refusal's text.
"""

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from solekey_eventlog.child_process import ChildProcess, open_parent
from solekey_eventlog.errors import UnavailableError
from solekey_protocol.errors import MalformedError

_FRAME: Final = struct.Struct(">BI")
_RETURNED, _REFUSED = 0, 1
_NICE: Final = 10
WAIT_S: Final = 30.0
"""For a free process; after that the caller is refused, to try again."""

Function = Callable[[bytes], bytes]
"""Computes; may raise MalformedError."""


class WorkerProcess:
    """Runs functions of one module, one call at a time, in the order of the calls."""

    def __init__(self, module: str, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._child = ChildProcess(module)

    def call(self, function: int, argument: bytes) -> bytes:
        """Run a function, numbered by its place in the module's ``serve``, in the process.

        Raises:
            MalformedError: the function refused its argument.
            UnavailableError: the process is busy, took too long, or ended; it is started anew.
        """
        if not self._lock.acquire(timeout=WAIT_S):
            raise UnavailableError("long computations are waiting; come again", retry_after_s=5)
        try:
            connection = self._child.connection or self._child.start()
            connection.settimeout(self._deadline_s)
            connection.sendall(_FRAME.pack(function, len(argument)) + argument)
            status, answer = _receive(connection)
        except (OSError, EOFError) as error:
            self._child.end()
            raise UnavailableError("a long computation did not end in time", retry_after_s=5) from error
        finally:
            self._lock.release()
        if status == _REFUSED:
            raise MalformedError(answer.decode())
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._child.end()


def serve(functions: Sequence[Function]) -> NoReturn:
    """Answer calls on the socket that the parent passed on, until the parent ends it."""
    os.nice(_NICE)
    with open_parent() as connection:
        while True:
            try:
                function, argument = _receive(connection)
            except (EOFError, OSError):
                sys.exit(0)
            try:
                status, answer = _RETURNED, functions[function](argument)
            except MalformedError as error:
                status, answer = _REFUSED, str(error).encode("utf-8", "replace")
            connection.sendall(_FRAME.pack(status, len(answer)) + answer)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    kind, size = _FRAME.unpack(_receive_exactly(connection, _FRAME.size))
    return kind, _receive_exactly(connection, size)


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
