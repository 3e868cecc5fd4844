"""A client of Kafka that is kept for the next question: connecting takes handshakes and a password's proof.

A running service looks at the log every 10 s (events.md §8.1) and has several questions for each topic. With
a client for each of them these were some thirty connections each time. Decision: docs/decisions/0161.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka.errors import KafkaError

T = TypeVar("T")


class KeptClient:
    """Lends a client to one caller at a time; who comes meanwhile is lent one of his own.

    One that was in use when something failed is thrown away: the next question gets a new one.
    """

    def __init__(self, open_client: Callable[[], Any]) -> None:
        self._open = open_client
        self._lock = threading.Lock()
        self._kept: Any = None
        self._is_closed = False

    def ask(self, question: Callable[[Any], T]) -> T:
        """Ask a client something; again a new one where the one that was kept has lost its connection."""
        was_kept = self._kept is not None
        try:
            with self.lend() as client:
                return question(client)
        except (KafkaError, OSError):
            if not was_kept:
                raise
        with self.lend() as client:
            return question(client)

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """Give a client for the length of the block."""
        with self._lock:
            client, self._kept = self._kept, None
        if client is None:
            client = self._open()
        try:
            yield client
        except BaseException:
            client.close()
            raise
        with self._lock:
            if self._kept is None and not self._is_closed:
                self._kept, client = client, None
        if client is not None:
            client.close()

    def close(self) -> None:
        """Close the client that is kept, and keep none any more."""
        with self._lock:
            client, self._kept, self._is_closed = self._kept, None, True
        if client is not None:
            client.close()
