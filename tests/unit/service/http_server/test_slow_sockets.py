"""Sockets that trickle keep nobody out: the longest wait ends when another client comes."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.support.demo_process import Demo, run_demo

pytestmark = pytest.mark.slow  # real processes and seconds of waiting

CONNECTIONS = 12
STARTS = {
    "nothing": b"",
    "a piece of the request line": b"GE",
    "a piece of the header lines": b"GET /v1/vault/health HTTP/1.1\r\nHos",
    "a piece of the body": b"POST /v1/vault/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
}


@pytest.fixture(scope="module", params=["in all", "from one source"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    name = {"in all": "max_connections", "from one source": "max_connections_per_source"}
    with run_demo(tmp_path_factory.mktemp("small"), None, **{name[request.param]: str(CONNECTIONS)}) as demo:
        yield demo


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_whole_request_is_answered_beside_many_slow_ones(small: Demo, start: bytes) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(small.connect()) for _ in range(3 * CONNECTIONS)]
        for connection in slow:
            with contextlib.suppress(OSError):  # the first ones have ended already
                connection.sendall(start)
        with small.client() as client:
            for _ in range(3):
                assert client.get("/v1/vault/health").status_code == 200
        ended = [connection for connection in slow if _has_ended(connection)]
    assert len(ended) >= 2 * CONNECTIONS


def test_what_is_worked_on_does_not_end(small: Demo) -> None:
    with small.connect() as working, contextlib.ExitStack() as stack:
        working.sendall(b"GET /v1/vault/slow?seconds=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with small.client() as client:  # came later: when it is answered, the first one is being worked on
            assert client.get("/v1/vault/health").status_code == 200
        for _ in range(3 * CONNECTIONS):
            stack.enter_context(small.connect())
        assert working.recv(1000).startswith(b"HTTP/1.1 200 ")


def _has_ended(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
