"""Nonces for DPoP proofs (RFC 9449 §8, §9): which are accepted, how long, and where they are asked for."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from solekey_auth.definition import DEFINITION
from solekey_service.access import Access, Guard
from solekey_service.access.nonce import Nonces
from solekey_service.http import Headers, Request, problem_response
from solekey_service.refusals import DpopInvalid, UseDpopNonce
from tests.support.kernels import Rig
from tests.support.keys import Key
from tests.support.people.person import Desk
from tests.support.tickets import ORIGIN, make_proof

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
NONCES = Nonces(bytes(range(32)))
PATH = "/v1/auth/sessions"


def is_accepted(nonce: object, now: datetime = NOW, nonces: Nonces = NONCES) -> bool:
    try:
        nonces.verify(nonce, now)  # type: ignore[arg-type]  # anything may stand in a claim
    except UseDpopNonce:
        return False
    return True


def test_a_nonce_is_good_for_one_to_two_minutes() -> None:
    made = [(second, NONCES.derive(NOW + timedelta(seconds=second))) for second in range(-30, 30)]
    assert len({nonce for _, nonce in made}) == 1
    nonce = NONCES.derive(NOW)
    assert [is_accepted(nonce, NOW + timedelta(seconds=s)) for s in (0, 29, 30, 89, 90, 3600)] == [
        *(True, True, True, True),
        *(False, False),
    ]


def test_the_clock_of_the_process_that_gave_it_may_be_ahead() -> None:
    nonce = NONCES.derive(NOW)
    assert is_accepted(nonce, NOW - timedelta(seconds=60))
    assert not is_accepted(nonce, NOW - timedelta(seconds=120))


@pytest.mark.parametrize("nonce", [None, "", 0, True, [], {}, "x", "é", "x" * 5000])
def test_what_is_no_nonce_is_answered_with_one(nonce: object) -> None:
    assert not is_accepted(nonce)
    assert not is_accepted(NONCES.derive(NOW)[:-1])
    assert not is_accepted(Nonces(bytes(32)).derive(NOW))


def test_the_key_is_not_seen() -> None:
    assert repr(NONCES) == "Nonces(<redacted>)"
    with pytest.raises(TypeError):
        pickle.dumps(NONCES)
    with pytest.raises(ValueError, match="32 bytes"):
        Nonces(b"short")


class Client:
    """A device before the door of the auth service."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.key, self.made = rig, Key("a device"), 0

    def request(self, nonce: str | None) -> Request:
        self.made += 1
        proof_id = f"proof-of-nonces-{self.made}"
        now = self.rig.clock.now()
        proof = make_proof(self.key, "POST", ORIGIN + PATH, now, proof_id=proof_id, nonce=nonce)
        return Request("POST", PATH, headers=Headers([("DPoP", proof)]))


@pytest.fixture
def desk(rig: Rig) -> Desk:
    return Desk.open(rig)


def test_a_login_is_refused_without_the_nonce_and_admitted_with_it(desk: Desk) -> None:
    guard, client = Guard(desk.api.kernel), Client(desk.rig)
    with pytest.raises(UseDpopNonce) as refused:
        guard.admit(client.request(None), Access.PROOF)
    answer = problem_response(refused.value)
    assert answer.status == 401
    assert b'"use_dpop_nonce"' in answer.body
    assert answer.headers["WWW-Authenticate"] == 'DPoP error="use_dpop_nonce", algs="EdDSA"'
    request = client.request(answer.headers["DPoP-Nonce"])
    assert guard.admit(request, Access.PROOF).proven.device_key == client.key.public
    with pytest.raises(DpopInvalid, match="used before"):  # a nonce does not make a proof good twice
        guard.admit(request, Access.PROOF)


def test_a_proof_that_was_made_for_later_is_worth_nothing_later(desk: Desk) -> None:
    """Who holds the device key for a minute makes proofs for next week: the clock alone would accept them."""
    guard, client = Guard(desk.api.kernel), Client(desk.rig)
    with pytest.raises(UseDpopNonce) as refused:
        guard.admit(client.request(None), Access.PROOF)
    now_nonce = refused.value.headers["DPoP-Nonce"]
    week = timedelta(days=7)
    proof = make_proof(client.key, "POST", ORIGIN + PATH, desk.now + week, nonce=now_nonce)
    desk.rig.clock.advance(week.total_seconds())
    with pytest.raises(UseDpopNonce) as refused:
        guard.admit(Request("POST", PATH, headers=Headers([("DPoP", proof)])), Access.PROOF)
    assert guard.admit(client.request(refused.value.headers["DPoP-Nonce"]), Access.PROOF)  # positive control


def test_each_process_accepts_what_another_gave_also_after_a_restart(desk: Desk) -> None:
    client = Client(desk.rig)
    kernel = desk.rig.start(DEFINITION, desk.api.kernel.config).kernel
    with pytest.raises(UseDpopNonce) as refused:
        Guard(desk.api.kernel).admit(client.request(None), Access.PROOF)
    assert Guard(kernel).admit(client.request(refused.value.headers["DPoP-Nonce"]), Access.PROOF)
    kernel.close()


def test_challenges_and_sessions_bring_the_next_nonce(desk: Desk) -> None:
    guard, client = Guard(desk.api.kernel), Client(desk.rig)
    asked = desk.ask(desk.api.sessions.post_challenge, {"username": "nobody@example.org"})
    assert guard.admit(client.request(asked.headers["DPoP-Nonce"]), Access.PROOF)
