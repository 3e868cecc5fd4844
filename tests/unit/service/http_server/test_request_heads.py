"""What makes two servers read one message differently is refused: 400, and the connection ends."""

import json

import pytest

from tests.support.demo_process import Demo
from tests.unit.service.http_server.test_server import status_of

SECOND = b"GET /v1/vault/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""What a smuggled body would be answered as."""
HEADS = {
    "space before the colon": [b"Host: x", b"Content-Length : %d"],
    "tab before the colon": [b"Host: x", b"Content-Length\t: %d"],
    "no colon": [b"Host: x", b"Content-Length %d"],
    "a line without a colon first": [b"nonsense", b"Host: x", b"Content-Length: %d"],
    "no name": [b"Host: x", b": x", b"Content-Length: %d"],
    "NUL in a name": [b"Host: x", b"Content-\x00Length: %d"],
    "NUL in a value": [b"Host: x", b"X: a\x00b", b"Content-Length: %d"],
    "vertical tab in a name": [b"Host: x", b"\x0bContent-Length: %d"],
    "form feed behind a name": [b"Host: x", b"Content-Length\x0c: %d"],
    "a carriage return in a value": [b"Host: x", b"X: a\rContent-Length: %d"],
    "folded first line": [b" Host: x", b"Content-Length: %d"],
    "folded value": [b"Host: x", b"X: a", b" Content-Length: %d"],
    "transfer coding with a space": [b"Host: x", b"Transfer-Encoding : chunked"],
    "escape in a value": [b"Host: x", b"X: \x1b[2J", b"Content-Length: %d"],
    "letters beyond ASCII in a name": [b"Host: x", "Content-Lengthé: %d".encode()],
    "no Host": [b"Content-Length: %d"],
    "two Hosts": [b"Host: x", b"Host: x", b"Content-Length: %d"],
    "an empty Host": [b"Host: ", b"Content-Length: %d"],
    "a Host with a space": [b"Host: x y", b"Content-Length: %d"],
}
REQUEST_LINES = {
    "lower case": b"get /v1/vault/health HTTP/1.1",
    "two spaces": b"GET  /v1/vault/health HTTP/1.1",
    "no version": b"GET /v1/vault/health",
    "another version": b"GET /v1/vault/health HTTP/2.0",
    "three digits": b"GET /v1/vault/health HTTP/1.10",
    "escape in the path": b"GET /v1/\x1b[31m HTTP/1.1",
    "escape in the method": b"G\x1b[0mT /v1/vault/health HTTP/1.1",
    "a space in the path": b"GET /v1/vault health HTTP/1.1",
    "bytes beyond ASCII": "GET /v1/vé HTTP/1.1".encode(),
}


def request(lines: list[bytes], line: bytes = b"POST /v1/vault/echo HTTP/1.1") -> bytes:
    fields = [field.replace(b"%d", b"%d" % len(SECOND)) for field in lines]
    return b"\r\n".join([line, *fields, b"", b""])


@pytest.mark.parametrize("lines", HEADS.values(), ids=HEADS)
def test_a_malformed_head_is_refused(demo: Demo, lines: list[bytes]) -> None:
    answer = demo.send(request(lines) + SECOND)
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.") == 1, "the body was answered as a second request"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "malformed"


@pytest.mark.parametrize("line", REQUEST_LINES.values(), ids=REQUEST_LINES)
def test_a_malformed_request_line_is_refused(demo: Demo, line: bytes) -> None:
    answer = demo.send(request([b"Host: x"], line) + SECOND)
    assert (status_of(answer), answer.count(b"HTTP/1.")) == (400, 1)


def test_a_bare_line_feed_is_refused(demo: Demo) -> None:
    answer = demo.send(b"GET /v1/vault/health HTTP/1.1\r\nHost: x\nX: y\r\n\r\n" + SECOND)
    assert (status_of(answer), answer.count(b"HTTP/1.")) == (400, 1)


def test_the_same_request_is_answered_when_it_is_right(demo: Demo) -> None:
    right = request([b"Host: x", b"Content-Length:\t%d", b"X-Text: caf\xc3\xa9"])
    answer = demo.send(right + SECOND + SECOND)
    assert answer.count(b"HTTP/1.1 200 ") == 2
