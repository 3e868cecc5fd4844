"""Time as an argument: the system's clock, and one for tests that a test moves."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

CLOCK_SKEW = timedelta(seconds=60)
"""How far two clocks of one platform may differ; one that was set back by more had been wrong."""


def was_written_ahead(moment: datetime, now: datetime, window: timedelta = timedelta(0)) -> bool:
    """Tell whether a stored moment was written while the clock was ahead: it lies further off than it can.

    Such a moment must not refuse anything for as long as the clock had been ahead. Spec: conventions.md §12.

    Args:
        moment: what was stored.
        now: what the clock says.
        window: how far in the future the moment may lie if all clocks are right.
    """
    return moment > now + window + CLOCK_SKEW


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the wall clock's time: aware, UTC, cut to milliseconds as everywhere in the protocol."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See Clock.now."""
        return _cut(datetime.now(UTC))

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return time.monotonic()


class ManualClock:
    """A clock for tests: it stands still between calls of ``advance`` and ``set``."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> None:
        self._now = _cut(start)
        self._monotonic_s = 1000.0

    def now(self) -> datetime:
        """See Clock.now."""
        return self._now

    def monotonic(self) -> float:
        """See Clock.monotonic."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError when it would go back."""
        if seconds < 0:
            raise ValueError("time does not go back; use set_wall for a wall clock that jumps")
        self._monotonic_s += seconds
        self._now = _cut(self._now + timedelta(seconds=seconds))

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock alone, as NTP or an administrator would; may go back."""
        self._now = _cut(moment)


def _cut(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
