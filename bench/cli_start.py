"""How soon `solekey` asks its first question: a process in a terminal, as a user starts it."""

import os
import pty
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_FIRST_QUESTION: Final = b"Server"
_LIMIT_S: Final = 30.0


def measure_first_prompt() -> float:
    """Start `solekey signup` without a profile and wait for its first question; seconds."""
    program = str(Path(sys.executable).with_name("solekey"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SOLEKEY_")}
    with tempfile.TemporaryDirectory() as profile:
        environment |= {"SOLEKEY_PROFILE": f"{profile}/none", "TERM": "dumb"}
        started = time.perf_counter()
        process, terminal = pty.fork()
        if process == 0:
            os.execve(program, [program, "signup"], environment)  # noqa: S606  # no shell between us and it
        try:
            _await(terminal, _FIRST_QUESTION, started + _LIMIT_S)
            return time.perf_counter() - started
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(terminal)


def _await(terminal: int, text: bytes, deadline: float) -> None:
    shown = b""
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], max(deadline - time.perf_counter(), 0))
        try:
            piece = os.read(terminal, 4096) if ready else b""
        except OSError:  # Linux says EIO when the other side has ended
            piece = b""
        if not piece:
            raise RuntimeError(f"no {text!r} was asked; shown: {shown!r}")
        shown += piece
