"""A few transfers at the same time: while one part is being written, the next is on its way.

Two are enough to hide the time between a request and its answer, and hold two parts in memory at most
(docs/decisions/0020).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from itertools import islice
from threading import Thread
from typing import Final, TypeVar

AT_ONCE: Final = 2

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


def map_ahead(work: Callable[[A], B], inputs: Iterable[A]) -> Iterator[B]:
    """Apply `work` to inputs, `AT_ONCE` at the same time; yields results, or raises errors, in their order.

    When one fails, those under way are awaited, and no more are begun. When the consumer is interrupted they
    are not awaited: nobody wants to wait for 8 MiB after Ctrl-C.
    """
    running: deque[Future[B]] = deque()
    try:
        for value in inputs:
            running.append(_start(work, value))
            if len(running) == AT_ONCE:
                yield _take(running)
        while running:
            yield _take(running)
    except Exception:
        wait(running)
        raise


def chain_ahead(fetch: Callable[[int], Sequence[B]], total: int) -> Iterator[B]:
    """Fetch a list piece by piece; while one piece is used, the next is on its way.

    Args:
        fetch: fetches one or more of what follows so many.
        total: how many there are.
    """
    piece: Sequence[B] = fetch(0) if total else ()
    done = len(piece)
    while done < total:
        running = deque([_start(fetch, done)])
        yield from piece
        piece = _take(running)
        done += len(piece)
    yield from piece


def begin(values: Iterator[B]) -> Iterator[B]:
    """Begin to take values: the first is on its way from now on, and not from when it is asked for."""
    running = deque([_start(lambda _: list(islice(values, 1)), None)])

    def go_on() -> Iterator[B]:
        yield from _take(running)
        yield from values

    return go_on()


def use_ahead(prepare: Callable[[A], B], use: Callable[[A, B], C], inputs: Sequence[A]) -> Iterator[C]:
    """Use inputs one after the other, in order; while one is used, the next `AT_ONCE` are prepared, in turns.

    When one fails, what is under way is awaited, and no more is begun.
    """
    running: deque[Future[B]] = deque()
    begun = 0
    for index, value in enumerate(inputs):
        while begun < min(index + 1 + AT_ONCE, len(inputs)):
            running.append(_start_after(running[-1] if running else None, prepare, inputs[begun]))
            begun += 1
        prepared = _take(running)
        try:
            used = use(value, prepared)
        except Exception:
            wait(running)
            raise
        yield used


def _start_after(before: "Future[B] | None", work: Callable[[A], B], value: A) -> "Future[B]":
    """Start once what is before has ended; where that has failed, this fails too, and nothing is begun."""
    if before is None:
        return _start(work, value)

    def run(value: A) -> B:
        before.result()
        return work(value)

    return _start(run, value)


def _take(running: "deque[Future[B]]") -> B:
    first = running[0]
    wait([first])  # an interruption here is the consumer's own
    running.popleft()
    if first.exception() is not None:
        wait(running)
    return first.result()


def _start(work: Callable[[A], B], value: A) -> "Future[B]":
    future: Future[B] = Future()

    def run() -> None:
        try:
            future.set_result(work(value))
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is raised where the result is taken
            future.set_exception(error)

    Thread(target=run, daemon=True, name="solekey-transfer").start()
    return future
