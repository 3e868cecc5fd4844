"""How far an audit has come, and how long it will take: a bar; where nobody watches, a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from solekey.cli.output.printing import make_console, warn

if TYPE_CHECKING:
    from solekey.audit.engine.collecting import Progress as AuditProgress
    from solekey.audit.engine.collecting import Stage

_LINE_EVERY_S: Final = 30


@contextmanager
def show_audit_progress(*, quiet: bool) -> "Iterator[AuditProgress | None]":
    """Show how far an audit has come while the block runs; on standard error."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield ProgressLines()
    else:
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=make_console(err=True),
            transient=True,
        ) as bar:
            yield _Bar(bar)


class ProgressLines:
    """Says now and then how far an audit has come. A short audit says nothing.

    Args:
        clock: the seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage: Stage | None = None
        self._begun_s = self._said_s = clock()

    def __call__(self, stage: "Stage", done: int, total: int | None) -> None:
        """Take how far a stage has come."""
        now_s = self._clock()
        if stage is not self._stage:
            self._stage, self._begun_s = stage, now_s
        if now_s - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = now_s
        if total and 0 < done < total:
            left_s = (now_s - self._begun_s) * (total - done) / done
            warn("{}: {} of {} records, about {} s left", stage.value, done, total, round(left_s))
        else:
            warn("{}: {} records", stage.value, done)


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._stage: Stage | None = None

    def __call__(self, stage: "Stage", done: int, total: int | None) -> None:
        if stage is not self._stage:
            self._stage = stage
            self._bar.reset(self._task, description=stage.value)
        self._bar.update(self._task, completed=done, total=total)
