"""Access tokens and the key that signs them, as the other services will see them."""

import base64
import json

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.events import Stream
from solekey_protocol.ids import SYSTEM_ACCOUNT
from solekey_protocol.services import TOKEN_AUDIENCES, Service
from solekey_protocol.streams import AuthStream
from solekey_service.access import Access, Guard
from solekey_service.access.tokens import verify_access_token
from solekey_service.http import Headers, Request
from solekey_service.refusals import SessionOver, TokenExpired, TokenInvalid
from tests.support.people.person import Person, read
from tests.support.tickets import ORIGIN, make_proof, thumbprint_of


def signing_keys(desk):
    with desk.api.kernel.store.read() as uow:
        return desk.api.kernel.streams.fold(uow, SYSTEM_ACCOUNT, AuthStream).signing_keys


def verify(desk, token, audience=Service.VAULT, **changes):
    known = {"signing_keys": signing_keys(desk), "issuer": ORIGIN, "audience": audience, "now": desk.now}
    return verify_access_token(token, **known | changes)


def claims_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_each_service_gets_a_token_of_its_own(desk, ana, opened):
    for audience in TOKEN_AUDIENCES:
        claims = verify(desk, opened["tokens"][audience], audience)
        assert (claims.account, claims.device) == (ana.actor.account, ana.actor.device)
        assert claims.session == opened["session"]
        assert claims.thumbprint == thumbprint_of(ana.device_key)
        assert claims.auth_seq == opened["position"]["auth"]
    with pytest.raises(TokenInvalid):
        verify(desk, opened["tokens"]["auth"], Service.VAULT)
    assert len({claims_of(token)["jti"] for token in opened["tokens"].values()}) == 4


def test_a_token_lives_for_five_minutes(desk, ana, opened):
    desk.rig.clock.advance(300 - 30 - 0.001)
    assert verify(desk, opened["tokens"]["vault"])
    desk.rig.clock.advance(0.001)
    with pytest.raises(TokenExpired):
        verify(desk, opened["tokens"]["vault"])


def test_a_token_says_nothing_about_the_person(desk, ana, opened):
    text = json.dumps(claims_of(opened["tokens"]["vault"]))
    assert ana.username not in text


def test_another_service_admits_the_session_until_it_hears_that_it_ended(desk, rig, ana):
    kernel = rig.build(DEVICES).kernel
    guard = Guard(kernel)
    opened = read(desk.log_in(ana))
    token = opened["tokens"]["devices"]

    def admit(number):
        url = f"{ORIGIN}/v1/devices/names"
        proof = make_proof(
            ana.device_key, "GET", url, rig.clock.now(), token=token, proof_id=f"proof-of-this-test-{number}"
        )
        headers = Headers({"Authorization": f"DPoP {token}", "DPoP": proof})
        return guard.admit(Request("GET", "/v1/devices/names", headers=headers), Access.SESSION).caller

    def hear():
        rig.deliver(Stream.DEVICES)
        for record in rig.bus.read("solekey.heartbeat.v1"):
            kernel.freshness.observe(record)

    hear()
    assert admit(1).session == opened["session"]
    desk.ask(
        desk.api.sessions.delete_session,
        None,
        opened["session"],
        caller=desk.as_caller(ana, opened["session"]),
    )
    hear()
    with pytest.raises(SessionOver):
        admit(2)


def test_a_person_reads_their_own_events_only(desk, ana, opened, rig):
    ben = Person("ben")
    desk.register(ben)
    response = desk.ask(desk.api.get_events, caller=desk.as_caller(ana, opened["session"]))
    assert response.body == b"".join(e.raw + b"\n" for e in rig.events(Stream.AUTH, ana.actor.account))
    assert response.headers["Solekey-Position"] == "auth=3"
    assert ben.actor.account.encode() not in response.body


def test_health_tells_of_the_devices_feed(desk):
    assert desk.ask(lambda _: desk.api.get_health(Request("GET", "/v1/any/health"))).status == 503
    desk.hear()
    response = desk.ask(lambda _: desk.api.get_health(Request("GET", "/v1/any/health")))
    assert response.status == 200
    assert read(response)["stream"] == "auth"
