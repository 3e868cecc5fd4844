"""Starting, stopping, and what happens to the bus meanwhile."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from solekey_eventlog.bus import TopicSettings, derive_topics, open_bus
from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS
from tests.support.actors import Actor
from tests.support.demo_process import ORIGIN, ROOT, Demo, read_all, run_demo

pytestmark = pytest.mark.slow  # starts processes, and waits for what only time brings

GAVE_UP = "did not stop within"
"""What the runner says when it waited in vain: no stopwatch of ours, which would measure the machine."""
ADA, BOB = Actor("ada", "laptop"), Actor("bob", "desk")


def wait_for(demo: Demo, path: str, **expected: object) -> None:
    """Ask until the answer is as expected; give up loudly."""
    deadline_s = time.monotonic() + 30
    members: dict[str, object] = {}
    with demo.client() as client:
        while time.monotonic() < deadline_s:
            members = client.get(path).json()
            if expected.items() <= members.items():
                return
            time.sleep(0.05)
    raise AssertionError(f"{path}: expected {expected}, last {members}")


def fail_login(demo: Demo, actor: Actor) -> bytes:
    with demo.client() as client:
        response = client.post(f"/v1/auth/failures/{actor.account}")
        assert response.status_code == 201
        return response.content


def test_what_one_service_appends_reaches_the_bus_and_the_other_byte_for_byte(fresh_demo: Demo) -> None:
    written = [fail_login(fresh_demo, ADA), fail_login(fresh_demo, ADA)]
    wait_for(fresh_demo, f"/v1/vault/position/{ADA.account}", auth=2)
    with open_bus(fresh_demo.bus_url) as bus:
        assert [record.value for record in bus.read(TOPICS[Stream.AUTH])] == written


def test_timers_run(fresh_demo: Demo) -> None:
    with fresh_demo.client() as client:
        deadline_s = time.monotonic() + 30
        while client.get("/v1/vault/health").json()["ticks"] < 2:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_soon_and_a_restart_goes_on(tmp_path: Path, number: int) -> None:
    with run_demo(tmp_path) as demo:
        fail_login(demo, ADA)
        wait_for(demo, f"/v1/vault/position/{ADA.account}", auth=1)
        demo.process.send_signal(number)
        assert demo.process.wait(120) == 0
        assert GAVE_UP not in demo.log.read_text()
    with run_demo(tmp_path) as demo:
        fail_login(demo, ADA)
        fail_login(demo, BOB)
        wait_for(demo, f"/v1/vault/position/{ADA.account}", auth=2)
        wait_for(demo, f"/v1/vault/position/{BOB.account}", auth=1)
        assert "Traceback" not in demo.log.read_text()


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    with run_demo(tmp_path) as demo:
        written = [fail_login(demo, ADA) for _ in range(5)]
        demo.process.kill()
    with run_demo(tmp_path) as demo:
        wait_for(demo, f"/v1/vault/position/{ADA.account}", auth=5)
        with open_bus(demo.bus_url) as bus:
            read = [record.value for record in bus.read(TOPICS[Stream.AUTH])]
        assert list(dict.fromkeys(read)) == written  # at least once, in order


def test_a_stop_leaves_the_bus_in_one_file(tmp_path: Path) -> None:
    with run_demo(tmp_path) as demo:
        fail_login(demo, ADA)
        demo.process.send_signal(signal.SIGTERM)
        demo.process.wait()
    header = (tmp_path / "bus.db").read_bytes()[:20]
    assert header[18:] == b"\x01\x01"  # SQLite's file format: whole without a write-ahead log
    assert not (tmp_path / "bus.db-wal").exists()


def test_requests_in_work_are_finished_at_a_stop(fresh_demo: Demo) -> None:
    with fresh_demo.connect() as connection:
        connection.sendall(b"GET /v1/vault/slow?seconds=0.5 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)  # so that it has begun
        fresh_demo.process.send_signal(signal.SIGTERM)
        assert b'{"slept":true}' in read_all(connection)
    assert fresh_demo.process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{fresh_demo.url}/v1/vault/health")


def test_a_request_that_is_on_its_way_is_answered_at_a_stop(fresh_demo: Demo) -> None:
    """A proxy makes a connection for each request: the kernel has accepted it, and nobody else yet."""
    fresh_demo.process.send_signal(signal.SIGSTOP)
    with fresh_demo.connect() as connection:
        connection.sendall(b"GET /v1/vault/health HTTP/1.1\r\nHost: x\r\n\r\n")
        fresh_demo.process.send_signal(signal.SIGTERM)
        fresh_demo.process.send_signal(signal.SIGCONT)
        assert read_all(connection).startswith(b"HTTP/1.1 ")  # and closes: no second request follows
    assert fresh_demo.process.wait(30) == 0


def test_idle_connections_do_not_hold_up_a_stop(fresh_demo: Demo) -> None:
    with fresh_demo.client() as client, fresh_demo.connect():
        client.get("/v1/vault/health")
        assert fresh_demo.stop() == 0
        assert GAVE_UP not in fresh_demo.log.read_text()


def test_a_bus_that_is_down_does_not_stop_http_and_is_caught_up_with(tmp_path: Path) -> None:
    """Reads and writes go on until trust is stale, and the events follow later."""
    with run_demo(tmp_path, "kafka://127.0.0.1:1", bus_timeout_s="2") as demo:
        fail_login(demo, ADA)
        with demo.client() as client:
            assert client.get("/v1/auth/health").json()["unpublished"] == 1
            answer = client.get("/v1/vault/whoami")
        assert answer.status_code == 401
        assert demo.ask_monitoring("/live").status_code == 200
        ready = demo.ask_monitoring("/ready")
        assert ready.status_code == 503
        told = ready.json()
        assert told["bus"] == {"auth": False, "vault": False}
        assert told["database"] == {"auth": True, "vault": True}
        assert 'solekey_outbox_events{service="auth"} 1.0' in demo.ask_monitoring("/metrics").text
        demo.stop()
        said = demo.log.read_text()
        assert GAVE_UP not in said
        assert said.count(" ERROR ") == 2, said  # one line for each service, not one for each attempt
        assert "vault: the bus cannot be used, trying again: Kafka at 127.0.0.1:1: " in said
    with run_demo(tmp_path) as demo:
        wait_for(demo, f"/v1/vault/position/{ADA.account}", auth=1)
        wait_for(demo, "/v1/auth/health", unpublished=0)


def test_topics_that_would_lose_events_stop_the_start(tmp_path: Path) -> None:
    url = f"embedded://{tmp_path / 'bus.db'}"
    wrong = TopicSettings(TOPICS[Stream.AUTH], retention_ms=1000)
    with open_bus(url) as bus:
        bus.create_topics([wrong, *(t for t in derive_topics() if t.name != TOPICS[Stream.AUTH])])
    with (
        pytest.raises(RuntimeError, match=r"(?s)exit code 2: (?!.*Traceback).*retention"),
        run_demo(tmp_path, url),
    ):
        raise AssertionError("started")


def test_an_address_that_is_taken_stops_the_start(demo: Demo, tmp_path: Path) -> None:
    script = (
        "from solekey_service.runner import run\n"
        "from tests.support.demo_service.definitions import AUTH\n"
        "from solekey_service.config import Secret, ServiceConfig\n"
        f"config = ServiceConfig(database_url=Secret('sqlite:///{tmp_path}/a.db'), bus_url='{demo.bus_url}', "
        f"origin='{ORIGIN}', listen='127.0.0.1:{demo.port}')\n"
        "raise SystemExit(run([AUTH], [config]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot listen" in done.stderr
