"""The business's side of the demo: the embedded platform as a process, and what it has recorded."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solekey.audit import read_log
from solekey_protocol.event import Event, parse_event

START_TIMEOUT_S = 60


def find_free_port() -> int:
    """A port that nobody listens at: clients sign the platform's address, so it must keep one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SMALL_BYTES = 64 * 1024  # smaller objects are rows of the database; the folder's own mark is smaller, too


class Platform:
    """The embedded platform in a process of its own, its data in one folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._listen = f"127.0.0.1:{find_free_port()}"
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> None:
        """Start it and wait until it says that it is ready. Raises RuntimeError when it ends instead."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = (self.data_dir.parent / "server.log").open("a")
        command = [sys.executable, "-m", "solekey_standalone", "--data-dir", str(self.data_dir)]
        self._process = subprocess.Popen(
            [*command, "--listen", self._listen, "--ready-json"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the platform did not start; see {log.name}")
        self.ready = json.loads(line)

    def stop(self) -> None:
        """Stop it the way an operator does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=START_TIMEOUT_S)
            self._process = None

    @property
    def log_source(self) -> str:
        """Where an auditor reads the log."""
        return f"embedded://{self.data_dir / 'bus.db'}"

    def events(self) -> list[Event]:
        """Every event that is on the bus, in the order of time."""
        events = [parse_event(raw) for raw in read_log(self.log_source)]
        return sorted(events, key=lambda event: (event.time, event.stream, event.seq))

    @contextmanager
    def tampered(self) -> Iterator[int]:
        """Flip one bit in every large object on the business's disk, for a block; give their number."""
        every = (self.data_dir / "objects").rglob("*")
        files = [path for path in every if path.is_file() and path.stat().st_size > SMALL_BYTES]
        for path in files:
            _flip_a_bit(path)
        try:
            yield len(files)
        finally:
            for path in files:
                _flip_a_bit(path)


def _flip_a_bit(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte ^ 1]))
