"""One lock an account: whatever reads or follows its streams does so alone, whichever threads ask.

The lock belongs to `Streams`, which all parts of an account share. It is re-entrant: a method that holds it
may call another one. Uploads and commits hold it; downloads and ranges hold it only to find their version.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

AccountLock = AbstractContextManager[Any]


class Guarded(Protocol):
    """What works on an account's state."""

    @property
    def _lock(self) -> AccountLock:
        """The account's lock."""


S = TypeVar("S", bound=Guarded)


def exclusive(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let one thread at a time run any of an account's exclusive methods."""

    @wraps(method)
    def run_alone(self: S, *args: P.args, **named: P.kwargs) -> R:
        with self._lock:  # its own, as of every method that is decorated
            return method(self, *args, **named)

    return cast("Callable[Concatenate[S, P], R]", run_alone)  # mypy keeps the name of its first argument


def iterate_exclusively(lock: AccountLock, source: Iterator[T]) -> Iterator[T]:
    """Hold the lock while a value is made, and let it go while the consumer looks at it."""
    end = object()
    while True:
        with lock:
            value = next(source, end)
        if value is end:
            return
        yield value  # type: ignore[misc]  # it is not the end
