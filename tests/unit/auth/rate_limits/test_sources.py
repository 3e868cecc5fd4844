"""Where a request comes from: what trusted proxies say, and nothing that a client invents."""

import json

import pytest

from solekey_service.http import Headers, Request, problem_response
from solekey_service.http.source import find_source, parse_networks
from solekey_service.refusals import Refusal
from tests.support.keys import Key
from tests.support.people.person import Desk, Person, code_of
from tests.unit.auth.rate_limits.test_limiter import BRAKED, REFUSED

# Sources


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.7", [], "203.0.113.7/32"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", [], "203.0.113.7/32"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7/32"),  # not a proxy's: anybody can write this
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1/32"),
        ("10.0.0.2", ["192.0.2.9, 198.51.100.1"], "198.51.100.1/32"),  # the client wrote the first
        ("10.0.0.2", ["192.0.2.9", "198.51.100.1"], "198.51.100.1/32"),
        ("10.0.0.2", ["198.51.100.1, 10.0.0.3"], "198.51.100.1/32"),  # two proxies
        ("10.0.0.2", [], "10.0.0.2/32"),
        ("10.0.0.2", ["nonsense"], "10.0.0.2/32"),
        ("10.0.0.2", ["2001:db8::1"], "2001:db8::/64"),
        (None, ["198.51.100.1"], "unknown"),
        ("", [], "unknown"),
        ("/run/socket", [], "unknown"),
    ],
)
def test_the_source_is_what_trusted_proxies_saw(peer, forwarded, source):
    assert find_source(peer, forwarded, parse_networks("10.0.0.0/30, fd00::/8")) == source


def test_an_invented_header_does_not_make_another_source(rig):
    desk = Desk.open(rig, login_failures_stranger=2, trusted_proxies="127.0.0.1")
    ana = Person()
    desk.register(ana)

    def guess(peer, forwarded):
        wrong = ana.with_(login_key=Key("guess"))
        document = wrong.login(desk.challenge(ana.username), "000000")
        desk.hear()
        request = Request(
            "POST",
            "/v1/auth/sessions",
            headers=Headers([("Content-Type", "application/json"), ("X-Forwarded-For", forwarded)]),
            body=json.dumps(document).encode(),
            proof=desk.prove(Key("a stranger's device")),
            peer=peer,
        )
        try:
            return code_of(desk.api.sessions.post_session(request))
        except Refusal as refusal:
            return code_of(problem_response(refusal))

    direct = [guess("203.0.113.7", f"192.0.2.{number}") for number in range(3)]
    assert direct == [REFUSED, REFUSED, BRAKED]
    through = [guess("127.0.0.1", f"192.0.2.{number}, 203.0.113.8") for number in range(3)]
    assert through == [REFUSED, REFUSED, BRAKED]
    honest = [guess("127.0.0.1", f"198.51.100.{number}") for number in range(3)]
    assert honest == [REFUSED] * 3  # positive control: the proxy's word makes another source
