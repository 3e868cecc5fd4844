"""Whether the server answers: asked once and quickly, before a command decides to go on without it.

A network that is not there says so at once; one that swallows packets is given up after `CONNECT_S`, a server
that takes the connection and says nothing after `ANSWER_S`. Nothing is retried. Spec: offline.md §2.
"""

import socket
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

import httpx

from solekey.errors import UnreachableError

CONNECT_S: Final = 2.0
ANSWER_S: Final = 5.0
ANSWER_TIMEOUT: Final = httpx.Timeout(ANSWER_S)
_HTTPS_PORT: Final = 443


def verify_connects(origin: str) -> None:
    """Verify that something takes a connection at an origin. Raises UnreachableError."""
    found: list[OSError | None] = []

    def connect() -> None:
        parts = urlsplit(origin)
        try:
            address = (parts.hostname or "", parts.port or _HTTPS_PORT)
            socket.create_connection(address, timeout=CONNECT_S).close()
        except OSError as error:
            found.append(error)
        else:
            found.append(None)

    trying = Thread(target=connect, daemon=True)  # looking up a name cannot be interrupted
    trying.start()
    trying.join(CONNECT_S)
    if not found:
        raise UnreachableError(f"the server did not answer within {CONNECT_S:.0f} seconds")
    if found[0] is not None:
        raise UnreachableError(f"the server did not answer: {found[0].strerror or found[0]}") from found[0]
