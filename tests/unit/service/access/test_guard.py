"""The guard on a real store: who is admitted, who is refused, and when nobody is because it cannot know."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from solekey_eventlog.bus import Record
from solekey_eventlog.errors import AccountParkedError, NotYetAppliedError, TrustStaleError
from solekey_protocol.events import Stream, auth, devices
from solekey_protocol.events.body import Body
from solekey_protocol.ids import SYSTEM_ACCOUNT, AccountId, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, Service
from solekey_service.access import Access, Guard
from solekey_service.http import Caller, Headers, Request
from solekey_service.refusals import (
    DeviceNotTrusted,
    DpopInvalid,
    Refusal,
    RevokedDevice,
    SessionOver,
    TokenInvalid,
)
from tests.support.actors import Actor
from tests.support.demo_service import definitions
from tests.support.kernels import Rig
from tests.support.keys import Key
from tests.support.tickets import ORIGIN, make_proof, make_token, publish_signer

PATH = "/v1/vault/statements"


@dataclass
class Gate:
    """A vault's guard, the services that it listens to, and two devices of one account."""

    rig: Rig
    laptop: Actor = field(default_factory=lambda: Actor("ada", "laptop"))
    phone: Actor = field(default_factory=lambda: Actor("ada", "phone"))
    proofs: int = 0

    def __post_init__(self) -> None:
        self.auth = self.rig.build(definitions.AUTH).kernel
        self.devices = self.rig.build(definitions.DEVICES).kernel
        self.vault = self.rig.build(definitions.VAULT).kernel
        self.guard = Guard(self.vault)
        self.tell(SYSTEM_ACCOUNT, publish_signer(self.rig.clock.now()))

    def tell(self, account: AccountId, *facts: Body) -> int:
        with self.auth.store.begin() as uow:
            return uow.append(account, uow.head(account), *facts)[-1].seq

    def log_in(self, actor: Actor) -> int:
        expires_at = Timestamp.from_datetime(self.rig.clock.now() + timedelta(hours=12))
        return self.tell(
            actor.account, auth.SessionOpened(actor.session, actor.device, auth.Factor.TOTP, expires_at)
        )

    def say(self, actor: Actor, body: Body) -> None:
        self.rig.append(actor.sign(body, self.rig.head(Stream.DEVICES, actor.account)))

    def sync(self) -> None:
        """Publish, apply, and hear everybody's heartbeat."""
        self.rig.deliver(Stream.DEVICES, Stream.VAULT)
        for record in list(self.rig.bus.read(HEARTBEAT_TOPIC)):
            self.vault.freshness.observe(record)

    def open(self, *actors: Actor) -> None:
        """The laptop founds the account; all given devices are logged in and trusted."""
        for actor in actors:
            self.log_in(actor)
            self.say(actor, actor.founded() if actor is self.laptop else actor.enrolled())
            if actor is not self.laptop:
                self.say(actor, actor.trusted())
        self.sync()

    def request(
        self,
        actor: Actor,
        *,
        method: str = "POST",
        proof: str | None = None,
        after: str = "",
        **claims: Any,
    ) -> Request:
        now = self.rig.clock.now()
        self.proofs += 1
        token = make_token(actor, Service.VAULT, now, **claims)
        proof = proof or make_proof(
            actor.key, method, ORIGIN + PATH, now, token=token, proof_id=f"proof-{self.proofs:012d}"
        )
        fields = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("Solekey-After", after)]
        return Request(method, PATH, headers=Headers(fields))

    def admit(self, actor: Actor, access: Access = Access.TRUSTED, **options: Any) -> Caller:
        return self.guard.admit(self.request(actor, **options), access).authenticated

    def refuse(
        self, actor: Actor, kind: type[Refusal], access: Access = Access.TRUSTED, **options: Any
    ) -> None:
        with pytest.raises(kind) as caught:
            self.admit(actor, access, **options)
        assert type(caught.value) is kind


