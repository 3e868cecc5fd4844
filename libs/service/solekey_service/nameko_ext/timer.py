"""``@every``: a method of a service that runs at intervals."""

from collections.abc import Callable
from typing import TypeVar, cast

from nameko.timer import Timer

F = TypeVar("F", bound=Callable[..., None])


class IntervalTimer(Timer):  # type: ignore[misc]  # nameko publishes no types
    """nameko's timer: the next run begins after the last has ended; an exception is logged, not fatal."""

    def kill(self) -> None:
        """End it; nameko's own fails on a timer that has not started, and hides why the start failed."""
        if self.gt is not None:
            super().kill()


def every(seconds: float) -> Callable[[F], F]:
    """Run the method every so many seconds, the first time after the first interval."""
    return cast("Callable[[F], F]", IntervalTimer.decorator(interval=seconds))
