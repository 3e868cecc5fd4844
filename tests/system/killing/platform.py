"""The platform as the driver sees it: started, killed, found dead, started again, in half a second."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.honest_log import audit_bus

PROGRAM = "tests.system.killing.deadly_platform"
"""A program: it patches threads when it is imported, so it never is."""


@dataclass
class DeadlyPlatform:
    """A platform that may die at any moment."""

    folder: Path
    databases: str = ""
    url: str = ""
    ca: Path = Path()
    pid: int = 0
    starts: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def open(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (self.folder / "data").mkdir(parents=True)
        command = [sys.executable, "-m", PROGRAM, str(self.folder)]
        command += ["--data-dir", str(self.folder / "data"), "--listen", f"127.0.0.1:{port}", "--ready-json"]
        environment = {**os.environ, "SOLEKEY_TEST_DATABASES": self.databases}
        with (self.folder / "platform.log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        self.start()

    def start(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self.disarm()
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        self.starts += 1
        self.pid = int(self._read("pid"))
        ready = self._read_line("ready")
        self.url, self.ca = ready["url"], Path(ready["ca"])

    def arm(self, passes: int) -> None:
        """Have it die after it has passed so many points."""
        draft = self.folder / "arm.new"
        draft.write_text(str(passes))
        draft.replace(self.folder / "arm")

    def disarm(self) -> None:
        (self.folder / "arm").unlink(missing_ok=True)

    def has_died(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"

    def kill(self) -> None:
        if not self.has_died():
            os.kill(self.pid, signal.SIGKILL)

    def restart(self) -> None:
        """Kill it, unless it has died by itself, and start it again."""
        self.kill()
        self._read("ended")
        self.start()

    def kill_heartbeats(self) -> None:
        """Kill the process that says on the bus that the services are alive."""
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def revive_if_dead(self) -> None:
        """Start it again if it has died."""
        if self.has_died():
            self._read("ended")
            self.start()

    def settle(self) -> None:
        """Wait until it is well: it answers as soon as it was started."""

    def audit(self) -> list[str]:
        """What an audit of the log finds, once it is down."""
        return [str(finding) for finding in audit_bus(self.folder / "data")]

    def close(self) -> None:
        if self._process is None:
            return
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _read(self, member: str) -> str:
        return str(self._read_line(member)[member])

    def _read_line(self, member: str) -> dict[str, str]:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            document: dict[str, str] = json.loads(line)
            if member in document:
                return document
        raise RuntimeError((self.folder / "platform.log").read_text()[-3000:])
