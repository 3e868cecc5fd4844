"""The HTTP server against clients that are wrong, slow, greedy or hostile."""

import concurrent.futures
import json
import re
import time

import httpx
import pytest

from tests.support.demo_process import Demo, read_all
from tests.support.demo_service.definitions import MAX_ECHO_BYTES


def status_of(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert match, answer[:200]
    return int(match[1])


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def test_two_services_answer_on_one_port(demo: Demo) -> None:
    with demo.client() as client:
        for service in ("auth", "vault"):
            response = client.get(f"/v1/{service}/health")
            assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_every_answer_has_the_security_headers(demo: Demo) -> None:
    with demo.client() as client:
        for path in ("/v1/vault/health", "/nowhere", "/v1/vault/boom"):
            headers = client.get(path).headers
            assert headers["Strict-Transport-Security"] == "max-age=31536000"
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "Server" not in headers


@pytest.mark.parametrize(
    "path", ["/", "/v1/vault/", "/v1/vault/health/", "/v1//vault/health", "/v1/vault/nope", "/%2e%2e/etc"]
)
def test_an_unknown_path_is_a_problem_document(demo: Demo, path: str) -> None:
    answer = demo.send(head("GET", path, "Connection: close"))
    assert status_of(answer) == 404
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "not_found"


def test_an_unknown_method_is_a_problem_document(demo: Demo) -> None:
    with demo.client() as client:
        response = client.delete("/v1/vault/health")
        assert response.status_code == 405
        assert response.headers["Allow"] == "GET"
        assert response.json()["code"] == "method_not_allowed"
        assert client.request("BREW", "/v1/vault/echo").headers["Allow"] == "POST"
        assert client.head("/v1/vault/health").status_code == 200


def test_an_unexpected_error_tells_nothing(demo: Demo) -> None:
    with demo.client() as client:
        response = client.get("/v1/vault/boom")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "swordfish" not in response.text
    assert "Traceback" not in response.text


def test_malformed_bodies_are_problem_documents(demo: Demo) -> None:
    with demo.client() as client:
        bad_json = client.post("/v1/vault/json", content=b"{", headers={"Content-Type": "application/json"})
        bad_cbor = client.post(
            "/v1/vault/cbor", content=b"\xa1", headers={"Content-Type": "application/cbor"}
        )
        wrong_type = client.post("/v1/vault/json", content=b"{}")
        assert client.post("/v1/vault/json", json={"a": 1}).json() == {"a": 1}
    assert [bad_json.json()["code"], bad_cbor.json()["code"]] == ["malformed", "malformed"]
    assert (wrong_type.status_code, wrong_type.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("query", ["seconds=0&seconds=1", "&".join(f"a{n}=1" for n in range(20)), "a=%ff"])
def test_a_query_is_plain(demo: Demo, query: str) -> None:
    with demo.client() as client:
        assert client.get(f"/v1/vault/slow?{query}").json()["code"] == "malformed"


def test_a_service_is_told_the_address_of_the_connection_and_nothing_that_the_client_says(demo: Demo) -> None:
    with demo.client() as client:
        headers = {"X-Forwarded-For": "192.0.2.1", "Remote-Addr": "192.0.2.2", "X-Real-Ip": "192.0.2.3"}
        assert client.get("/v1/vault/peer", headers=headers).json() == {"peer": "127.0.0.1"}


def test_a_connection_is_kept(demo: Demo) -> None:
    with demo.connect() as connection:
        for _ in range(3):
            connection.sendall(head("POST", "/v1/vault/echo", "Content-Length: 3") + b"abc")
            answer = b""
            while not answer.endswith(b"abc"):
                piece = connection.recv(4096)
                assert piece
                answer += piece
            assert status_of(answer) == 200
        connection.sendall(head("GET", "/v1/vault/health", "Connection: close"))
        assert status_of(read_all(connection)) == 200


def test_a_body_up_to_the_limit_comes_back(demo: Demo) -> None:
    body = bytes(range(256)) * (MAX_ECHO_BYTES // 256)
    with demo.client() as client:
        assert client.post("/v1/vault/echo", content=body).content == body


def test_a_body_over_the_limit_is_refused_before_it_is_read(demo: Demo) -> None:
    answer = demo.send(head("POST", "/v1/vault/echo", f"Content-Length: {10**12}"))
    assert status_of(answer) == 413
    assert b"Connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["max_bytes"] == MAX_ECHO_BYTES


def test_a_client_that_keeps_sending_still_gets_the_refusal(demo: Demo) -> None:
    with demo.client() as client:
        response = client.post("/v1/vault/echo", content=b"x" * (20 * MAX_ECHO_BYTES))
        assert response.status_code == 413
        assert client.post("/v1/vault/echo", content=b"x" * (MAX_ECHO_BYTES + 1)).status_code == 413
        assert client.post("/v1/vault/echo", content=b"ok").content == b"ok"


@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
def test_a_body_in_chunks_is_refused_unread(demo: Demo, coding: str) -> None:
    chunks = b"3\r\nabc\r\n0\r\n\r\n" + head("GET", "/v1/vault/health")
    answer = demo.send(head("POST", "/v1/vault/echo", f"Transfer-Encoding: {coding}") + chunks)
    assert status_of(answer) == 411
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.") == 1  # nothing behind the head is taken for another request
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["code"] == "length_required"
    assert "Content-Length" in problem["detail"]


def test_a_client_that_sends_chunks_without_end_still_gets_the_refusal(demo: Demo) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = demo.send(head("POST", "/v1/vault/echo", "Transfer-Encoding: chunked"), *[chunk] * 17)
    assert status_of(answer) == 411


def test_a_refused_caller_does_not_get_its_body_read(demo: Demo) -> None:
    answer = demo.send(head("POST", "/v1/vault/write", "Content-Length: 1000000", "Expect: 100-continue"))
    assert status_of(answer) == 401
    assert b"100 Continue" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "token_invalid"


def test_an_admitted_body_is_asked_for(demo: Demo) -> None:
    with demo.connect() as connection:
        connection.sendall(
            head("POST", "/v1/vault/echo", "Content-Length: 3", "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"abc")
        assert read_all(connection).endswith(b"abc")


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 30"),
        ("Content-Length: 3, 3",),
        ("Content-Length: +3",),
        ("Content-Length: -3",),
        ("Content-Length: 1_0",),
        ("Content-Length: 0x3",),
        ("Content-Length:",),
        ("Content-Length: " + "9" * 40,),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: xchunked",),
    ],
)
def test_where_a_request_ends_is_never_guessed(demo: Demo, lines: tuple[str, ...]) -> None:
    """A proxy that read it otherwise would let one client's bytes begin another's request (smuggling)."""
    second = head("GET", "/v1/vault/health")
    answer = demo.send(head("POST", "/v1/vault/echo", *lines) + b"abc" + second)
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.") == 1


def test_a_body_that_ends_early_is_refused(demo: Demo) -> None:
    with demo.connect() as connection:
        connection.sendall(head("POST", "/v1/vault/echo", "Content-Length: 10") + b"abc")
        connection.shutdown(1)
        assert status_of(read_all(connection)) == 400


def test_header_lines_have_limits(demo: Demo) -> None:
    assert status_of(demo.send(head("GET", "/" + "x" * 10_000))) == 414
    assert status_of(demo.send(head("GET", "/v1/vault/health", "X: " + "x" * 10_000))) == 400
    many = [f"X{n}: {'x' * 1000}" for n in range(90)]
    assert status_of(demo.send(head("GET", "/v1/vault/health", *many))) in (400, 431)


@pytest.mark.slow
def test_a_client_that_trickles_its_header_is_cut_off(demo: Demo) -> None:
    started_s = time.monotonic()
    with demo.connect() as connection:
        connection.sendall(b"GET /v1/vault/health HTTP/1.1\r\n")
        connection.settimeout(1)
        answered = b"not closed"
        while time.monotonic() - started_s < 25:
            try:
                connection.sendall(b"X")
                answered = connection.recv(100)
                break
            except TimeoutError:
                continue
            except OSError:
                answered = b""
                break
    assert answered == b""
    assert 8 < time.monotonic() - started_s < 20


def test_requests_are_answered_at_the_same_time(demo: Demo) -> None:
    started_s = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        url = f"{demo.url}/v1/vault/slow?seconds=1"
        answers = list(pool.map(lambda _: httpx.get(url, timeout=30).status_code, range(10)))
    assert answers == [200] * 10
    assert time.monotonic() - started_s < 8  # one after the other: 10 s and more
