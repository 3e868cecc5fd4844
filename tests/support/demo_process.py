"""Starts the demo services as a process and speaks to them, also in ways that no HTTP client would."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from solekey_eventlog.bus import derive_topics, open_bus
from tests.support.engines.ports import find_free_ports
from tests.support.repository import ROOT

ORIGIN = "https://solekey.test"
START_S = 60.0
"""Generous: the machine may be busy. Nothing waits for it when all goes well."""


@dataclass
class Demo:
    """A running process of both demo services."""

    process: subprocess.Popen[str]
    port: int
    folder: Path
    log: Path
    monitoring_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bus_url(self) -> str:
        return f"embedded://{self.folder / 'bus.db'}"

    def ask_monitoring(self, path: str) -> httpx.Response:
        """Ask where operators ask."""
        return httpx.get(f"http://127.0.0.1:{self.monitoring_port}{path}", timeout=30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send(self, *pieces: bytes) -> bytes:
        """Send bytes as they are and return everything that comes back until the server closes."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_all(connection)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def read_all(connection: socket.socket) -> bytes:
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return bytes(data)


@contextlib.contextmanager
def run_demo(folder: Path, bus_url: str | None = None, **settings: str) -> Iterator[Demo]:
    """Run the demo services until the block ends; on SQLite in the folder, or as set by name."""
    default = f"embedded://{folder / 'bus.db'}"
    if bus_url is None:
        with open_bus(default) as bus:
            bus.create_topics(derive_topics())
    log = folder / "log"
    (monitoring_port,) = find_free_ports(1)
    settings.setdefault("monitoring", f"127.0.0.1:{monitoring_port}")
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.demo_service", str(folder), bus_url or default, ORIGIN],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=ROOT,
            env={**os.environ, **{f"DEMO_{name.upper()}": value for name, value in settings.items()}},
        )
    assert process.stdout is not None
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"exit code {process.wait()}: {log.read_text()[-2000:]}")
        yield Demo(process, int(line), folder, log, monitoring_port)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
