"""How far something long has come: what the library tells, and the CLI draws."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, runtime_checkable

Progress = Callable[[int, int], None]
"""Called with what is done and the total, both in bytes (transfers) or items (rotation).

A transfer has phases, each counted from its beginning; the total is 0 where it is not known, as for standard
input."""


class Phase(StrEnum):
    """What a transfer is doing."""

    SEAL = "encrypting"
    SEND = "sending"
    FETCH = "fetching"
    OPEN = "decrypting"


@runtime_checkable
class PhasedProgress(Protocol):
    """A `Progress` that also wants to know what is being done."""

    def __call__(self, done: int, total: int, /) -> None:
        """Take what is done in this phase, and the total."""

    def begin(self, phase: Phase) -> None:
        """Take the beginning of a phase."""


def begin_phase(progress: Progress, phase: Phase) -> None:
    """Tell whoever wants to know it that a phase begins."""
    if isinstance(progress, PhasedProgress):
        progress.begin(phase)


def ignore_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total
