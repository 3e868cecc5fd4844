"""Parts of a log on all cores: each process verifies one part at a time."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import IO, Final, cast

from solekey.audit.engine.context import Context
from solekey.audit.engine.parts import verify_part
from solekey.audit.engine.result import PartResult
from solekey.audit.engine.spill import Part
from solekey.audit.engine.worker import read_frame, write_frame
from solekey.audit.sources.errors import LogError

_FEW_ACCOUNTS: Final = 500
"""So many of an archive are gone through sooner than processes start."""
_COMMAND: Final = ("-P", "-m", "solekey.audit.engine.worker")
"""Without the current folder on the path: an auditor may stand in one that somebody else has filled."""


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verify_parts(parts: Sequence[Part], context: Context, processes: int) -> Iterator[PartResult]:
    """Verify parts, in this process or in others; yield their results in order.

    Raises:
        LogError: a process ended before its part was verified.
    """
    kept = sum(len(part.kept.digests) for part in parts)
    if processes == 1 or (kept < _FEW_ACCOUNTS and not any(part.path for part in parts)):
        yield from (verify_part(part, context) for part in parts)
        return
    with ExitStack() as stack:
        workers = _Workers(context, stack)
        pool = stack.enter_context(ThreadPoolExecutor(processes))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for done in [pool.submit(workers.verify, part) for part in parts]:
            yield done.result()


class _Workers:
    """One process for each thread that asks."""

    def __init__(self, context: Context, stack: ExitStack) -> None:
        self._context = context
        self._stack = stack
        self._own = threading.local()

    def verify(self, part: Part) -> PartResult:
        process = self._find()
        try:
            write_frame(_pipe(process.stdin), part)
            result = read_frame(_pipe(process.stdout))
        except (OSError, EOFError) as error:
            raise LogError("a process of the audit ended before it was done") from error
        if result is None:
            raise LogError(f"a process of the audit ended before it was done: {process.wait()}")
        return cast("PartResult", result)

    def _find(self) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] | None = getattr(self._own, "process", None)
        if process is None:
            process = subprocess.Popen(  # noqa: S603  # our own program
                (sys.executable, *_COMMAND), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._stack.callback(_end, process)
            self._own.process = process
            write_frame(_pipe(process.stdin), self._context)
        return process


def _pipe(pipe: IO[bytes] | None) -> "IO[bytes]":
    assert pipe is not None  # noqa: S101  # both were asked for
    return pipe


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
