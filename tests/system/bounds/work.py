"""How the work of a call grows with its input, measured so that a loaded machine does not matter."""

import gc
import math
import time
from collections.abc import Callable
from typing import Final

GROWTH: Final = 4
"""How much larger the larger input is."""
LINEAR: Final = 8.0
"""Work that grows less than so many times is linear; quadratic work grows 16 times."""
_RUNS: Final = 15  # what other programs do only adds; the least of many is the work itself
_RUNS_IF_CLEAR: Final = 5
_CLEAR: Final = 5.5
"""Less is far from quadratic: each of so many runs of the small input would have taken thrice too long."""
_LEAST_S: Final = 0.0005  # below it a clock's own steps would show


def measure_growth(work: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> float:
    """Measure how many times more processor time the input of ``size`` takes than one of a quarter of it.

    The time is this thread's own, the two are measured in turn, and the least of several runs counts: of few,
    if that is clearly linear, else of many.
    """
    small, large = make(size // GROWTH), make(size)
    gc.disable()  # its turns fall where they like
    try:
        repeats = _find_repeats(work, small)
        least_small_s = least_large_s = math.inf
        for run in range(1, _RUNS + 1):
            least_small_s = min(least_small_s, _time(work, small, repeats))
            least_large_s = min(least_large_s, _time(work, large, repeats))
            if run >= _RUNS_IF_CLEAR and least_large_s / least_small_s < _CLEAR:
                break
    finally:
        gc.enable()
    return least_large_s / least_small_s


def _find_repeats(work: Callable[[bytes], object], data: bytes) -> int:
    repeats = 1
    while _time(work, data, repeats) < _LEAST_S:
        repeats *= 2
    return repeats


def _time(work: Callable[[bytes], object], data: bytes, repeats: int) -> float:
    began_s = time.thread_time()
    for _ in range(repeats):
        work(data)
    return time.thread_time() - began_s
