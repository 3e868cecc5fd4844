"""Signing keys: announced, taken over, withdrawn; and what each service says to their tokens meanwhile."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from solekey_auth.definition import DEFINITION as AUTH
from solekey_auth.limits import AuthLimits
from solekey_auth.signing_keys.signing_keys import SigningSecret, decide_rotation, open_ring
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.errors import NotYetAppliedError
from solekey_protocol.errors import TransitionError
from solekey_protocol.event import encode_event
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_protocol.ids import SYSTEM_ACCOUNT, KeyId, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC
from solekey_protocol.streams import AuthStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.access import Access, Guard
from solekey_service.command_line import parse_command_line, run_command
from solekey_service.http import Headers, Request
from solekey_service.refusals import NotFound, TokenInvalid
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.kernels import AUTH_TOPIC
from tests.support.people.person import Desk, read
from tests.support.tickets import ORIGIN, make_proof

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = AuthLimits()
SECRET, OTHER = SigningSecret(b"s" * 32), SigningSecret(b"t" * 32)
LEAD, AGE = LIMITS.signing_key_lead, LIMITS.signing_key


def follow(stream, bodies, now=NOW):
    for body in bodies:
        time = Timestamp.from_datetime(now)
        stream = stream.evolve(encode_event(body, account=SYSTEM_ACCOUNT, after=stream.head, time=time))
    return stream


def judge(stream, now=NOW, secret=SECRET, **asked):
    return decide_rotation(open_ring(secret, stream), stream, now, LIMITS, **asked)


def signer(stream, now, secret=SECRET):
    return open_ring(secret, stream).find_signer(now, LIMITS)


EMPTY = AuthStream.start(SYSTEM_ACCOUNT)
FIRST = follow(EMPTY, judge(EMPTY))


# The schedule


def test_the_first_key_signs_at_once_and_is_announced_once():
    (published,) = judge(EMPTY)
    assert published.key_id == SECRET.derive_key(0).key_id
    assert published.not_before.datetime <= NOW - timedelta(seconds=60)
    assert judge(FIRST) == []
    assert signer(FIRST, NOW) is SECRET.derive_key(0)


def test_the_next_key_is_announced_before_it_signs_and_takes_over_at_its_age():
    start = FIRST.signing_keys[SECRET.derive_key(0).key_id].not_before.datetime
    assert judge(FIRST, start + AGE - LEAD - timedelta(seconds=1)) == []
    due = start + AGE - LEAD
    (published,) = judge(FIRST, due)
    assert published.key_id == SECRET.derive_key(1).key_id
    second = follow(FIRST, [published])
    assert judge(second, due + timedelta(seconds=1)) == []
    assert signer(second, published.not_before.datetime - timedelta(seconds=1)) is SECRET.derive_key(0)
    assert signer(second, published.not_before.datetime) is SECRET.derive_key(1)
    assert published.not_before.datetime == start + AGE


def test_a_rotation_that_is_asked_for_keeps_the_lead_and_is_made_once():
    (published,) = judge(FIRST, wanted=True)
    assert published.not_before.datetime == NOW + LEAD
    assert judge(follow(FIRST, [published]), wanted=True) == []


def test_a_token_is_never_issued_outside_its_keys_time():
    """Whole seconds in tokens, milliseconds in clocks: a key begins at a whole second."""
    moment = NOW + timedelta(milliseconds=700)
    (published,) = judge(FIRST, moment, wanted=True)
    begins = published.not_before.datetime
    assert begins.microsecond == 0
    stream = follow(FIRST, [published])
    just_after = begins + timedelta(milliseconds=1)
    assert signer(stream, just_after) is SECRET.derive_key(1)
    assert int(just_after.timestamp()) >= begins.timestamp()


def test_a_service_that_was_away_for_long_announces_a_key_that_signs_at_once():
    later = NOW + AGE + LIMITS.signing_key_overlap
    assert signer(FIRST, later) is None
    (published,) = judge(FIRST, later)
    assert signer(follow(FIRST, [published]), later) is SECRET.derive_key(1)


def test_a_withdrawn_key_is_replaced_in_the_same_breath():
    withdrawn, published = judge(FIRST, withdraw=[SECRET.derive_key(0).key_id])
    assert withdrawn == events.SigningKeyWithdrawn(SECRET.derive_key(0).key_id)
    stream = follow(FIRST, [withdrawn, published])
    assert signer(stream, NOW) is SECRET.derive_key(1)


def test_withdrawing_a_key_that_waits_leaves_the_one_that_signs():
    pending = follow(FIRST, judge(FIRST, wanted=True))
    bodies = judge(pending, withdraw=[SECRET.derive_key(1).key_id])
    assert bodies == [events.SigningKeyWithdrawn(SECRET.derive_key(1).key_id)]
    stream = follow(pending, bodies)
    assert signer(stream, NOW + LEAD) is SECRET.derive_key(0)
    (published,) = judge(stream, wanted=True)
    assert published.key_id == SECRET.derive_key(2).key_id  # never the withdrawn one


def test_withdrawing_the_key_that_signs_does_not_wait_for_the_one_that_does_not_yet():
    pending = follow(FIRST, judge(FIRST, wanted=True))
    stream = follow(pending, judge(pending, withdraw=[SECRET.derive_key(0).key_id]))
    assert signer(stream, NOW) is SECRET.derive_key(2)


def test_only_what_was_announced_is_withdrawn_and_only_once():
    with pytest.raises(NotFound):
        judge(FIRST, withdraw=[KeyId("ab" * 16)])
    key_id = SECRET.derive_key(0).key_id
    assert len(judge(FIRST, withdraw=[key_id, key_id])) == 2  # withdrawn once, replaced once
    stream = follow(FIRST, judge(FIRST, withdraw=[key_id]))
    with pytest.raises(NotFound):
        judge(stream, withdraw=[key_id])


def test_a_withdrawn_key_never_comes_back():
    original = judge(EMPTY)[0]
    stream = follow(FIRST, judge(FIRST, withdraw=[original.key_id]))
    with pytest.raises(TransitionError, match="withdrawn"):
        follow(stream, [original])
    assert follow(FIRST, [original]).signing_keys  # positive control: it was refused for being withdrawn
    for days in range(0, 400, 10):
        stream = follow(stream, judge(stream, NOW + timedelta(days=days)))
    assert original.key_id not in stream.signing_keys


def test_another_secret_signs_at_once_beside_the_old_keys():
    (published,) = judge(FIRST, secret=OTHER)
    stream = follow(FIRST, [published])
    assert signer(stream, NOW, OTHER) is OTHER.derive_key(0)
    assert SECRET.derive_key(0).key_id in stream.signing_keys
    # Its leaked predecessor is withdrawn without another key being announced.
    assert judge(stream, secret=OTHER, withdraw=[SECRET.derive_key(0).key_id]) == [
        events.SigningKeyWithdrawn(SECRET.derive_key(0).key_id)
    ]


def test_every_generation_has_another_key():
    keys = {secret.derive_key(number).public_key for secret in (SECRET, OTHER) for number in range(50)}
    assert len(keys) == 100
    assert "73737373" not in repr(SECRET)


# The services


class Platform:
    """Auth with Ana's session, and the three other services' guards."""

    def __init__(self, desk: Desk, person, folder) -> None:
        self.desk, self.person, self.folder = desk, person, folder
        self.rig = desk.rig
        self.kernels = {d.stream: self.rig.build(d, **more).kernel for d, more in self._others()}
        self.kernels[Stream.AUTH] = desk.api.kernel
        self.guards = {stream: Guard(kernel) for stream, kernel in self.kernels.items()}
        self._numbers = count()
        self._applied: set[tuple[Stream, str, int, int]] = set()
        self.answer = read(desk.log_in(person))
        self.deliver()

    def _others(self):
        blobs = {"object_store_url": f"file://{self.folder}/objects"}
        return ((DEVICES, {}), (VAULT, blobs), (ROTATION, {}))

    def deliver(self, *to: Stream) -> None:
        """Publish everything, and let these services apply it: all, unless they are named."""
        for kernel in self.kernels.values():
            kernel.publisher.publish_pending()
        for stream in to or tuple(self.kernels):
            kernel = self.kernels[stream]
            for topic in kernel.topics:
                for record in list(self.rig.bus.read(topic)):
                    place = (stream, topic, record.partition, record.offset)
                    if place not in self._applied:
                        kernel.projector.apply(record)
                        self._applied.add(place)
            for record in list(self.rig.bus.read(HEARTBEAT_TOPIC)):
                kernel.freshness.observe(record)

    def deliver_all_but_keys(self, to: Stream) -> None:
        """Let a service hear of the account, and not yet of the keys: they are in another partition."""
        self.desk.api.kernel.publisher.publish_pending()
        for record in self.rig.bus.read(AUTH_TOPIC):
            if record.key != SYSTEM_ACCOUNT:
                self.kernels[to].projector.apply(record)

    def refresh(self) -> None:
        response = self.desk.refresh(self.answer["refresh_token"], self.person.device_key)
        assert response.status == 200, response.body
        self.answer = read(response)

    def pass_time(self, seconds: float) -> None:
        """Let the timers run, the bus deliver, and the client refresh in time."""
        self.rig.clock.advance(seconds)
        self.desk.api.signing_keys.turn()
        self.deliver()

    def request(self, stream: Stream) -> str:
        """One request to a service, admitted or refused by its guard."""
        token, path = self.answer["tokens"][stream], f"/v1/{stream}/events"
        proof = make_proof(
            self.person.device_key,
            "GET",
            ORIGIN + path,
            self.rig.clock.now(),
            token=token,
            proof_id=f"proof-of-keys-{next(self._numbers):06d}",
        )
        headers = Headers({"Authorization": f"DPoP {token}", "DPoP": proof})
        caller = self.guards[stream].admit(Request("GET", path, headers=headers), Access.SESSION).caller
        return str(caller.account)

    def request_all(self) -> None:
        assert {self.request(stream) for stream in Stream} == {self.person.actor.account}

    def signing_key_id(self) -> str:
        return self.desk.api.signing_keys.find_signer(self.rig.clock.now()).key_id


@pytest.fixture
def platform(desk, ana, tmp_path):
    return Platform(desk, ana, tmp_path)


@pytest.mark.slow
def test_a_rotation_amid_requests_refuses_nobody(platform):
    before, signed_by = platform.signing_key_id(), set()
    for second in range(0, 1500, 20):  # the old tokens, the lead, the take-over, and after it
        if second == 100:
            platform.desk.api.signing_keys.rotate()
        if second % 240 == 0:
            platform.refresh()
            platform.deliver()
            signed_by.add(platform.signing_key_id())
        platform.request_all()
        platform.pass_time(20)
    assert len(signed_by) == 2
    assert platform.signing_key_id() != before


def test_with_the_lead_a_service_may_hear_of_the_new_key_late(platform):
    platform.desk.api.signing_keys.rotate()
    platform.refresh()
    platform.deliver_all_but_keys(Stream.VAULT)
    platform.request(Stream.VAULT)


def test_positive_control_without_the_lead_it_must_have_heard(platform):
    """Such as after a withdrawal: then it is 503, and the same token is good a moment later."""
    platform.desk.api.signing_keys.rotate([platform.signing_key_id()])
    platform.refresh()
    platform.deliver_all_but_keys(Stream.VAULT)
    with pytest.raises(NotYetAppliedError, match="signing key"):
        platform.request(Stream.VAULT)
    platform.deliver()
    platform.request_all()


@pytest.mark.slow
def test_keys_turn_by_themselves_for_a_year_and_each_token_is_accepted(desk, ana, tmp_path):
    platform, seen = Platform(desk, ana, tmp_path), set()
    for _ in range(13):
        platform.pass_time(29 * 86400)
        platform.pass_time(86400)
        platform.answer = read(desk.log_in(ana))
        platform.deliver()
        platform.request_all()
        seen.add(platform.signing_key_id())
    assert len(seen) == 13


def test_a_withdrawn_key_is_refused_at_each_service_and_the_session_goes_on(platform):
    platform.request_all()  # positive control
    stolen = platform.signing_key_id()
    platform.desk.api.signing_keys.rotate([stolen])
    with pytest.raises(TokenInvalid, match="withdrawn"):
        platform.request(Stream.AUTH)  # where it was said
    for stream in (Stream.DEVICES, Stream.VAULT, Stream.ROTATION):
        platform.request(stream)  # positive control: has not heard of it
        platform.deliver(stream)
        with pytest.raises(TokenInvalid, match="withdrawn"):
            platform.request(stream)
    platform.refresh()
    platform.deliver()
    platform.request_all()
    assert platform.signing_key_id() != stolen


def test_a_service_that_cannot_hear_of_the_withdrawal_refuses_everybody_in_time(platform):
    platform.desk.api.signing_keys.rotate([platform.signing_key_id()])
    platform.rig.clock.advance(5.1)
    for stream in (Stream.DEVICES, Stream.VAULT, Stream.ROTATION):
        with pytest.raises(Exception, match="known up to"):
            platform.request(stream)


def test_a_withdrawal_survives_a_restart_of_both_sides(platform, rig):
    platform.desk.api.signing_keys.rotate([platform.signing_key_id()])
    platform.deliver()
    old = platform.kernels[Stream.VAULT]
    kernel = rig.start(VAULT, old.config).kernel
    platform.guards[Stream.VAULT], platform.kernels[Stream.VAULT] = Guard(kernel), kernel
    rig.kernels[Stream.VAULT] = kernel
    old.close()
    desk = platform.desk.restart()
    desk.api.signing_keys.turn()
    platform.kernels[Stream.AUTH] = desk.api.kernel
    platform.deliver()
    with pytest.raises(TokenInvalid, match="withdrawn"):
        platform.request(Stream.VAULT)


def test_two_processes_sign_with_the_same_key_and_announce_it_once(desk, rig):
    other = rig.start(AUTH, desk.api.kernel.config)
    assert len(rig.events(Stream.AUTH, SYSTEM_ACCOUNT)) == 1
    desk.api.signing_keys.rotate()
    other.signing_keys.rotate()
    assert len(rig.events(Stream.AUTH, SYSTEM_ACCOUNT)) == 2
    rig.clock.advance(LEAD.total_seconds())
    now = rig.clock.now()
    assert desk.api.signing_keys.find_signer(now) is not None
    assert desk.api.signing_keys.find_signer(now).key_id == other.signing_keys.find_signer(now).key_id
    other.kernel.close()


def test_the_key_is_announced_to_everybody_under_its_name(desk, rig):
    (event,) = rig.events(Stream.AUTH, SYSTEM_ACCOUNT)
    message = b"solekey/v1/signing-key-id\x00" + bytes.fromhex(event.body.public_key)
    assert event.body.key_id == hashlib.sha256(message).hexdigest()[:32]
    again = desk.restart()
    assert again.ask(again.api.get_system_events).body == event.raw + b"\n"


# The operator's command


@pytest.fixture
def operate(tmp_path, monkeypatch, capsys):
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/auth.db",
        "BUS_URL": f"embedded:///{tmp_path}/bus.db",
        "ORIGIN": ORIGIN,
        "OPERATOR_KEY": "0b" * 32,
        "SIGNING_KEY": "5e" * 32,
    }
    for name in [name for name in os.environ if name.startswith("SOLEKEY_")]:
        monkeypatch.delenv(name)  # what this run of the tests was told is no setting of a service
    for name, value in environment.items():
        monkeypatch.setenv(f"SOLEKEY_{name}", value)

    def run(*arguments):
        code = run_command(AUTH, parse_command_line(AUTH, arguments))
        printed = capsys.readouterr()
        return code, [line.split() for line in printed.out.splitlines()], printed.err

    return run


def test_the_operator_rotates_withdraws_and_lists(operate):
    assert operate("signing-keys") == (0, [], "")
    _, [first], _ = operate("rotate-signing-key")
    assert first[-1] == "signs"
    _, keys, _ = operate("rotate-signing-key")
    assert [key[-1] for key in keys] == ["signs", "next"]
    code, keys, _ = operate("rotate-signing-key", "--withdraw", first[0])
    assert code == 0
    assert sorted(key[-1] for key in keys) == ["next", "signs", "withdrawn"]
    assert [first[0], "withdrawn"] in keys
    code, _, said_why = operate("rotate-signing-key", "--withdraw", first[0])
    assert (code, "withdrawn already" in said_why) == (1, True)


def test_the_operators_command_needs_the_services_configuration(operate, monkeypatch):
    monkeypatch.delenv("SOLEKEY_SIGNING_KEY")
    code, _, said_why = operate("signing-keys")
    assert code == 2
    assert "SOLEKEY_SIGNING_KEY" in said_why
    with pytest.raises(SystemExit):
        operate("rotate-signing-key", "--withdraw", "not a key")
