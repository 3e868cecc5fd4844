"""Several processes of a service on one address: they answer, are replaced, and stop together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from solekey_eventlog.bus import derive_topics, open_bus
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until
from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@dataclass
class Running:
    """A service of two processes, behind its supervisor."""

    process: "subprocess.Popen[bytes]"
    port: int
    monitoring: int
    log: Path

    def find_workers(self) -> list[int]:
        """The workers that run now, in the order of their starts."""
        found = [read_process(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit()]
        return sorted(pid for pid, parent, line in found if parent == self.process.pid and "--worker" in line)

    def is_answered(self) -> bool:
        """Ask for health, on a new connection; what is told does not matter here."""
        time.sleep(0.02)
        return self.ask(f"http://127.0.0.1:{self.port}/v1/devices/health") is not None

    def ask(self, url: str) -> httpx.Response | None:
        """Ask, once."""
        try:
            return httpx.get(url, timeout=30)
        except httpx.TransportError:
            return None

    def has_two(self) -> bool:
        """Tell whether two workers run."""
        time.sleep(0.02)
        return len(self.find_workers()) == 2


def read_process(pid: int) -> tuple[int, int, str]:
    """Read a process's number, its parent's and its command line."""
    try:
        folder = Path(f"/proc/{pid}")
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return pid, parent, (folder / "cmdline").read_text()
    except OSError:  # it has ended
        return pid, 0, ""


@contextmanager
def run_two(folder: Path, database: str, **settings: str) -> Iterator[Running]:
    bus_url = f"embedded://{folder / 'bus.db'}"
    with open_bus(bus_url) as bus:
        bus.create_topics(derive_topics())
    port, monitoring = find_free_ports(2)
    environ = {
        "PATH": os.environ["PATH"],
        "SOLEKEY_DATABASE_URL": database,
        "SOLEKEY_BUS_URL": bus_url,
        "SOLEKEY_ORIGIN": "https://localhost",
        "SOLEKEY_LISTEN": f"127.0.0.1:{port}",
        "SOLEKEY_MONITORING_LISTEN": f"127.0.0.1:{monitoring}",
        "SOLEKEY_PROCESSES": "2",
        **settings,
    }
    log = folder / "log"
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "solekey_devices"]
        process = subprocess.Popen(command, env=environ, stderr=stderr, cwd=ROOT)
    running = Running(process, port, monitoring, log)
    try:
        yield running
    finally:
        process.kill()
        process.wait()


def test_two_processes_share_an_address_are_replaced_and_stop_together(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    with run_two(tmp_path, new_postgres_url()) as running:
        wait_until(running.is_answered)
        wait_until(running.has_two)
        first, second = running.find_workers()
        with httpx.Client() as kept:
            assert kept.get(f"http://127.0.0.1:{running.port}/v1/devices/health").status_code in {200, 503}
            os.kill(first, signal.SIGKILL)
            assert running.is_answered()  # by the other one
            wait_until(lambda: running.has_two() and first not in running.find_workers())
            assert second in running.find_workers()
        wait_until(lambda: "worker 1 has ended (-9)" in running.log.read_text())
        wait_until(running.is_answered)
        # The first place answers operators: its new process does so again.
        url = f"http://127.0.0.1:{running.monitoring}"
        assert (running.ask(f"{url}/live") or httpx.Response(0)).status_code == 200
        metrics = running.ask(f"{url}/metrics")
        assert metrics is not None
        assert "solekey_requests_total{" in metrics.text
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert read_process(second)[1] != running.process.pid
        assert running.ask(f"http://127.0.0.1:{running.port}/v1/devices/health") is None
        assert "Traceback" not in running.log.read_text()


def test_the_workers_of_a_supervisor_that_is_killed_stop(
    tmp_path: Path, new_postgres_url: Callable[[], str]
) -> None:
    with run_two(tmp_path, new_postgres_url()) as running:
        wait_until(running.is_answered)
        wait_until(running.has_two)
        workers = running.find_workers()
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not any("--worker" in read_process(pid)[2] for pid in workers))
