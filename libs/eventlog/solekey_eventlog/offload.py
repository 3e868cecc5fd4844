"""How what waits for a disk is kept from holding up everybody else.

Under eventlet one thread serves all requests. SQLite's COMMIT waits for the disk, and what another account is
just writing there makes that wait longer: in a native thread it delays whoever commits, and nobody else.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Offload = Callable[[Callable[[], Any]], Any]
"""Runs something that takes long, and returns its result; under eventlet in a native thread."""


def run_here(work: Callable[[], T]) -> T:
    """Run it at once, in this thread: for tests, and for servers with a thread for each request."""
    return work()


def make_connection_class(offload: Offload) -> type[sqlite3.Connection]:
    """Make the class of SQLite connections that wait for the disk in ``offload``.

    Whoever commits has the connection to itself until that is done.
    """

    class Connection(sqlite3.Connection):
        def commit(self) -> None:
            """Commit; returns once it is on the disk."""
            if self.in_transaction:
                offload(super().commit)

    return Connection
