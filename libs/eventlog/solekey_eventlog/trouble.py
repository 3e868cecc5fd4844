"""Something that fails again and again, told once: when it begins, when its cause changes, when it is over.

A full disk or a broker that is away is met by every request, or several times a second; the line that names
the cause must not drown in its own repetitions.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

_AGAIN_S: Final = 600.0
_OTHER_CAUSE_S: Final = 10.0
_OVER_S: Final = 10.0


class Trouble:
    """One thing that may fail, and whether that was told. Threads may share it."""

    def __init__(
        self,
        log: logging.Logger,
        what: str,
        *,
        level: int = logging.ERROR,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch something that works.

        Args:
            log: where it is told.
            what: what fails, such as ``vault: the database does not answer``.
            level: of the line that names the cause.
            monotonic: tells seconds.
        """
        self._log = log
        self._what = what
        self._level = level
        self._monotonic = monotonic
        self._cause: str | None = None
        self._told_at_s = 0.0
        self._met_at_s = 0.0

    def meet(self, cause: object) -> None:
        """Note that it failed; tell the cause unless that was done lately."""
        text, now_s = str(cause), self._monotonic()
        self._met_at_s = now_s
        if self._cause is not None:
            quiet_s = _AGAIN_S if text == self._cause else _OTHER_CAUSE_S
            if now_s - self._told_at_s < quiet_s:
                return
        self._cause, self._told_at_s = text, now_s
        self._log.log(self._level, "%s: %s", self._what, text)

    def end(self) -> None:
        """Note that it worked; tell that it is over once it has not failed for some seconds."""
        if self._cause is None or self._monotonic() - self._met_at_s < _OVER_S:
            return
        self._cause = None
        self._log.warning("%s: it is over", self._what)
