"""The embedded platform as a process that a test starts and stops."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from solekey.files.any_path import AnyPath
from solekey.files.private_folder import open_private
from solekey.server import Server
from solekey.testing.user import PASSWORD, User

SERVICES: Final = "solekey_standalone"
_STOP_S: Final = 30
_TOLD_CHARACTERS: Final = 2000


class PlatformError(Exception):
    """The platform did not start; the message ends with what it printed last."""


class Platform:
    """The embedded platform. Use it as a context manager: its end stops the services and deletes their data.

    It may be stopped and started again in the meantime: it keeps its address and its data.

    Args:
        folder: where the services keep their data, and leave it; None: a temporary folder.

    Raises:
        ImportError: the services are not installed.

    Attributes:
        server: the server, as an app pins it; once it was started.
    """

    server: Server

    def __init__(self, folder: AnyPath | None = None) -> None:
        if importlib.util.find_spec(SERVICES) is None:
            raise ImportError("solekey.testing runs the services: pip install 'solekey[testing]'")
        self._temporary = TemporaryDirectory(prefix="solekey-testing-") if folder is None else None
        self._folder = Path(self._temporary.name if self._temporary is not None else str(folder))
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the services and wait until they answer. Raises PlatformError."""
        if self._process is not None:
            return
        self._port = self._port or _find_free_port()
        data, log = self._folder / "data", self._folder / "platform.log"
        data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", SERVICES, "--data-dir", str(data), "--ready-json"]
        with open_private(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as stderr:
            self._process = subprocess.Popen(  # noqa: S603  # our own services
                [*command, "--listen", f"127.0.0.1:{self._port}"],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            self.stop()
            raise PlatformError(f"the platform did not start: {log.read_text()[-_TOLD_CHARACTERS:]}")
        ready = json.loads(line)
        self.server = Server(ready["url"], ready["ca"])

    def stop(self) -> None:
        """Stop the services; their data stays."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_STOP_S)
            if process.stdout is not None:
                process.stdout.close()

    def close(self) -> None:
        """Stop the services and delete their data."""
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def sign_up(
        self, profile: AnyPath, *, username: str = "ada@example.org", password: str = PASSWORD
    ) -> User:
        """Sign a user up, with this profile as the first device.

        Raises:
            TakenError: another test has this user name: each takes its own.
        """
        return User.sign_up(self.server, profile, username, password)


def _find_free_port() -> int:
    """Find a port that nobody listens at: clients pin the platform's address, so it must keep it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
