"""Docker's health check: ready once, and from then on alive is enough."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.deployment.compose import DEPLOY


class Answers(BaseHTTPRequestHandler):
    """Answers each path with the status that a test has set."""

    statuses: dict[str, int]

    def do_GET(self) -> None:
        self.send_response(self.statuses[self.path])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> Iterator[tuple[str, dict[str, int]]]:
    statuses: dict[str, int] = {}
    handler = type("Answers", (Answers,), {"statuses": statuses})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", statuses
        server.shutdown()
        thread.join()


def test_ready_once_and_then_alive(answers: tuple[str, dict[str, int]], tmp_path: Path) -> None:
    url, statuses = answers
    command = [
        *(sys.executable, DEPLOY / "healthcheck.py", f"--once-ready={tmp_path / 'ready'}"),
        *(f"--then={url}/live", f"{url}/health"),
    ]

    def is_well(health: int, live: int) -> bool:
        statuses.update({"/health": health, "/live": live})
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert not is_well(503, 200)  # it hears nobody yet
    assert not is_well(503, 200)
    assert is_well(200, 200)
    assert is_well(503, 200)  # another service is broken
    assert not is_well(200, 500)  # it is itself
