"""How many requests one device may make, and how many at once, in one process. Spec: rate-limits.md §4.

Each device has a bucket, which fills with so many requests a second, up to a burst. A request for which the
bucket has nothing left is refused before anything is read or written for it. Of the requests that are
admitted, a few of one device are worked on at a time and the others wait, so that a busy account delays its
own requests alone. Its account has twice the room of one device in all of this: one stolen device leaves the
owner's others as much as it takes. The buckets are kept in memory: they protect this process.

::

    a request --> bucket of the device, bucket of the account --> running --> a turn --> worked on
                  (refused when one of them is empty)        (refused)    (waits)
"""

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from solekey_eventlog.clock import Clock
from solekey_protocol.ids import AccountId, DeviceId
from solekey_service.refusals import RateLimited

BURST_S: Final = 4
"""The burst is what fills a bucket in so many seconds."""
DEVICES: Final = 2
"""An account has the room of so many of its devices."""
_BUCKETS: Final = 20_000
_TURNS: Final = 2
"""How many requests of one device are worked on at a time, apart from waiting for their bodies."""

Key = AccountId | tuple[AccountId, DeviceId]
"""Whose requests are counted together: an account's, or those of one of its devices."""


@dataclass(slots=True)
class _Turns:
    free: threading.Semaphore
    users: int = 0


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float  # monotonic


class RequestLimiter:
    """The buckets of all devices and accounts; of too many, the one used longest ago is dropped.

    Args:
        clock: its monotonic time fills the buckets.
        per_second: requests of a device.
        at_once: requests of a device that are admitted and not answered yet.
    """

    def __init__(self, clock: Clock, *, per_second: int, at_once: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._at_once = at_once
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()
        self._running: Counter[Key] = Counter()
        self._turns: dict[Key, _Turns] = {}
        self._lock = threading.Lock()

    def take(self, account: AccountId, device: DeviceId) -> None:
        """Take one request out of a device's bucket and its account's. Raises RateLimited."""
        with self._lock:
            buckets = [(self._fill(key, share), share) for key, share in _list_shares(account, device)]
            for bucket, share in buckets:
                if bucket.left < 1:
                    raise self._refuse(share, (1 - bucket.left) / (self._per_second * share))
            for bucket, _ in buckets:
                bucket.left -= 1

    def _fill(self, key: Key, share: int) -> _Bucket:
        rate, now_s = self._per_second * share, self._clock.monotonic()
        bucket = self._buckets.pop(key, None) or _Bucket(rate * BURST_S, now_s)
        bucket.left = min(rate * BURST_S, bucket.left + (now_s - bucket.at_s) * rate)
        bucket.at_s = now_s
        self._buckets[key] = bucket
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)
        return bucket

    @contextmanager
    def running(self, account: AccountId, device: DeviceId) -> Iterator[None]:
        """Count a request while it is worked on. Raises RateLimited when there are too many at once."""
        shares = _list_shares(account, device)
        with self._lock:
            for key, share in shares:
                if self._running[key] >= self._at_once * share:
                    raise self._refuse(share, 1)
            self._running.update(key for key, _ in shares)
        try:
            yield
        finally:
            with self._lock:
                for key, _ in shares:
                    self._running[key] -= 1
                    if not self._running[key]:
                        del self._running[key]

    @contextmanager
    def take_turn(self, account: AccountId, device: DeviceId) -> Iterator[None]:
        """Work on a request while no more than one other of the device is worked on; wait until then.

        Not while its body is received: one that comes slowly delays no other request.
        """
        of_device, of_account = ((key, _TURNS * share) for key, share in _list_shares(account, device))
        with self._wait(*of_device), self._wait(*of_account):
            yield

    @contextmanager
    def _wait(self, key: Key, most: int) -> Iterator[None]:
        with self._lock:
            turns = self._turns.setdefault(key, _Turns(threading.Semaphore(most)))
            turns.users += 1
        try:
            with turns.free:
                yield
        finally:
            with self._lock:
                turns.users -= 1
                if not turns.users:
                    del self._turns[key]

    def _refuse(self, share: int, wait_s: float) -> RateLimited:
        limit = self._per_second * share
        return RateLimited("requests", limit=limit, window_s=1, retry_after_s=math.ceil(wait_s))


def _list_shares(account: AccountId, device: DeviceId) -> tuple[tuple[Key, int], tuple[Key, int]]:
    """List whose room a request needs: its device's, and its account's, which is that of several devices."""
    return ((account, device), 1), (account, DEVICES)
