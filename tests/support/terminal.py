"""A person at a terminal: starts a command on a pseudo-terminal, reads what it says, types answers."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

ANSWER_S = 60
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_LOG_IN = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the pseudo-terminal the program's own, as a login does: hidden prompts need that."""


class Terminal:
    """One command. Use it as a context manager; the end of the block waits for the command's end."""

    def __init__(self, *command: str | Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._own, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOG_IN, *map(str, command)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment, "TERM": "xterm", "COLUMNS": "200"},
        )
        os.close(theirs)
        self.said = ""
        self.raw = b""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(ANSWER_S)
        os.close(self._own)

    def expect(self, text: str) -> str:
        """Wait until the command says something new; return what came until then."""
        deadline = time.monotonic() + ANSWER_S
        while text not in self.said[self._seen :]:
            assert self._read(deadline), f"never said {text!r}:\n{self.said}"
        end = self.said.index(text, self._seen) + len(text)
        came, self._seen = self.said[self._seen : end], end
        return came

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._own, line.encode() + b"\n")

    def hang_up(self) -> int:
        """Close the terminal's window, which hangs up on the command; returns how the command ended."""
        os.close(self._own)
        self._own = os.open(os.devnull, os.O_RDWR)
        return self._process.wait(ANSWER_S)

    def give_up(self) -> None:
        """Press Ctrl-D. (Python can lose a Ctrl-C that comes within microseconds of a prompt.)"""
        os.write(self._own, b"\x04")

    def wait(self) -> int:
        """Wait for the end of the command; return its exit code."""
        deadline = time.monotonic() + ANSWER_S
        while self._read(deadline):
            pass
        return self._process.wait(ANSWER_S)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._own], [], [], max(deadline - time.monotonic(), 0))
        try:
            data = os.read(self._own, 65536) if ready else b""
        except OSError:  # Linux says so when the other side is closed
            data = b""
        self.raw += data
        self.said += _CONTROL.sub("", data.decode(errors="replace"))
        return bool(data)
