"""Runs a job of the service at intervals."""

from nameko.timer import Timer


class IntervalTimer(Timer):  # type: ignore[misc]  # nameko publishes no types
    """nameko's timer: the next run begins after the last has ended; an exception is logged, not fatal."""

    def kill(self) -> None:
        """End it; nameko's own fails on a timer that has not started, and hides why the start failed."""
        if self.gt is not None:
            super().kill()