@pytest.fixture
def gate(rig: Rig) -> Gate:
    return Gate(rig)


def test_public_asks_for_nothing(gate: Gate) -> None:
    request = Request("GET", PATH)
    assert gate.guard.admit(request, Access.PUBLIC) is request
    with pytest.raises(RuntimeError):
        _ = request.authenticated


def test_a_trusted_device_is_admitted(gate: Gate) -> None:
    gate.open(gate.laptop)
    caller = gate.admit(gate.laptop)
    assert caller == gate.laptop.caller


def test_a_proof_that_need_not_come_is_checked_when_it_does(gate: Gate) -> None:
    key, now = Key("a device that nobody knows"), gate.rig.clock.now()
    assert gate.guard.admit(Request("POST", PATH), Access.PROOF_IF_GIVEN).proof is None
    proof = make_proof(key, "POST", ORIGIN + PATH, now)
    request = Request("POST", PATH, headers=Headers([("DPoP", proof)]))
    assert gate.guard.admit(request, Access.PROOF_IF_GIVEN).proven.device_key == key.public
    elsewhere = make_proof(key, "POST", ORIGIN + PATH + "/other", now)
    for wrong in (proof, elsewhere, "nonsense"):  # used before; for another URL; no proof at all
        with pytest.raises(DpopInvalid):
            gate.guard.admit(Request("POST", PATH, headers=Headers([("DPoP", wrong)])), Access.PROOF_IF_GIVEN)


def test_a_proof_alone_admits_to_log_in_once(gate: Gate) -> None:
    key, now = Key("a device that nobody knows"), gate.rig.clock.now()
    proof = make_proof(key, "POST", ORIGIN + PATH, now)
    request = Request("POST", PATH, headers=Headers([("DPoP", proof)]))
    assert gate.guard.admit(request, Access.PROOF).proven.device_key == key.public
    with pytest.raises(DpopInvalid, match="used before"):
        gate.guard.admit(request, Access.PROOF)


def test_a_request_is_admitted_once(gate: Gate) -> None:
    gate.open(gate.laptop)
    request = gate.request(gate.laptop)
    assert gate.guard.admit(request, Access.TRUSTED)
    with pytest.raises(DpopInvalid, match="used before"):
        gate.guard.admit(request, Access.TRUSTED)


def test_of_the_same_proof_sent_many_times_at_once_one_is_admitted(gate: Gate) -> None:
    gate.open(gate.laptop)
    request, start = gate.request(gate.laptop), Barrier(6)

    def send(_: int) -> bool:
        start.wait()
        try:
            return bool(gate.guard.admit(request, Access.TRUSTED))
        except DpopInvalid:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send, range(6))) == [False] * 5 + [True]


def test_the_same_id_of_another_key_is_another_proof(gate: Gate) -> None:
    gate.open(gate.laptop, gate.phone)
    gate.proofs = 7
    gate.admit(gate.laptop)
    gate.proofs = 7
    gate.admit(gate.phone)


def test_a_refused_request_has_used_its_proof(gate: Gate) -> None:
    gate.log_in(gate.laptop)
    gate.sync()
    request = gate.request(gate.laptop)
    with pytest.raises(DeviceNotTrusted):
        gate.guard.admit(request, Access.TRUSTED)
    with pytest.raises(DpopInvalid):
        gate.guard.admit(request, Access.SESSION)


def test_used_proofs_are_forgotten_when_their_time_refuses_them(gate: Gate) -> None:
    gate.open(gate.laptop)
    old = gate.request(gate.laptop)
    gate.guard.admit(old, Access.TRUSTED)
    gate.rig.clock.advance(61)
    gate.sync()
    with pytest.raises(DpopInvalid, match="iat"):
        gate.guard.admit(old, Access.TRUSTED)
    gate.rig.clock.advance(60)
    gate.sync()
    gate.admit(gate.laptop)
    proofs = gate.vault.store.tables.dpop_proofs
    with gate.vault.store.read() as uow:
        assert uow.connection.execute(select(func.count()).select_from(proofs)).scalar_one() == 1


