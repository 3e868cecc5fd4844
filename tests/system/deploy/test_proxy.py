"""The proxy speaks TLS 1.3 alone, sends each path to its service, and refuses in the platform's own words."""

import json
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.deployment.compose import SERVICES, load_compose, make_installation
from tests.support.deployment.nginx import Proxy, find_nginx, render, run_proxy
from tests.support.engines.engine import required
from tests.support.engines.ports import find_free_ports

pytestmark = pytest.mark.slow  # real processes and seconds of waiting

MIB = 1024 * 1024


class Echo(BaseHTTPRequestHandler):
    """Stands for a service: answers with its name and what it was sent."""

    protocol_version = "HTTP/1.1"
    name = ""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {"service": self.name, "path": self.path, "bytes": len(body), "headers": dict(self.headers)}
        answer = json.dumps(told).encode()
        self.send_response(409 if self.path.endswith("/conflict") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Solekey-Position", "vault=7")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names that http.server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def run_echo(name: str) -> Iterator[str]:
    """Run one service's stand-in and give its address."""
    handler = type(f"Echo{name.title()}", (Echo,), {"name": name})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy before four stand-ins; the one of rotation is down."""
    with ExitStack() as stack:
        upstreams = {name: stack.enter_context(run_echo(name)) for name in SERVICES if name != "rotation"}
        upstreams["rotation"] = f"127.0.0.1:{find_free_ports(1)[0]}"
        yield stack.enter_context(required(run_proxy(tmp_path_factory.mktemp("proxy"), upstreams)))


@pytest.fixture
def own_proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A proxy whose limits a test may use up."""
    with ExitStack() as stack:
        upstreams = {name: stack.enter_context(run_echo(name)) for name in SERVICES}
        yield stack.enter_context(required(run_proxy(tmp_path, upstreams)))


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.origin, verify=proxy.make_context(), trust_env=False) as client:
        yield client


@pytest.mark.usefixtures("proxy")  # which gives up where there is no nginx
def test_nginx_accepts_the_template_with_the_container_s_environment(tmp_path: Path) -> None:
    environ = make_installation(tmp_path / "installation")
    settings = dict(load_compose(environ)["services"]["proxy"]["environment"])
    for name, file in (("PROXY_CERT", "proxy-cert.pem"), ("PROXY_KEY", "proxy-key.pem")):
        assert settings[name] == f"/run/secrets/{file.removesuffix('.pem').replace('-', '_')}"
        settings[name] = str(tmp_path / "installation" / "secrets" / file)
    assert settings["PROXY_UPSTREAMS"] == " ".join(f"{name} {name}:8080;" for name in SERVICES)
    settings["PROXY_UPSTREAMS"] = " ".join(f"{name} 127.0.0.1:8080;" for name in SERVICES)
    main = render(tmp_path, settings)
    done = subprocess.run([find_nginx(), "-t", "-p", tmp_path, "-c", main], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"[warn]" not in done.stderr


def shake_hands(proxy: Proxy, version: ssl.TLSVersion) -> str | None:
    """Connect with one TLS version alone and return what was agreed on."""
    context = proxy.make_context()
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return tls.version()


def test_tls_1_3_and_nothing_older(proxy: Proxy) -> None:
    assert shake_hands(proxy, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        shake_hands(proxy, ssl.TLSVersion.TLSv1_2)


def test_plain_http_reaches_no_service(proxy: Proxy) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"http://localhost:{proxy.port}/v1/auth/health")
    assert answer.status_code == 400
    assert "service" not in answer.text


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "rotation"])
def test_each_path_reaches_its_service_with_its_headers(client: httpx.Client, service: str) -> None:
    sent = {"Authorization": "DPoP token", "DPoP": "proof", "Solekey-After": "vault=3"}
    answer = client.put(f"/v1/{service}/a%2Fb?after=1", headers=sent, content=b"body")
    told = answer.json()
    assert told["service"] == service
    assert told["path"] == f"/v1/{service}/a%2Fb?after=1"
    assert told["bytes"] == 4
    assert sent.items() <= told["headers"].items()
    assert told["headers"]["Host"] == client.base_url.netloc.decode()
    assert answer.headers["Solekey-Position"] == "vault=7"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")


def test_a_forged_forwarding_header_does_not_pass(client: httpx.Client) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    told = client.get("/v1/auth/x", headers=forged).json()["headers"]
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert told["X-Forwarded-Proto"] == "https"


def test_a_service_s_own_refusal_passes_unchanged(client: httpx.Client) -> None:
    answer = client.post("/v1/vault/conflict")
    assert answer.status_code == 409
    assert answer.json()["service"] == "vault"


def test_a_body_of_16_mib_passes_and_one_byte_more_does_not(client: httpx.Client) -> None:
    assert client.put("/v1/vault/objects", content=bytes(16 * MIB)).json()["bytes"] == 16 * MIB
    check_problem(client.put("/v1/vault/objects", content=bytes(16 * MIB + 1)), 413, "too_large")


