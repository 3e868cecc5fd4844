"""The real client on real sockets, before servers and networks that mean harm.

What it carries is a token and a proof: nothing of them may reach anybody but the server that it pinned.
"""

import gzip
import itertools
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from solekey import Runtime, Server
from solekey.connection.transport import Answer, Transport
from solekey.errors import BadAnswerError, InsecureServerError, RedirectError, UnreachableError
from solekey_protocol.limits import MIB
from tests.support.deployment.compose import make_installation
from tests.system.adversary.hostile_server import Hostile, Script, answer, serve

TOKEN = "DPoP a-token-that-is-worth-something"
GOOD = answer("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 11", b'{"ok":true}')


def call(hostile: Hostile, ca: Path | None = None, *, origin: str = "", **options: Any) -> Answer:
    """Send one request with a token, without a second attempt."""
    runtime = options.pop("runtime", Runtime())
    with_closing = Transport(Server(origin or hostile.origin, ca or hostile.ca), runtime)
    try:
        return with_closing.send(
            "GET", "/v1/auth/events", headers=lambda: {"Authorization": TOKEN}, repeatable=False, **options
        )
    finally:
        with_closing.close()


def test_the_server_that_was_pinned_is_spoken_to(tmp_path: Path) -> None:
    """The positive control of all that follows."""
    with serve(tmp_path, GOOD) as hostile:
        assert call(hostile).json() == {"ok": True}
    assert TOKEN.encode() in hostile.heard[0]


@pytest.fixture
def other_ca(tmp_path: Path) -> Path:
    """Another authority, under which an attacker has a good certificate for the very same name."""
    with serve(tmp_path / "other", GOOD) as other:
        return other.ca


def test_another_authority_is_refused(tmp_path: Path, other_ca: Path) -> None:
    with serve(tmp_path / "server", GOOD) as hostile, pytest.raises(InsecureServerError, match="pinned CA"):
        call(hostile, other_ca)
    assert hostile.heard == []