@pytest.mark.parametrize(
    "header", [None, "Bearer x.y.z", "DPoP", "DPoP ", "Basic DPoP", "DPoP not-a-token", "x" * 9000]
)
def test_without_a_token_nobody_is_admitted(gate: Gate, header: str | None) -> None:
    gate.open(gate.laptop)
    good = gate.request(gate.laptop)
    fields = [("DPoP", good.headers["DPoP"]), *([("Authorization", header)] if header else [])]
    with pytest.raises((TokenInvalid, DpopInvalid)):
        gate.guard.admit(Request("POST", PATH, headers=Headers(fields)), Access.SESSION)


def test_two_tokens_are_none(gate: Gate) -> None:
    gate.open(gate.laptop)
    good = gate.request(gate.laptop)
    token = good.headers["Authorization"]
    fields = [("Authorization", token), ("Authorization", token), ("DPoP", good.headers["DPoP"])]
    with pytest.raises(TokenInvalid):
        gate.guard.admit(Request("POST", PATH, headers=Headers(fields)), Access.SESSION)


def test_12_a_stolen_token_is_useless_without_the_device_key(gate: Gate) -> None:
    gate.open(gate.laptop)
    now, thief = gate.rig.clock.now(), Key("thief")
    token = make_token(gate.laptop, Service.VAULT, now)
    proof = make_proof(thief, "POST", ORIGIN + PATH, now, token=token)
    fields = Headers([("Authorization", f"DPoP {token}"), ("DPoP", proof)])
    with pytest.raises(TokenInvalid, match="another device key"):
        gate.guard.admit(Request("POST", PATH, headers=fields), Access.SESSION)


def test_12_a_token_names_the_device_of_its_key(gate: Gate) -> None:
    """Even the signing key's holder cannot make one device speak with another's key."""
    gate.open(gate.laptop, gate.phone)
    gate.refuse(gate.laptop, TokenInvalid, device=gate.phone.device)


def test_the_session_is_the_devices_own(gate: Gate) -> None:
    gate.open(gate.laptop, gate.phone)
    gate.refuse(gate.laptop, TokenInvalid, sid=gate.phone.session)


def test_a_session_that_ended_is_refused_at_once(gate: Gate) -> None:
    gate.open(gate.laptop)
    gate.tell(gate.laptop.account, auth.SessionEnded(gate.laptop.session, auth.SessionEnd.LOGOUT))
    gate.admit(gate.laptop)  # positive control: not heard of yet
    gate.sync()
    gate.refuse(gate.laptop, SessionOver, Access.SESSION)


def test_a_session_expires(gate: Gate) -> None:
    gate.open(gate.laptop)
    gate.rig.clock.advance(12 * 3600)
    gate.sync()
    gate.refuse(gate.laptop, SessionOver, Access.SESSION)


@pytest.mark.slow
def test_a_session_that_is_not_known_yet_is_waited_for_and_not_called_over(gate: Gate) -> None:
    gate.open(gate.laptop)
    seq = gate.log_in(gate.phone)
    gate.refuse(gate.phone, NotYetAppliedError, Access.SESSION, auth_seq=seq)
    gate.sync()
    gate.admit(gate.phone, Access.SESSION, auth_seq=seq)


def test_a_token_of_a_key_that_is_not_known_yet_can_be_retried(gate: Gate) -> None:
    gate.log_in(gate.laptop)
    gate.refuse(gate.laptop, NotYetAppliedError, Access.SESSION)


def test_a_new_device_may_ask_but_is_not_trusted(gate: Gate) -> None:
    gate.open(gate.laptop)
    gate.log_in(gate.phone)
    gate.sync()
    gate.admit(gate.phone, Access.SESSION)
    gate.refuse(gate.phone, DeviceNotTrusted)
    gate.say(gate.phone, gate.phone.enrolled())
    gate.sync()
    gate.admit(gate.phone, Access.SESSION)
    gate.refuse(gate.phone, DeviceNotTrusted)
    gate.say(gate.phone, gate.phone.trusted())
    gate.sync()
    gate.admit(gate.phone)


