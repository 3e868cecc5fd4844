"""What a request of the client consists of: the headers that the threat model lists, and no cookies."""

import httpx
import pytest

from solekey.connection.transport import Transport
from solekey.errors.refusals import QuotaExceededError, RateLimitedError
from solekey.runtime import Runtime
from solekey.server import Server

ALWAYS_SENT = {"host", "accept", "accept-encoding", "user-agent"}


class Recorder:
    """A server that sets a cookie, and keeps what it is sent."""

    def __init__(self):
        self.requests = []

    def answer(self, request):
        request.read()
        self.requests.append(request)
        return httpx.Response(200, json={}, headers={"Set-Cookie": "follow=you; Path=/"})


@pytest.fixture
def server():
    return Recorder()


@pytest.fixture
def transport(server):
    transport = Transport(Server("https://solekey.test"), Runtime(http=httpx.MockTransport(server.answer)))
    yield transport
    transport.close()


def test_a_cookie_is_not_sent_back(transport, server):
    for _ in range(2):
        transport.send("GET", "/v1/vault/limits")
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def test_only_the_headers_of_the_threat_model_are_sent(transport, server):
    transport.send("GET", "/v1/vault/limits", params={"after": 7})
    transport.send("POST", "/v1/vault/objects", content=bytes(100_000), headers=lambda: {"DPoP": "proof"})
    first, second = server.requests
    assert (first.url, set(first.headers)) == ("https://solekey.test/v1/vault/limits?after=7", ALWAYS_SENT)
    assert set(second.headers) == {*ALWAYS_SENT, "dpop", "content-length"}
    assert (second.headers["content-length"], second.content) == ("100000", bytes(100_000))
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["user-agent"] == "solekey"


def test_nothing_is_sent_once_it_is_closed(transport, server):
    transport.close()
    with pytest.raises(RuntimeError, match="closed"):
        transport.send("GET", "/v1/vault/limits")
    assert not server.requests


@pytest.mark.parametrize(
    ("status", "code", "after", "pauses_s"),
    [
        (507, "quota_exceeded", None, []),
        (429, "rate_limited", "904", []),
        (429, "rate_limited", "31", []),
        (429, "rate_limited", "3", [3] * 5),
        (429, "rate_limited", "30", [5] * 5),
    ],
)
def test_what_no_short_wait_changes_is_not_repeated(
    status: int, code: str, after: str | None, pauses_s: list[float]
) -> None:
    asked, slept, notices = [], [], []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        headers = {} if after is None else {"Retry-After": after}
        return httpx.Response(status, json={"code": code, "status": status}, headers=headers)

    runtime = Runtime(http=httpx.MockTransport(refuse), sleep=slept.append, notice=notices.append)
    with pytest.raises((QuotaExceededError, RateLimitedError)):
        Transport(Server("https://solekey.test"), runtime).send("POST", "/v1/vault/objects", content=b"x")
    assert slept == pauses_s
    assert len(asked) == len(pauses_s) + 1
    assert bool(notices) == bool(pauses_s)
