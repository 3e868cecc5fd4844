"""The port for operators, in a real process: what it answers, what it does not, and when."""

import re
import socket

import httpx
import pytest

from solekey_service.monitoring.exposition import CONTENT_TYPE
from tests.support.demo_process import Demo, run_demo

pytestmark = pytest.mark.slow  # starts processes

CANARY = "canary7f3a"


def test_numbers_probes_and_nothing_else(demo: Demo) -> None:
    metrics = demo.ask_monitoring("/metrics")
    assert metrics.headers["Content-Type"] == CONTENT_TYPE
    build = re.compile(r'^solekey_build_info\{python="3\.\d+\.\d+",version="[^"]+"\} 1\.0$', re.MULTILINE)
    assert build.search(metrics.text)
    assert "process_resident_memory_bytes" in metrics.text
    assert demo.ask_monitoring("/live").json() == {"live": True}
    ready = demo.ask_monitoring("/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    for path in ("/", "/v1/auth/health", "/metrics/", "/debug"):
        assert demo.ask_monitoring(path).status_code == 404
    assert httpx.post(f"http://127.0.0.1:{demo.monitoring_port}/metrics", content=b"x").status_code == 405


def test_the_port_of_clients_tells_none_of_it(demo: Demo) -> None:
    with demo.client() as client:
        for path in ("/metrics", "/live", "/ready"):
            assert client.get(path).status_code == 404


def test_requests_are_counted_by_operation_and_repeat_nothing(demo: Demo) -> None:
    with demo.client() as client:
        client.get(f"/v1/vault/peer?{CANARY}=1", headers={"X-Request-Id": CANARY, "DPoP": CANARY})
        client.get(f"/v1/vault/position/{CANARY}")
        client.get(f"/{CANARY}")
        client.request(CANARY.upper(), "/v1/vault/peer")
        client.get("/v1/vault/whoami", headers={"Authorization": f"DPoP {CANARY}"})
        client.get("/v1/vault/boom")
    demo.send(f"GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n{CANARY} : x\r\n\r\n".encode())
    text = demo.ask_monitoring("/metrics").text
    for operation, status, code in (
        ("peer", 200, "ok"),
        ("whoami", 401, "dpop_invalid"),
        ("boom", 500, "internal_error"),
    ):
        labels = f'code="{code}",operation="{operation}",service="vault",status="{status}"'
        assert f"solekey_requests_total{{{labels}}}" in text
    assert 'code="malformed",operation="none",service="none",status="400"' in text
    assert CANARY not in text.lower()
    assert "swordfish" not in text


def test_slow_sockets_at_one_port_do_not_hold_up_the_other(demo: Demo) -> None:
    sockets = [socket.create_connection(("127.0.0.1", demo.monitoring_port)) for _ in range(150)]
    try:
        for each in sockets:
            each.sendall(b"GET /met")
        assert demo.ask_monitoring("/live").status_code == 200
        with demo.client() as client:
            assert client.get("/v1/auth/health").status_code == 200
    finally:
        for each in sockets:
            each.close()


def test_an_address_that_is_taken_is_named(tmp_path, demo: Demo) -> None:
    taken = f"127.0.0.1:{demo.monitoring_port}"
    with (
        pytest.raises(RuntimeError, match=rf"(?s)exit code 2: (?!.*Traceback).*cannot listen on {taken}"),
        run_demo(tmp_path, monitoring=taken),
    ):
        raise AssertionError("started")