def test_a_revoked_device_is_refused_everything(gate: Gate) -> None:
    gate.open(gate.laptop, gate.phone)
    gate.admit(gate.phone)
    lost = devices.DeviceRevoked(gate.phone.device, devices.RevocationReason.LOST)
    gate.say(gate.laptop, lost)
    gate.sync()
    gate.refuse(gate.phone, RevokedDevice, Access.SESSION)
    gate.refuse(gate.phone, RevokedDevice)
    gate.admit(gate.laptop)


def test_a_service_that_hears_nothing_refuses(gate: Gate) -> None:
    gate.open(gate.laptop)
    gate.admit(gate.laptop)
    gate.rig.clock.advance(5.1)
    gate.refuse(gate.laptop, TrustStaleError, Access.SESSION)
    gate.sync()
    gate.admit(gate.laptop)


@pytest.mark.parametrize("silent", [Stream.AUTH, Stream.DEVICES])
def test_each_feed_counts(gate: Gate, silent: Stream) -> None:
    gate.open(gate.laptop)
    gate.rig.clock.advance(5.1)
    heard = {Stream.AUTH: gate.auth, Stream.DEVICES: gate.devices}
    for stream, kernel in heard.items():
        if stream is not silent:
            kernel.publisher.publish_pending()
    for record in list(gate.rig.bus.read(HEARTBEAT_TOPIC)):
        gate.vault.freshness.observe(record)
    gate.refuse(gate.laptop, TrustStaleError, Access.SESSION)


@pytest.mark.slow
def test_what_the_client_has_seen_is_waited_for(gate: Gate) -> None:
    gate.open(gate.laptop)
    gate.refuse(gate.laptop, NotYetAppliedError, after="devices=2")
    gate.admit(gate.laptop, after="auth=1, devices=1, rotation=99")
    gate.refuse(gate.laptop, NotYetAppliedError, after="auth=2")


def test_a_parked_account_is_refused_and_others_are_not(gate: Gate) -> None:
    gate.open(gate.laptop)
    bob = Actor("bob", "desk")
    gate.log_in(bob)
    gate.sync()
    gate.vault.projector.apply(Record("solekey.devices.v1", 0, 10**6, gate.laptop.account, b"not an event"))
    gate.refuse(gate.laptop, AccountParkedError, Access.SESSION)
    gate.admit(bob, Access.SESSION)


def withdraw_device(gate: Gate) -> None:
    gate.say(gate.laptop, devices.DeviceRevoked(gate.phone.device, devices.RevocationReason.LOST))
    gate.sync()


def withdraw_session(gate: Gate) -> None:
    gate.tell(gate.phone.account, auth.SessionEnded(gate.phone.session, auth.SessionEnd.ENDED_BY_USER))
    gate.sync()


def let_everybody_fall_silent(gate: Gate) -> None:
    gate.rig.clock.advance(5.1)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (withdraw_device, RevokedDevice),
        (withdraw_session, SessionOver),
        (let_everybody_fall_silent, TrustStaleError),
    ],
)
@pytest.mark.parametrize("access", [Access.SESSION, Access.TRUSTED])
def test_what_held_at_the_head_of_a_request_must_hold_when_its_body_has_come(
    gate: Gate, access: Access, happens: Callable[[Gate], None], expected: type[Refusal]
) -> None:
    gate.open(gate.laptop, gate.phone)
    admitted = gate.guard.admit(gate.request(gate.phone), access)
    assert gate.guard.confirm(admitted, access) is admitted
    happens(gate)
    with pytest.raises(expected):
        gate.guard.confirm(admitted, access)


def test_a_request_without_a_session_has_nothing_to_confirm(gate: Gate) -> None:
    request = Request("POST", PATH)
    assert gate.guard.confirm(request, Access.PUBLIC) is request
