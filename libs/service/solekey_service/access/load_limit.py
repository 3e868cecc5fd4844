"""How many requests a process works on at the same time. Spec: rate-limits.md §5.

A process that is sent more than it can answer would answer all of it late, when nobody waits any more. So one
request more than the limit is refused before anything is read or written for it, and the client comes again.
What waits for another request of its account does not count: an account takes up as many places as it has
turns. Nor does a request whose body is being received; once that has come it is not refused.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from solekey_eventlog.errors import UnavailableError

PATIENCE_S: Final = 5.0
"""Longer than this no request waits for its turn: it is refused, and none of its work is done."""


class LoadLimit:
    """The requests that are worked on, or wait for their turn."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._lock = threading.Lock()
        self.running = 0
        """How many they are now."""

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Work on a request that has just come. Raises UnavailableError: there are too many."""
        with self._count(most=self._requests):
            yield

    @contextmanager
    def resume(self) -> Iterator[None]:
        """Work on a request again whose body has come."""
        with self._count(most=None):
            yield

    @contextmanager
    def _count(self, most: int | None) -> Iterator[None]:
        with self._lock:
            if most is not None and self.running >= most:
                raise UnavailableError(f"{most} requests are being worked on; try again in a moment")
            self.running += 1
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1


def verify_patience(waited_s: float) -> float:
    """Verify that a request has not waited for too long, and return how long. Raises UnavailableError."""
    if waited_s > PATIENCE_S:
        raise UnavailableError(f"the request has waited for {waited_s:.0f} s; try again in a moment")
    return waited_s
