"""Named points of a process, at which it kills itself: SIGKILL, no handler, no `finally`.

A point is a function, before it begins or after it has ended. `arm` chooses how many points a process still
passes; the one after that is its last. What was chosen is written where the driver reads it.
"""

import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any


class Points:
    """The points of this process. ``armed`` says how many are left; None: it lives on."""

    def __init__(self, armed: Callable[[], int | None], log: Path) -> None:
        self._armed = armed
        self._log = log
        self._passed = 0
        self._wanted: int | None = None

    def pass_by(self, name: str) -> None:
        """Pass a point, or die at it."""
        wanted = self._armed()
        if wanted is None:
            return
        if wanted != self._wanted:
            self._wanted, self._passed = wanted, 0
        self._passed += 1
        if self._passed > wanted:
            with self._log.open("a") as log:
                log.write(f"{name}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, method: str, name: str) -> None:
        """Make a method two points: before it, and after it."""
        real = getattr(owner, method)

        @functools.wraps(real)
        def passing(*arguments: Any, **named: Any) -> Any:
            self.pass_by(f"before {name}")
            result = real(*arguments, **named)
            self.pass_by(f"after {name}")
            return result

        setattr(owner, method, passing)

    def around_block(self, owner: Any, method: str, name: str) -> None:
        """The same for a method that is used in a ``with`` statement: its end is the second point."""
        real: Callable[..., AbstractContextManager[Any]] = getattr(owner, method)

        @contextmanager
        def passing(*arguments: Any, **named: Any) -> Iterator[Any]:
            with real(*arguments, **named) as entered:
                yield entered
                self.pass_by(f"before {name}")
            self.pass_by(f"after {name}")

        setattr(owner, method, passing)
