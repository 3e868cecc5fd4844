"""Access tokens and the key that signs them, as the other services will see them."""

import base64
import hashlib
import json

import pytest
from access.tickets import ORIGIN, make_proof, thumbprint_of
from auth.person import Desk, Person, read

from solekey_auth.signing_key import derive_key_id
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.access import Access, Guard
from solekey_eventlog.access.tokens import verify_access_token
from solekey_eventlog.config import Secret
from solekey_eventlog.errors import SessionOver, TokenExpired, TokenInvalid
from solekey_eventlog.http import Headers, Request
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as said
from solekey_protocol.ids import SYSTEM_ACCOUNT


def signing_keys(desk):
    with desk.api.kernel.store.read() as uow:
        return desk.api.kernel.streams.auth(uow, SYSTEM_ACCOUNT).signing_keys


def verify(desk, token, audience=Stream.VAULT, **changes):
    known = {"signing_keys": signing_keys(desk), "issuer": ORIGIN, "audience": audience, "now": desk.now}
    return verify_access_token(token, **known | changes)


def claims_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_each_service_gets_a_token_of_its_own(desk, ana, opened):
    for audience in Stream:
        claims = verify(desk, opened["tokens"][audience], audience)
        assert (claims.account, claims.device) == (ana.actor.account, ana.actor.device)
        assert claims.session == opened["session"]
        assert claims.thumbprint == thumbprint_of(ana.device_key)
        assert claims.auth_seq == opened["position"]["auth"]
    with pytest.raises(TokenInvalid):
        verify(desk, opened["tokens"]["auth"], Stream.VAULT)
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


def test_the_signing_key_is_announced_once(desk, rig):
    again = desk.restart()
    again.api.announce_signing_key()
    (event,) = rig.events(Stream.AUTH, SYSTEM_ACCOUNT)
    assert isinstance(event.body, said.SigningKeyPublished)
    assert event.body.key_id == derive_key_id(event.body.public_key)
    message = b"solekey/v1/signing-key-id\x00" + bytes.fromhex(event.body.public_key)
    assert event.body.key_id == hashlib.sha256(message).hexdigest()[:32]
    response = again.ask(again.api.get_system_events)
    assert response.body == event.raw + b"\n"


def test_a_key_in_use_is_announced_again_before_its_time_is_over(desk, ana, rig):
    rig.clock.advance(16 * 86400)
    desk.api.announce_signing_key()
    first, second = (event.body for event in rig.events(Stream.AUTH, SYSTEM_ACCOUNT))
    assert (first.key_id, first.not_before) == (second.key_id, second.not_before)
    assert second.not_after > first.not_after
    rig.clock.advance(16 * 86400)  # beyond the first announcement
    desk.register(ana)
    assert verify(desk, read(desk.log_in(ana))["tokens"]["vault"])


def test_another_signing_key_is_announced_beside_the_old_one(desk, ana, opened):
    old = opened["tokens"]["vault"]
    config = desk.api.kernel.config
    changed = type(config)(
        **{name: getattr(config, name) for name in config.__dataclass_fields__}
        | {"signing_key": Secret("77" * 32)}
    )
    object.__setattr__(desk.api.kernel, "config", changed)
    desk = Desk(desk.rig, type(desk.api)(desk.api.kernel))
    new = read(desk.log_in(ana))["tokens"]["vault"]
    assert len(signing_keys(desk)) == 2
    assert verify(desk, old).session == opened["session"]
    assert verify(desk, new).session != opened["session"]


def test_another_service_admits_the_session_until_it_hears_that_it_ended(desk, rig, ana):
    kernel = rig.build(DEVICES)
    guard = Guard(kernel)
    opened = read(desk.log_in(ana))
    token = opened["tokens"]["devices"]

    def admit(number):
        url = f"{ORIGIN}/v1/devices/names"
        proof = make_proof(
            ana.device_key, "GET", url, rig.clock.now(), token=token, proof_id=f"proof-of-this-test-{number}"
        )
        headers = Headers.of({"Authorization": f"DPoP {token}", "DPoP": proof})
        return guard.admit(Request("GET", "/v1/devices/names", headers=headers), Access.SESSION).caller

    def hear():
        rig.deliver(Stream.DEVICES)
        for record in rig.bus.read("solekey.heartbeat.v1"):
            kernel.freshness.observe(record)

    hear()
    assert admit(1).session == opened["session"]
    desk.ask(desk.api.delete_session, None, opened["session"], caller=desk.as_caller(ana, opened["session"]))
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
    assert desk.ask(lambda _: desk.api.get_health()).status == 503
    desk.hear()
    response = desk.ask(lambda _: desk.api.get_health())
    assert response.status == 200
    assert read(response)["stream"] == "auth"
