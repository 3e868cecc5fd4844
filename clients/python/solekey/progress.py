"""How far something long has come: what the library tells, and the CLI draws."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with what is done and the total, both in bytes (transfers) or items (rotation)."""


def ignore_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total
