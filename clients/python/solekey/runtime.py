"""The outside world in one place: clock, randomness, sleep, network, people. All else is given them."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from solekey.crypto.secrets import RandomSource
from solekey.progress import Progress, ignore_progress
from solekey.providers.question import Ask, refuse_to_ask


def _now() -> datetime:
    return datetime.now(UTC)


def _ignore(text: str) -> None:
    del text


@contextmanager
def _watch_nothing(what: str) -> Iterator[Progress]:
    del what
    yield ignore_progress


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the client takes from its surroundings; tests put in their own.

    Attributes:
        now: the wall clock, UTC.
        random: cryptographically random bytes.
        sleep: waits for seconds, between retries.
        monotonic: seconds since some moment, by a clock that nobody sets.
        http: replaces the network (TLS included) by an in-process transport.
        ask: asks a person for the PIN of a token that keeps the device key; refuses if not given.
        notice: told what is waited for, where it takes seconds.
        watch: shows how far what takes long has come, such as verifying a long history.
    """

    now: Callable[[], datetime] = _now
    random: RandomSource = os.urandom
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    http: httpx.BaseTransport | None = None
    ask: Ask = refuse_to_ask
    notice: Callable[[str], None] = _ignore
    watch: Callable[[str], AbstractContextManager[Progress]] = _watch_nothing

    def now_ms(self) -> int:
        """The time in milliseconds since 1970."""
        return int(self.now().timestamp() * 1000)
