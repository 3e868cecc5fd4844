"""Notices when the wall clock jumps, so that nothing is stated or deleted for a time that was not.

An event cannot be taken back, and bytes that are deleted do not come back: a clock that stands a year ahead
for a minute must neither make every key due nor end every grace time. How much time has passed since the last
look of this process is known from the monotonic clock, which never jumps.

Spec: conventions.md §12.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from solekey_eventlog.clock import Clock

TOLERANCE: Final = timedelta(minutes=5)
SETTLE_S: Final = 3600.0
"""How long a clock has to run evenly after a jump before it is trusted again: an hour."""
_log = logging.getLogger(__name__)


class ClockWatch:
    """Compares the wall clock with the monotonic one, from look to look."""

    def __init__(self, clock: Clock, *, settle_first: bool = False, tolerance: timedelta = TOLERANCE) -> None:
        """Watch a clock.

        Args:
            clock: the wall clock and the monotonic one.
            settle_first: whether the clock has to run evenly before it is trusted at all: a machine may start
                with a wrong one, which is set right soon after.
            tolerance: a smaller jump is none.
        """
        self._tolerance = tolerance
        self._clock = clock
        self._wall, self._monotonic_s = clock.now(), clock.monotonic()
        self._trusted_from_s = self._monotonic_s + (SETTLE_S if settle_first else 0)

    def find_now(self) -> datetime | None:
        """Find what time it is; None unless the wall clock has run evenly, in this process and of late.

        What is decided by it is decided by this moment: the clock may jump right after it.
        """
        wall, monotonic_s = self._clock.now(), self._clock.monotonic()
        passed = timedelta(seconds=monotonic_s - self._monotonic_s)
        jump = wall - self._wall - passed
        self._wall, self._monotonic_s = wall, monotonic_s
        if abs(jump) > self._tolerance:
            _log.warning(
                "the clock jumped by %.0f s: nothing becomes due or too old for an hour", jump.total_seconds()
            )
            self._trusted_from_s = monotonic_s + SETTLE_S
        return wall if monotonic_s >= self._trusted_from_s else None
