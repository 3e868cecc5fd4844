"""How many requests one account may make, and how many at once, in one process. Spec: rate-limits.md §4.

Each account has a bucket, which fills with so many requests a second, up to a burst. A request for which the
bucket has nothing left is refused before anything is read or written for it. Of the requests that are
admitted, a few of one account are worked on at a time and the others wait, so that a busy account delays its
own requests alone. The buckets are kept in memory: they protect this process.
"""

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.clock import Clock
from solekey_protocol.ids import AccountId
from solekey_service.refusals import RateLimited

BURST_S: Final = 4
"""The burst is what fills a bucket in so many seconds."""
_BUCKETS: Final = 10_000
_TURNS: Final = 2
"""How many requests of one account are worked on at a time, apart from waiting for their bodies."""


@dataclass(slots=True)
class _Turns:
    free: threading.Semaphore
    users: int = 0


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float  # monotonic


class RequestLimiter:
    """The buckets of all accounts; when there are too many, the one used longest ago is dropped."""

    def __init__(self, clock: Clock, *, per_second: int, at_once: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._at_once = at_once
        self._buckets: OrderedDict[AccountId, _Bucket] = OrderedDict()
        self._running: Counter[AccountId] = Counter()
        self._turns: dict[AccountId, _Turns] = {}
        self._lock = threading.Lock()

    def take(self, account: AccountId) -> float:
        """Take one request out of an account's bucket, and return what is left. Raises RateLimited."""
        burst, now_s = self._per_second * BURST_S, self._clock.monotonic()
        with self._lock:
            bucket = self._buckets.pop(account, None) or _Bucket(burst, now_s)
            bucket.left = min(burst, bucket.left + (now_s - bucket.at_s) * self._per_second)
            bucket.at_s = now_s
            self._buckets[account] = bucket
            if len(self._buckets) > _BUCKETS:
                self._buckets.popitem(last=False)
            if bucket.left < 1:
                raise self._refuse(math.ceil((1 - bucket.left) / self._per_second))
            bucket.left -= 1
            return bucket.left

    @contextmanager
    def running(self, account: AccountId) -> Iterator[None]:
        """Count a request while it is worked on. Raises RateLimited when the account has too many at once."""
        with self._lock:
            if self._running[account] >= self._at_once:
                raise self._refuse(1)
            self._running[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[account] -= 1
                if not self._running[account]:
                    del self._running[account]

    @contextmanager
    def take_turn(self, account: AccountId) -> Iterator[None]:
        """Work on a request while no more than one other of the account is worked on; wait until then.

        Not while its body is received: one that comes slowly delays no other request.
        """
        with self._lock:
            turns = self._turns.setdefault(account, _Turns(threading.Semaphore(_TURNS)))
            turns.users += 1
        try:
            with turns.free:
                yield
        finally:
            with self._lock:
                turns.users -= 1
                if not turns.users:
                    del self._turns[account]

    def _refuse(self, retry_after_s: int) -> RateLimited:
        return RateLimited("requests", limit=self._per_second, window_s=1, retry_after_s=retry_after_s)
