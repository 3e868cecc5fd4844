"""A bucket: what one subject has used of a limit.

Pure. Spec: rate-limits.md §2. Attempts fill a bucket, and time empties it. limiter.py knows which buckets an
attempt counts against, and where they are kept.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from solekey_auth.rate_limits.limit import Limit
from solekey_auth.refusals import TooManyAttempts
from solekey_eventlog.clock import was_written_ahead

_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Bucket:
    """How full a bucket is.

    Attributes:
        used: attempts that have not left it yet.
        counted_at: since when the oldest of them waits to leave.
        free_at: when the next attempt may be made.
    """

    used: int
    counted_at: datetime
    free_at: datetime

    def verify_room(self, limit: Limit, now: datetime) -> None:
        """Verify that another attempt may be made.

        Raises:
            TooManyAttempts: with the time until it may.
        """
        if self.used < limit.free:
            return  # a free attempt needs no wait: another transaction's clock may be a little ahead
        if was_written_ahead(self.free_at, now, limit.longest_wait):
            return
        wait = min(self.free_at - now, limit.longest_wait)
        if wait > timedelta(0):
            raise TooManyAttempts(math.ceil(wait.total_seconds()))

    def add(self, limit: Limit, now: datetime) -> "Bucket":
        """Count one attempt; those that are old enough leave first."""
        drained = self.drain(limit, now)
        used = drained.used + 1
        over = used - limit.free
        free_at = now if over < 0 else now + _derive_wait(limit, over)
        return Bucket(used, drained.counted_at, free_at)

    def drain(self, limit: Limit, now: datetime) -> "Bucket":
        """Take out one attempt for each ``limit.drain_every`` that has passed."""
        since = min(self.counted_at, now)  # a clock that was set back begins to count anew
        drained = (now - since) // limit.drain_every
        if drained >= self.used:
            return Bucket(0, now, self.free_at)
        return Bucket(self.used - drained, since + drained * limit.drain_every, self.free_at)

    def derive_empty_at(self, limit: Limit) -> datetime:
        """Derive when nothing in it counts any more."""
        return max(self.counted_at + self.used * limit.drain_every, self.free_at)


def _derive_wait(limit: Limit, over: int) -> timedelta:
    """Derive the wait after the last free attempt (over 0), and after each further one."""
    wait: timedelta = limit.first_wait * 2 ** min(over, _MAX_DOUBLINGS)
    return min(wait, limit.longest_wait)
