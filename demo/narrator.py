"""Tells the story: for each step, what the user's device did and what the business's server got to see."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from demo.server import Platform


class StepFailedError(Exception):
    """Something did not happen that the story promises."""


class Narrator:
    """Prints the steps and keeps count of what the server recorded in each."""

    def __init__(self, platform: Platform) -> None:
        self.console = Console(highlight=False)
        self._platform = platform
        self._told = 0
        self._steps = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell one step; at its end, what the server recorded meanwhile."""
        self._steps += 1
        self.console.print(f"\n[bold]{self._steps}. {title}[/bold]")
        yield
        events = self._platform.events()
        recorded = Counter(type(event.body).__name__ for event in events[self._told :])
        self._told = len(events)
        if recorded:
            listed = ", ".join(f"{n} {name}" if n > 1 else name for name, n in recorded.items())
            self.server(f"recorded {listed}")

    def device(self, text: str) -> None:
        """What happened on a device of the user's."""
        self._say("device", "green", text)

    def server(self, text: str) -> None:
        """What happened at the business."""
        self._say("server", "blue", text)

    def auditor(self, text: str) -> None:
        """What an auditor sees."""
        self._say("auditor", "magenta", text)

    def _say(self, who: str, color: str, text: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(width=10, justify="right", style=color)
        line.add_column(overflow="fold")
        line.add_row(who, text)
        self.console.print(line)

    @contextmanager
    def refused(self, error: type[Exception], by: str) -> Iterator[None]:
        """Expect a refusal, and tell it. Raises StepFailedError when there is none."""
        try:
            yield
        except error as refusal:
            code = getattr(refusal, "code", type(refusal).__name__)
            self._say("device", "green", f"refused by {by}: [yellow]{code}[/yellow]: {refusal}")
        else:
            raise StepFailedError(f"expected {error.__name__}: nothing was refused")


def demand(condition: bool, what: str) -> None:
    """Require what the story promises. Raises StepFailedError."""
    if not condition:
        raise StepFailedError(what)
