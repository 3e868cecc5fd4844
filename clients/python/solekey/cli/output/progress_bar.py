"""A progress bar on standard error: phase, share, bytes, rate and remaining time. Gone when all is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from solekey.cli.output.foreign_text import show_foreign
from solekey.cli.output.printing import make_console
from solekey.progress import Phase

_NAME_CHARS = 40
_RATE_WINDOW_S = 300
"""Over how long the rate is taken: a slow line takes minutes for the parts of 8 MiB that are counted."""


class ProgressBar:
    """A `solekey.progress.PhasedProgress` that draws. Each phase has a bar of its own."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._what = show_foreign(what if len(what) <= _NAME_CHARS else what[: _NAME_CHARS - 1] + "…")
        self._task: TaskID = bar.add_task(self._what, total=None)

    def begin(self, phase: Phase) -> None:
        """Begin a phase."""
        self._bar.reset(self._task, description=f"{self._what}: {phase}")

    def __call__(self, done: int, total: int, /) -> None:
        """Draw how far the phase has come."""
        self._bar.update(self._task, completed=done, total=total or None)


@contextmanager
def show_bar(
    what: str, *, in_bytes: bool, clock: Callable[[], float] = time.monotonic
) -> Iterator[ProgressBar]:
    """Show a bar while the block runs."""
    columns = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=make_console(err=True),
        transient=True,
        get_time=clock,
        speed_estimate_period=_RATE_WINDOW_S,
    ) as bar:
        yield ProgressBar(bar, what)