def test_the_system_s_authorities_do_not_count_once_one_is_pinned(
    tmp_path: Path, other_ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what the environment says of authorities and proxies."""
    with serve(tmp_path / "server", GOOD) as hostile:
        monkeypatch.setenv("SSL_CERT_FILE", str(hostile.ca))
        with pytest.raises(InsecureServerError):
            call(hostile, other_ca)
    assert hostile.heard == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """The authority of a whole installation: it certified the broker as well."""
    make_installation(tmp_path / "installation", "https://keys.example.org")
    secrets = tmp_path / "installation" / "secrets"

    def show_the_broker_s(context: ssl.SSLContext) -> None:
        context.load_cert_chain(secrets / "kafka.pem")

    running = serve(tmp_path / "server", GOOD, change=show_the_broker_s)
    with running as hostile, pytest.raises(InsecureServerError):
        call(hostile, secrets / "ca-cert.pem")
    assert hostile.heard == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2"])
def test_an_older_tls_is_refused(tmp_path: Path, version: str) -> None:
    """Somebody between has taken the newer versions out of the handshake."""

    def downgrade(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]

    with serve(tmp_path, GOOD, change=downgrade) as hostile, pytest.raises(UnreachableError):
        call(hostile)
    assert hostile.heard == []


def test_plain_http_gets_nothing_but_a_handshake(tmp_path: Path) -> None:
    with pytest.raises(InsecureServerError):
        Server("http://127.0.0.1:8443")
    with serve(tmp_path, GOOD, tls=False) as hostile, pytest.raises(UnreachableError):
        call(hostile)
    (heard,) = hostile.heard
    assert heard[0] == 22  # a TLS handshake record
    assert TOKEN.encode() not in heard
    assert b"/v1/auth" not in heard


def test_a_proxy_from_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path / "server", GOOD) as hostile, serve(tmp_path / "proxy", GOOD, tls=False) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert call(hostile).status == 200
    assert proxy.heard == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "place",
    [
        "https://{host}:{other}/v1/auth/events",
        "http://{host}:{other}/",
        "//{host}:{other}/",
        "/v1/auth/other",
    ],
    ids=["another port", "plain http", "no scheme", "same server"],
)
def test_a_redirect_is_never_followed(tmp_path: Path, status: int, place: str) -> None:
    """To another host (a port is as good as one), to plain HTTP, or to the server itself."""
    with serve(tmp_path / "other", GOOD) as other:
        location = place.format(host="127.0.0.1", other=other.port)
        script = answer(f"HTTP/1.1 {status} Moved\nLocation: {location}\nContent-Length: 0")
        with serve(tmp_path / "server", script) as hostile, pytest.raises(RedirectError):
            call(hostile)
    assert len(hostile.heard) == 1
    assert other.heard == []


@pytest.mark.parametrize("place", ["http://[", "https://\x7f", "http://127.0.0.1:99999/"])
def test_a_redirect_to_nowhere_is_an_error_of_ours(tmp_path: Path, place: str) -> None:
    script = answer(f"HTTP/1.1 307 Moved\nLocation: {place}\nContent-Length: 0")
    with serve(tmp_path, script) as hostile, pytest.raises((RedirectError, UnreachableError)):
        call(hostile)


GARBAGE: dict[str, Script] = {
    "noise": lambda connection, _: connection.sendall(os.urandom(4096)),
    "nothing": lambda *_: None,
    "half a head": answer("HTTP/1.1 200 OK\nContent-Length"),
    "half a body": answer("HTTP/1.1 200 OK\nContent-Length: 1000", b"{"),
    "two lengths": answer("HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3", b"{}"),
    "bad chunks": answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n{}\r\n"),
    "no status": answer("HTTP/1.1 nine OK\nContent-Length: 2", b"{}"),
    "another protocol": answer("SSH-2.0-OpenSSH_9.9"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_http_is_as_good_as_no_answer(tmp_path: Path, name: str) -> None:
    with serve(tmp_path, GARBAGE[name]) as hostile, pytest.raises(UnreachableError):
        call(hostile)


WRONG_BODIES = {
    "a page": ("text/html", b"<html><script>alert(1)</script>"),
    "an array": ("application/json", b"[1]"),
    "half": ("application/json", b'{"a":'),
    "not UTF-8": ("application/json", b'{"a":"\xff"}'),
    "twice": ("application/json", b'{"a":1,"a":2}'),
    "deep": ("application/json", b"[" * 100_000),
    "a long number": ("application/json", b'{"a":' + b"9" * 100_000 + b"}"),
}


@pytest.mark.parametrize("name", WRONG_BODIES)
def test_what_is_not_a_json_object_is_a_bad_answer(tmp_path: Path, name: str) -> None:
    """Whatever its content type says: bodies are judged by what they are."""
    kind, body = WRONG_BODIES[name]
    script = answer(f"HTTP/1.1 200 OK\nContent-Type: {kind}\nContent-Length: {len(body)}", body)
    with serve(tmp_path, script) as hostile:
        received = call(hostile)
        with pytest.raises(BadAnswerError):
            received.json()


def test_a_compressed_answer_is_not_unpacked(tmp_path: Path) -> None:
    """64 MiB in 64 KiB: it would be in memory before anybody could count it."""
    bomb = gzip.compress(bytes(64 * MIB))
    script = answer(f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(bomb)}", bomb)
    with serve(tmp_path, script) as hostile, pytest.raises(BadAnswerError, match="compressed"):
        call(hostile)
    assert b"identity" in hostile.heard[0]


def endless_body(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


def endless_head(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))


def endless_patience(connection: socket.socket, _: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def test_an_endless_body_is_cut_off(tmp_path: Path) -> None:
    with serve(tmp_path, endless_body) as hostile, pytest.raises(BadAnswerError, match="longer than"):
        call(hostile, max_bytes=MIB)


def test_an_endless_head_is_cut_off(tmp_path: Path) -> None:
    with serve(tmp_path, endless_head) as hostile, pytest.raises(UnreachableError):
        call(hostile)


class Clock:
    """Time that passes when it is looked at: a minute each time."""

    def __init__(self, step_s: float) -> None:
        self.times = itertools.count(step=step_s)

    def __call__(self) -> float:
        return float(next(self.times))


@pytest.mark.slow
@pytest.mark.parametrize(("step_s", "is_slow"), [(20.0, True), (1.0, False)])
def test_a_body_that_drips_is_given_up(tmp_path: Path, step_s: float, is_slow: bool) -> None:
    """A byte at a time keeps every single wait short; the speed over all counts. The clock is ours."""
    drops = 20
    go_on = threading.Semaphore(0)

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % drops)
        for _ in range(drops):
            connection.sendall(b" ")
            go_on.acquire(timeout=5)

    clock = Clock(step_s)

    def monotonic() -> float:
        go_on.release()
        return clock()

    with serve(tmp_path, drip) as hostile:
        if is_slow:
            with pytest.raises(UnreachableError, match="slower than 4096 bytes a second"):
                call(hostile, runtime=Runtime(monotonic=monotonic))
        else:
            assert call(hostile, runtime=Runtime(monotonic=monotonic)).body == b" " * drops


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected, and then silence: the wait for each piece has its own limit (here 0.3 s instead of 60)."""
    monkeypatch.setattr("solekey.connection.transport._TIMEOUT", httpx.Timeout(0.3))
    done = threading.Event()
    with serve(tmp_path, lambda *_: done.wait(10)) as hostile:
        try:
            with pytest.raises(UnreachableError):
                call(hostile)
        finally:
            done.set()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
