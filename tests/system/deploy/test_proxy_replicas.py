"""The proxy before two replicas of a service, of which one does not answer: what it gives to the other.

Whatever was not sent is; a POST that was sent is not, for it may have been done.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from tests.support.deployment.compose import SERVICES
from tests.support.deployment.names import run_name_server
from tests.support.deployment.nginx import run_proxy
from tests.support.engines.engine import required
from tests.support.engines.ports import find_free_ports

pytestmark = pytest.mark.slow  # real processes

WELL, BROKEN, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ASKED = 12  # the proxy begins with either


class Taking(socketserver.BaseRequestHandler):
    """Stands for a replica: reads a request and answers it, or breaks off."""

    def handle(self) -> None:
        head = self.request.recv(65536)
        while b"\r\n\r\n" not in head:
            head += self.request.recv(65536)
        self.server.taken.append(head.split(b" ")[0].decode())  # type: ignore[attr-defined]
        if self.server.server_address[0] == WELL:
            self.request.sendall(ANSWER)


class Replica(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        self.taken: list[str] = []
        super().__init__((host, port), Taking)


@dataclass(frozen=True, slots=True)
class Pair:
    """A client of the proxy, and its two replicas; auth has one that breaks off, devices one that is away."""

    client: httpx.Client
    well: Replica
    broken: Replica


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    (port,) = find_free_ports(1)
    names = dict.fromkeys(SERVICES, (WELL, BROKEN)) | {"devices": (WELL, NOBODY)}
    with ExitStack() as stack:
        replicas = [stack.enter_context(Replica(host, port)) for host in (WELL, BROKEN)]
        for replica in replicas:
            thread = threading.Thread(target=replica.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(replica.shutdown)
        resolver = stack.enter_context(run_name_server(names))
        upstreams = {name: f"{name}:{port}" for name in SERVICES}
        running = run_proxy(tmp_path_factory.mktemp("proxy"), upstreams, resolver=resolver)
        proxy = stack.enter_context(required(running))
        client = httpx.Client(base_url=proxy.origin, verify=proxy.make_context(), trust_env=False)
        yield Pair(stack.enter_context(client), *replicas)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_what_could_not_be_sent_goes_to_the_other_replica(pair: Pair, method: str) -> None:
    before = len(pair.well.taken)
    body = b"{}" if method in {"POST", "PUT"} else None
    answers = [pair.client.request(method, "/v1/devices/x", content=body) for _ in range(ASKED)]
    assert {answer.status_code for answer in answers} == {200}
    assert pair.well.taken[before:] == [method] * ASKED  # each once


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_may_be_repeated_goes_to_the_other_replica_when_one_breaks_off(pair: Pair, method: str) -> None:
    before = len(pair.broken.taken)
    answers = [pair.client.request(method, "/v1/rotation/x") for _ in range(ASKED)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(pair.broken.taken) > before, "it was never asked first"


def test_a_post_that_was_sent_is_sent_once(pair: Pair) -> None:
    before = len(pair.well.taken), len(pair.broken.taken)
    answers = [pair.client.post("/v1/rotation/x", content=b"{}") for _ in range(ASKED)]
    well, broken = len(pair.well.taken) - before[0], len(pair.broken.taken) - before[1]
    assert well + broken == ASKED
    assert broken > 0
    assert [answer.status_code for answer in answers].count(503) == broken
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {"unavailable"}
