"""Looks up names of servers as any other program does: by the system's resolver, each time anew.

eventlet brings a resolver of its own, which remembers answers for as long as they say. Docker's say ten
minutes: a service would look for a database at the address that it had before it was made anew. The system's
resolver blocks, so it is asked in a native thread. Decision: docs/decisions/0159.
"""

import socket

from eventlet import tpool
from eventlet.green import socket as green_socket


def ask_in_thread() -> None:
    """Let other green threads run while a name is looked up.

    Once a process, after eventlet has patched the library, with EVENTLET_NO_GREENDNS set since before that.
    """
    ask = socket.getaddrinfo

    def getaddrinfo(
        host: str | bytes | None,
        port: str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  # the library's own
        proto: int = 0,
        flags: int = 0,
    ) -> object:
        return tpool.execute(ask, host, port, family, type, proto, flags)

    socket.getaddrinfo = green_socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]  # overloads
