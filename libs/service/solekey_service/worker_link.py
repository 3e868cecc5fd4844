"""What a worker of a service and its supervisor share: listen sockets, the memory of proofs, and a line.

*Wire format* of the line, a socket pair: single bytes. The worker says ``r`` when it answers requests. Either
says ``w`` when events were committed or applied: the supervisor passes it on to the other workers, so that
the one that publishes need not look every moment. The line ends with either process: a worker stops when its
supervisor has ended, however that ended.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

READY: Final = b"r"
WAKE: Final = b"w"
_READ_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Inherited:
    """The numbers of the file descriptors that a worker is given, as its command line has them."""

    listener: int
    proofs: int
    line: int
    monitoring: int | None
    """The operators' port: one worker of them answers there."""

    @property
    def numbers(self) -> list[int]:
        """All of them."""
        return [
            self.listener,
            self.proofs,
            self.line,
            *([] if self.monitoring is None else [self.monitoring]),
        ]

    def encode(self) -> str:
        """Encode them for the command line."""
        return ",".join(map(str, self.numbers))


def parse_inherited(text: str) -> Inherited:
    """Parse them. Raises ValueError."""
    listener, proofs, line, *monitoring = map(int, text.split(","))
    return Inherited(listener, proofs, line, monitoring[0] if monitoring else None)


class Line:
    """One end of a line."""

    def __init__(self, connection: socket.socket) -> None:
        self._in = connection
        self._out = connection.dup()
        self._out.settimeout(0)  # who cannot be told now has been told so often that it will look

    def tell(self, message: bytes) -> None:
        """Say something, without waiting."""
        with suppress(OSError):
            self._out.send(message)

    def follow(self, on_message: Callable[[bytes], None]) -> None:
        """Take what the other end says, each once for all that has come, until it ends."""
        while True:
            try:
                received = self._in.recv(_READ_BYTES)
            except OSError:
                received = b""
            if not received:
                return
            for message in {received[n : n + 1] for n in range(len(received))}:
                on_message(message)

    def close(self) -> None:
        """Close it."""
        self._in.close()
        self._out.close()
