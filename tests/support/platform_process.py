"""The real platform, all services in one process, for tests that need no cheating."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.honest_log import audit_bus

STOP_S = 30


@dataclass
class PlatformProcess:
    """``python -m solekey_standalone`` on a free port; stop and start it as often as needed."""

    folder: Path
    process: subprocess.Popen[str] | None = None
    port: int = 0
    origin: str = ""
    url: str = ""
    ca: Path = Path()
    program: tuple[str, ...] = ("-m", "solekey_standalone")
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of this process."""

    def start(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        command = [sys.executable, *self.program, "--data-dir", str(self.folder)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--ready-json"]
        command += ["--origin", self.origin] if self.origin else []
        with (self.folder.parent / "platform.log").open("a") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError((self.folder.parent / "platform.log").read_text()[-3000:])
        ready: dict[str, Any] = json.loads(line)
        self.url, self.ca = ready["url"], Path(ready["ca"])

    def kill(self) -> None:
        """Kill it without a chance to end well."""
        assert self.process is not None
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    """The real platform; shared, so each test takes its own user name. Its log is audited at the end."""
    process = PlatformProcess(tmp_path_factory.mktemp("platform") / "data")
    process.folder.mkdir()
    process.start()
    yield process
    process.stop()
    assert audit_bus(process.folder) == ()
