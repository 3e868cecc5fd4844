"""``python -m solekey_standalone``: the four services in one process, as a user starts them."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from solekey_eventlog.bus import open_bus
from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS, Service
from solekey_standalone.certificates import load_or_make_certificates

SERVICES = tuple(service.value for service in Service)
START_S = 90.0

pytestmark = pytest.mark.slow


@dataclass
class Platform:
    """A running process."""

    process: subprocess.Popen[str]
    url: str
    ca: str
    log: Path

    def client(self, **options: ssl.TLSVersion) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.ca)
        for name, value in options.items():
            setattr(context, name, value)
        return httpx.Client(base_url=self.url, verify=context, timeout=30)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, without the runner's giving up on a service that does not end."""
        self.process.send_signal(number)
        assert self.process.wait(120) == 0, self.log.read_text()
        assert "did not stop within" not in self.log.read_text()


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def arguments(data: Path, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "solekey_standalone", "--data-dir", str(data)),
        *("--listen", f"127.0.0.1:{port}", "--ready-json", "--log-level", "INFO"),
    ]


@contextlib.contextmanager
def run_platform(data: Path, port: int) -> Iterator[Platform]:
    log = data.parent / "log"
    with log.open("a") as stderr:
        process = subprocess.Popen(arguments(data, port), stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout is not None
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, log.read_text()
        ready = json.loads(line)
        assert ready["ready"] is True
        yield Platform(process, ready["url"], ready["ca"], log)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with run_platform(tmp_path_factory.mktemp("platform") / "data", find_port()) as platform:
        yield platform


def test_every_service_is_well_when_it_says_that_it_is_ready(platform: Platform) -> None:
    with platform.client() as client:
        for service in SERVICES:
            response = client.get(f"/v1/{service}/health")
            assert response.status_code == 200, response.text
            assert response.json()["status"] == "ok"


def test_it_speaks_tls_1_3_and_nothing_older(platform: Platform) -> None:
    with platform.client(minimum_version=ssl.TLSVersion.TLSv1_3) as client:
        assert client.get("/v1/auth/health").status_code == 200
    with (
        platform.client(maximum_version=ssl.TLSVersion.TLSv1_2) as client,
        pytest.raises(httpx.ConnectError, match=r"(?i)version"),
    ):
        client.get("/v1/auth/health")


def test_only_its_own_authority_vouches_for_it(platform: Platform) -> None:
    with (
        httpx.Client(base_url=platform.url) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE"),
    ):
        client.get("/v1/auth/health")


def test_a_renewed_certificate_is_served_without_a_restart(platform: Platform) -> None:
    host, port = platform.url.removeprefix("https://").split(":")
    tls = Path(platform.ca).parent

    def look() -> str:
        return ssl.get_server_certificate((host, int(port)), ca_certs=platform.ca)

    before = look()
    with platform.client() as client:
        assert client.get("/v1/auth/health").status_code == 200
        (tls / "server.pem").unlink()
        load_or_make_certificates(tls, host)
        deadline_s = time.monotonic() + 30
        while look() == before:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        assert client.get("/v1/auth/health").status_code == 200  # on the connection from before
    assert (tls / "server.pem").read_text().startswith(look())


def test_plain_http_gets_no_answer_and_harms_nobody(platform: Platform) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(platform.url.replace("https", "http") + "/v1/auth/health")
    with platform.client() as client:
        assert client.get("/v1/auth/health").status_code == 200


def test_a_client_that_never_finishes_its_handshake_holds_up_nobody(platform: Platform) -> None:
    host, port = platform.url.removeprefix("https://").split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection((host, int(port))))
        with platform.client() as client:
            assert client.get("/v1/auth/health").status_code == 200


def test_a_client_that_sends_too_much_receives_the_refusal(platform: Platform) -> None:
    with platform.client() as client:
        for size in (1_000_000, 30_000_000):
            response = client.post("/v1/auth/challenges", content=bytes(size))
            assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_without_a_token_nobody_gets_in(platform: Platform) -> None:
    with platform.client() as client:
        for path in ("/v1/auth/sessions", "/v1/devices/names", "/v1/vault/wraps", "/v1/rotation/events"):
            response = client.get(path)
            assert (response.status_code, response.json()["code"]) == (401, "token_invalid"), path


def test_the_signing_key_is_published_and_reaches_the_log(platform: Platform) -> None:
    with platform.client() as client:
        response = client.get("/v1/auth/system-events")
        assert response.headers["Solekey-Position"] == "auth=1"
    with open_bus(f"embedded://{Path(platform.ca).parents[1] / 'bus.db'}") as bus:
        assert [record.value for record in bus.read(TOPICS[Stream.AUTH])] == response.content.splitlines()


def test_a_restart_keeps_everything_and_a_stop_is_clean(tmp_path: Path) -> None:
    data, port = tmp_path / "data", find_port()
    with run_platform(data, port) as platform, platform.client() as client:
        before = client.get("/v1/auth/system-events").content
        ca = Path(platform.ca).read_bytes()
        platform.stop()
    with run_platform(data, port) as platform, platform.client() as client:
        assert client.get("/v1/auth/system-events").content == before
        assert Path(platform.ca).read_bytes() == ca
        platform.stop(signal.SIGINT)
        assert "Traceback" not in platform.log.read_text()


def test_it_says_what_is_wrong(platform: Platform, tmp_path: Path) -> None:
    def start(data: Path, port: int) -> tuple[int, str]:
        command = arguments(data, port)
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
        return done.returncode, done.stderr

    used = Path(platform.ca).parents[1]
    assert start(used, find_port()) == (2, f"solekey: {used} is in use by another process\n")
    code, said = start(tmp_path / "data", int(platform.url.rpartition(":")[2]))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in said
    code, said = start(tmp_path / "data", 0)
    assert code == 2
    assert "--listen" in said
