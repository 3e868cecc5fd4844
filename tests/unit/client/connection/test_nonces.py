"""The client's half of the server's nonces: it keeps the newest of each service, and asks again once."""

import httpx
import pytest

from solekey.connection.transport import Transport
from solekey.errors import ProofRefusedError
from solekey.runtime import Runtime
from solekey.server import Server


class Asker:
    """A server that refuses until it is shown its nonce, and counts."""

    def __init__(self, nonce="nonce-1", accepts=None):
        self.nonce, self.accepts, self.shown = nonce, accepts or nonce, []

    def answer(self, request):
        shown = request.headers.get("X-Nonce")
        self.shown.append(shown)
        headers = {"DPoP-Nonce": self.nonce}
        if shown == self.accepts:
            return httpx.Response(200, json={}, headers=headers)
        return httpx.Response(401, json={"code": "use_dpop_nonce", "status": 401}, headers=headers)


@pytest.fixture
def connect():
    opened = []

    def open_transport(server):
        runtime = Runtime(http=httpx.MockTransport(server.answer), sleep=lambda _: pytest.fail("no wait"))
        opened.append(Transport(Server("https://solekey.test"), runtime))
        return opened[-1]

    yield open_transport
    for transport in opened:
        transport.close()


def send(transport, path="/v1/auth/sessions", **options):
    def headers():
        nonce = transport.find_nonce(path)
        return {"X-Nonce": nonce} if nonce else {}

    return transport.send("POST", path, headers=headers, **options)


def test_it_asks_again_with_the_nonce_even_what_may_not_be_repeated(connect):
    server = Asker()
    transport = connect(server)
    assert send(transport, repeatable=False).status == 200
    assert server.shown == [None, "nonce-1"]


def test_it_keeps_the_newest_nonce_also_of_a_good_answer(connect):
    server = Asker()
    transport = connect(server)
    send(transport)
    server.nonce = "nonce-2"
    send(transport)
    server.accepts = "nonce-2"
    send(transport)
    assert server.shown == [None, "nonce-1", "nonce-1", "nonce-2"]


def test_it_keeps_one_nonce_a_service(connect):
    transport = connect(Asker())
    send(transport)
    assert transport.find_nonce("/v1/auth/sessions/refresh") == "nonce-1"
    assert transport.find_nonce("/v1/vault/events") is None


def test_it_asks_again_once(connect):
    server = Asker(accepts="another")
    transport = connect(server)
    with pytest.raises(ProofRefusedError) as refused:
        send(transport)
    assert refused.value.code == "use_dpop_nonce"
    assert server.shown == [None, "nonce-1"]


@pytest.mark.parametrize("nonce", ["", "with space", 'quo"te', "back\\slash", "x" * 257])
def test_what_cannot_be_a_nonce_is_not_kept(connect, nonce):
    server = Asker(nonce=nonce, accepts="never")
    transport = connect(server)
    with pytest.raises(ProofRefusedError):
        send(transport)
    assert transport.find_nonce("/v1/auth/sessions") is None


def test_another_refusal_of_the_proof_is_not_repeated(connect):
    calls = []

    class Refuser:
        def answer(self, request):
            calls.append(request)
            return httpx.Response(401, json={"code": "dpop_invalid", "status": 401})

    with pytest.raises(ProofRefusedError):
        send(connect(Refuser()))
    assert len(calls) == 1


class Repeating(Asker):
    """A server whose proxy gave the first request to two replicas: the second saw a used proof."""

    def answer(self, request):
        self.shown.append(request.method)
        if len(self.shown) == 1:
            return httpx.Response(401, json={"code": "dpop_invalid", "status": 401})
        return httpx.Response(200, json={})


def test_a_proof_that_a_proxy_has_used_up_is_made_anew_once(connect):
    server = Repeating()
    assert connect(server).send("DELETE", "/v1/auth/sessions/s").status == 200
    assert server.shown == ["DELETE", "DELETE"]


def test_what_no_proxy_repeats_is_not_sent_again_for_a_refused_proof(connect):
    server = Repeating()
    with pytest.raises(ProofRefusedError):
        connect(server).send("POST", "/v1/vault/statements")
    assert server.shown == ["POST"]
