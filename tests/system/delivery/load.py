"""Clients that ask all the time, and what they were told."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException

from tests.support.people.household import Device

FAILED = 500


class Asking:
    """A client in a thread of its own: it asks, notes the answer, waits, and asks again."""

    def __init__(self, name: str, ask: Callable[[], str], pause_s: float) -> None:
        self.name = name
        self.told: list[str] = []
        self._ask = ask
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the answer that is waited for."""
        self._stop.set()
        self._thread.join()

    @property
    def failures(self) -> list[str]:
        """What was told instead of an answer."""
        return [one for one in self.told if _is_failure(one)]

    @property
    def most_in_a_row(self) -> int:
        """How many failures came one after the other at most: so often a client repeats itself."""
        longest = row = 0
        for one in self.told:
            row = row + 1 if _is_failure(one) else 0
            longest = max(longest, row)
        return longest

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            try:
                self.told.append(self._ask())
            except (OSError, HTTPException) as error:
                self.told.append(type(error).__name__)


def _is_failure(told: str) -> bool:
    status = told.split()[0]
    return not status.isdigit() or int(status) >= FAILED


@contextmanager
def asking(*clients: Asking) -> Iterator[Sequence[Asking]]:
    """Let clients ask while the block runs."""
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()


def tell(device: Device, ask: Callable[[Device], str]) -> str:
    """Ask, on a new connection after one that broke off."""
    try:
        return ask(device)
    except (OSError, HTTPException):
        device.hang_up()
        raise


def wait_s(seconds: float) -> None:
    """Let the clients ask for so long: it is the time that is tested."""
    time.sleep(seconds)
