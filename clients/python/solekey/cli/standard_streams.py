"""Standard input and output as a command may find them: closed, of another encoding, or at a full disk."""

import io
import os
import sys
from contextlib import suppress
from typing import Final

_MODES: Final = ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))
"""How the null device takes a closed one's place: reading the first and writing the second fail."""


def prepare_streams() -> None:
    """Give closed streams a place, which a later file would take; print every character somehow."""
    for descriptor, flags in _MODES:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the life of the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # the same
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish_streams(code: int) -> int:
    """Write what is left; the exit code is a failure if that cannot be done. Nothing is written after it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = code or 1
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter tries again, and complains
    return code