def test_bodies_of_the_other_services_are_small(client: httpx.Client) -> None:
    assert client.post("/v1/auth/sessions", content=bytes(16 * 1024)).json()["bytes"] == 16 * 1024
    check_problem(client.post("/v1/auth/sessions", content=bytes(16 * 1024 + 1)), 413, "too_large")
    assert client.post("/v1/devices/statements", content=bytes(64 * 1024)).json()["bytes"] == 64 * 1024
    check_problem(client.post("/v1/rotation/statements", content=bytes(64 * 1024 + 1)), 413, "too_large")


def test_a_source_that_asks_too_often_is_told_so(own_proxy: Proxy) -> None:
    """Whatever it says its address is; what another location may be asked is counted apart."""
    with httpx.Client(base_url=own_proxy.origin, verify=own_proxy.make_context()) as client:
        answers = []
        for number in range(2000):
            names = ("X-Forwarded-For", "X-Real-IP", "Forwarded")
            spoofed = dict.fromkeys(names, f"192.0.2.{number % 250}")
            answers.append(client.post("/v1/auth/challenges", headers=spoofed))
            if answers[-1].status_code == 429:
                break
        check_problem(answers[-1], 429, "rate_limited")
        assert answers[-1].headers["Retry-After"] == "1"
        assert len(answers) > 60, "a burst is let through"
        assert client.get("/v1/vault/events").status_code == 200


def test_a_source_that_holds_too_many_connections_is_told_so(own_proxy: Proxy) -> None:
    """Half a body each: nginx counts a connection once it has read a request's head."""
    head = b"POST /v1/devices/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(100):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", own_proxy.port), timeout=10))
            context = own_proxy.make_context()
            connection = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            connection.sendall(head)
        with httpx.Client(base_url=own_proxy.origin, verify=own_proxy.make_context()) as client:
            check_problem(client.get("/v1/vault/events"), 429, "rate_limited")
    with httpx.Client(base_url=own_proxy.origin, verify=own_proxy.make_context()) as client:
        assert client.get("/v1/vault/events").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/", "/v1/authx", "/v2/auth/x", "/v1/auth/../../etc/passwd"])
def test_other_paths_reach_nobody(client: httpx.Client, path: str) -> None:
    check_problem(client.get(path), 404, "not_found")


def test_a_service_that_is_down_is_a_problem_to_retry(client: httpx.Client) -> None:
    answer = client.get("/v1/rotation/policies")
    check_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_the_proxy_tells_its_health(client: httpx.Client) -> None:
    assert client.get("/health").text == "ok\n"


def test_the_access_log_has_no_query_and_no_header(client: httpx.Client, proxy: Proxy) -> None:
    client.get("/v1/auth/logged?code=123456", headers={"Authorization": "DPoP secret-token"})
    client.get("/health")  # a line is written after its answer: this one comes after the line looked for
    log = proxy.log_file.read_text()
    assert '"path":"/v1/auth/logged","status":200,' in log
    assert "123456" not in log
    assert "secret-token" not in log


def test_the_access_log_is_json_of_ascii_whatever_is_asked_for(client: httpx.Client, proxy: Proxy) -> None:
    hostile = "/v1/auth/%1b%5d0%3bx%07%22%5c%0d%0a%c2%9b31m%9b%e2%80%ae%00x"
    for path in (hostile, "/v1/auth/%ff%fe", "/v1/auth/%22,%22x%22:%22"):
        client.get(path)
    client.request("BREW", "/v1/auth/x" + "a" * 5000)
    client.get("/health")
    raw = proxy.log_file.read_bytes()
    assert raw.isascii()
    assert not set(raw) & {*range(10), *range(11, 32), 127}
    lines = [json.loads(line) for line in raw.decode().splitlines()]
    members = {"time", "request_id", "method", "path", "status", "request_bytes", "response_bytes", "seconds"}
    assert {frozenset(line) for line in lines} == {frozenset(members)}
    assert "(not printable)" in {line["path"] for line in lines}
    assert '/v1/auth/","x":"' in {line["path"] for line in lines}


def test_the_proxy_gives_each_request_an_id_that_no_client_chooses(
    client: httpx.Client, proxy: Proxy
) -> None:
    forged = "f" * 32
    ids = [
        client.get("/v1/auth/numbered", headers={"X-Request-Id": forged}).json()["headers"]["X-Request-Id"]
        for _ in range(2)
    ]
    assert len({*ids, forged}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    client.get("/health")
    log = proxy.log_file.read_text()
    assert [f'"request_id":"{each}","method":"GET","path":"/v1/auth/numbered"' in log for each in ids] == [
        True,
        True,
    ]


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    problem = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"urn:solekey:problem:{code}"
