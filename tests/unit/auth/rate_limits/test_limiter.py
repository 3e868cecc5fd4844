"""The brake, by attacking: what strangers can use up, what they cannot, and that nobody learns who exists."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy

from solekey_auth.definition import DEFINITION
from solekey_auth.rate_limits.limit import (
    LOGIN_DEVICE,
    LOGIN_NAME,
    LOGIN_STRANGER,
    SOURCE_SLOT_BITS,
    STEP_UP,
)
from solekey_auth.refusals import TooManyAttempts
from solekey_auth.tables import metadata
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.clock import ManualClock
from solekey_protocol.events import Stream, devices
from solekey_service.http.source import Source
from tests.support.actors import Actor
from tests.support.keys import Key
from tests.support.people.parts import make_limiter
from tests.support.people.person import Desk, Person, code_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


REFUSED, BRAKED = "401 login_refused", "429 too_many_attempts"


class Stranger:
    """Guesses under a name, from one address, on a device of their own."""

    def __init__(self, victim: Person, address: str = "203.0.113.7") -> None:
        self.address = address
        self._device = Key(f"device of the stranger at {address}")
        self._wrong = victim.with_(login_key=Key(f"guess of {address}"), totp_secret="A" * 32)

    def guess(self, desk: Desk) -> str:
        return code_of(replace(desk, peer=self.address).log_in(self._wrong, device=self._device))

    def hammer(self, desk: Desk, times: int) -> list[str]:
        return [self.guess(desk) for _ in range(times)]


@pytest.fixture
def botnet(ana):
    return [Stranger(ana, f"198.51.100.{number}") for number in range(10)]


@pytest.fixture
def replicas(desk):
    """Two processes of the service on the same database."""
    other = Desk(desk.rig, desk.rig.start(DEFINITION, desk.api.kernel.config))
    desk.hear()
    other.hear()
    yield desk, other
    other.api.kernel.close()


def fill(desk, botnet):
    """Use up what all strangers together have under a name."""
    answers = [stranger.guess(desk) for stranger in botnet for _ in range(2)]
    assert answers == [REFUSED] * LOGIN_NAME.free


# Logins


def test_a_stranger_cannot_lock_the_owner_out_of_a_device_that_the_account_knows(desk, ana, opened, botnet):
    assert Stranger(ana).hammer(desk, 8) == [REFUSED] * LOGIN_STRANGER.free + [BRAKED] * 3
    assert BRAKED in [bot.guess(desk) for bot in botnet for _ in range(2)]  # by now all strangers wait
    assert (
        Stranger(ana, "192.0.2.200").guess(desk) == BRAKED
    )  # positive control: also one who has done nothing
    assert desk.log_in(ana).status == 201


def test_positive_control_without_a_known_device_the_botnet_brakes_everybody(desk, ana, botnet):
    """Ana has not logged in before: her device is as strange as the attackers'."""
    fill(desk, botnet)
    assert code_of(desk.log_in(ana)) == BRAKED


def test_strangers_at_the_owners_own_address_do_not_brake_a_known_device(desk, ana, opened):
    home = replace(desk, peer="203.0.113.7")
    Stranger(ana).hammer(desk, 8)
    assert home.log_in(ana).status == 201


def test_one_source_cannot_brake_the_owner_on_a_new_device_elsewhere(desk, ana, opened):
    stranger, answers = Stranger(ana), []
    for _ in range(48):  # half a day, every quarter of an hour
        answers.append(stranger.guess(desk))
        desk.rig.clock.advance(900)
    assert answers.count(REFUSED) < 30
    new = ana.with_(actor=Actor("ana", "a new phone"))
    assert replace(desk, peer="192.0.2.1").log_in(new).status == 201


def test_the_bucket_of_a_known_device_is_bounded_too(desk, ana, opened):
    wrong = ana.with_(login_key=Key("wrong"))
    answers = [code_of(desk.log_in(wrong)) for _ in range(12)]
    assert answers == [REFUSED] * LOGIN_DEVICE.free + [BRAKED] * 2
    braked = desk.log_in(ana)
    assert braked.headers["Retry-After"] == "30"
    desk.rig.clock.advance(30)
    assert desk.log_in(ana).status == 201


def test_the_name_of_a_known_device_is_no_password(desk, ana, opened):
    """Who says to be the device must hold its key: the proof of another key is a stranger's."""
    stranger = Stranger(ana)
    stranger.hammer(desk, LOGIN_STRANGER.free)
    thief = ana.with_(login_key=Key("guess"))
    answer = replace(desk, peer=stranger.address).log_in(thief, device=Key("not the laptop's"))
    assert code_of(answer) == BRAKED


def test_a_device_that_was_revoked_is_a_stranger_again(desk, ana, opened, botnet):
    fill(desk, botnet)
    assert desk.log_in(ana).status == 201  # positive control: known until then
    desk.rig.clock.advance(30)
    desk.rig.build(DEVICES)
    laptop, phone = ana.actor, Actor("ana", "phone", ana.actor.user_key)
    lost = devices.DeviceRevoked(laptop.device, devices.RevocationReason.LOST)
    desk.rig.append(laptop.sign(laptop.founded()))
    for body in (phone.enrolled(), phone.trusted(), lost):
        desk.rig.append(phone.sign(body, desk.rig.head(Stream.DEVICES, laptop.account)))
    desk.rig.deliver(Stream.AUTH)
    assert code_of(desk.log_in(ana)) == BRAKED


def test_a_name_is_braked_whether_anybody_has_it_or_not(desk, ana):
    nobody = Person("nobody").with_(totp_secret="A" * 32)
    answers = []
    for victim in (ana, nobody):
        guesses = []
        for number in range(LOGIN_NAME.free + 2):
            stranger = Stranger(victim, f"198.51.100.{number}")
            peer = replace(desk, peer=stranger.address)
            wrong = victim.with_(login_key=Key("guess"))
            guesses.append(peer.log_in(wrong, device=Key(f"device {number}")))
        answers.append(guesses)
    known, unknown = answers
    assert [code_of(answer) for answer in known] == [REFUSED] * 20 + [BRAKED] * 2
    assert known == unknown  # status, header fields and every byte
    assert known[-1].headers["Retry-After"] == "60"
    assert b"60 s" in known[-1].body
    assert len(desk.said(ana)) == 1 + 20  # what is braked is not an event any more


def test_one_source_is_braked_whatever_names_it_tries(desk, ana, opened):
    guesses = [Stranger(Person(f"person{number}"), "203.0.113.7").guess(desk) for number in range(52)]
    assert guesses == [REFUSED] * 50 + [BRAKED] * 2
    assert Stranger(Person("person99"), "203.0.113.8").guess(desk) == REFUSED  # others may
    new = ana.with_(actor=Actor("ana", "a new phone"))
    assert code_of(replace(desk, peer="203.0.113.7").log_in(new)) == BRAKED
    assert replace(desk, peer="203.0.113.7").log_in(ana).status == 201  # a known device, also from there


def test_a_right_login_is_not_counted(desk, ana, opened):
    for _ in range(2 * LOGIN_DEVICE.free):
        assert desk.log_in(ana).status == 201
        desk.rig.clock.advance(30)


def test_a_braked_attempt_does_not_lengthen_the_wait(desk, ana):
    stranger = Stranger(ana)
    stranger.hammer(desk, LOGIN_STRANGER.free)
    assert set(stranger.hammer(desk, 20)) == {BRAKED}
    desk.rig.clock.advance(60)
    assert stranger.hammer(desk, 2) == [REFUSED, BRAKED]
    desk.rig.clock.advance(119)
    assert stranger.guess(desk) == BRAKED
    desk.rig.clock.advance(1)
    assert stranger.guess(desk) == REFUSED


def test_who_has_the_password_gets_few_guesses_at_the_code(desk, ana):
    """Three hours, from as many addresses as one likes."""
    answers = []
    for number in range(60):
        thief = ana.with_(totp_secret="A" * 32)
        peer = replace(desk, peer=f"2001:db8:{number:x}::1")
        answers.append(code_of(peer.log_in(thief, device=Key(f"thief {number}"))))
        desk.rig.clock.advance(180)
    assert 20 + 4 * 3 <= answers.count(REFUSED) <= 25 + 4 * 3


# Counters: in the database, for every replica


def test_the_brake_survives_a_restart(desk, ana):
    stranger = Stranger(ana)
    stranger.hammer(desk, LOGIN_STRANGER.free)
    desk = desk.restart()
    desk.api.timers.purge()
    assert stranger.guess(desk) == BRAKED


def test_two_replicas_count_together(replicas, ana):
    stranger = Stranger(ana)
    answers = [stranger.guess(replica) for replica in replicas * 4]
    assert answers == [REFUSED] * LOGIN_STRANGER.free + [BRAKED] * 3


def test_simultaneous_guesses_at_two_replicas_are_counted_one_by_one(replicas, ana):
    strangers = [(replicas[number % 2], Stranger(ana)) for number in range(12)]
    start = threading.Barrier(4)

    def attack(mine):
        start.wait()
        return [stranger.guess(replica) for replica, stranger in mine]

    with ThreadPoolExecutor(4) as pool:
        answers = [
            answer for part in pool.map(attack, (strangers[i::4] for i in range(4))) for answer in part
        ]
    assert sorted(answers) == [REFUSED] * LOGIN_STRANGER.free + [BRAKED] * (12 - LOGIN_STRANGER.free)


def test_rows_tell_neither_names_nor_addresses_and_are_purged(desk, ana):
    for number in range(30):
        Stranger(ana, f"2001:db8:0:{number:x}::7").guess(desk)
    rows = dump(desk)
    assert rows.count("\n") > 30
    assert not any(text in rows for text in ("2001:db8", "2001db8", ana.username, ana.actor.account))
    desk.rig.clock.advance(6 * 3600)
    desk.api.timers.purge()
    assert count(desk) == 0


def test_there_are_at_most_so_many_sources(desk):
    limiter = make_limiter(desk.api.kernel)
    sources = [Source(f"10.0.{number // 256}.{number % 256}/32") for number in range(5000)]
    slots = {limiter.derive_slot(source) for source in sources}
    assert max(int.from_bytes(slot, "big") for slot in slots) < 2**SOURCE_SLOT_BITS
    assert len(slots) > 4950  # hardly any two share one


def test_devices_that_were_not_seen_for_long_are_forgotten(desk, ana, opened):
    desk.rig.clock.advance(89 * 86400)
    desk.api.timers.purge()
    assert count(desk, "known_devices") == 1
    desk.rig.clock.advance(2 * 86400)
    desk.api.timers.purge()
    assert count(desk, "known_devices") == 0


# What else is counted


def test_challenges_are_counted_by_source(rig):
    desk = Desk.open(rig, challenges_per_source=5)
    here, there = replace(desk, peer="203.0.113.7"), replace(desk, peer="203.0.113.8")

    def ask(at):
        return code_of(at.ask(desk.api.sessions.post_challenge, {"username": "nobody@example.org"}))

    assert [ask(here) for _ in range(7)] == ["200 None"] * 5 + [BRAKED] * 2
    assert ask(there) == "200 None"
    desk.rig.clock.advance(1)
    assert [ask(here), ask(here)] == ["200 None", BRAKED]


def test_a_stranger_at_the_same_address_does_not_use_up_the_challenges_of_a_known_device(rig):
    desk = Desk.open(rig, challenges_per_source=3, challenges_per_device=2)
    ana = Person()
    assert desk.register(ana).status == 201
    assert desk.log_in(ana).status == 201

    def ask(key):
        proof = None if key is None else desk.prove(key)
        return code_of(desk.ask(desk.api.sessions.post_challenge, {"username": ana.username}, proof=proof))

    assert [ask(None) for _ in range(3)] == ["200 None", "200 None", BRAKED]  # one went to the login above
    assert ask(Key("the stranger's own device")) == BRAKED
    assert [ask(ana.device_key) for _ in range(3)] == ["200 None", "200 None", BRAKED]
    desk.rig.clock.advance(1)
    assert ask(ana.device_key) == "200 None"


class TickingClock(ManualClock):
    """Time passes with every look: no two transactions begin at the same moment."""

    def __init__(self):
        super().__init__()
        self._turn = threading.Lock()

    def now(self):
        with self._turn:
            self.advance(0.001)
            return super().now()


def crowd(rig, people, **settings):
    """The answers to challenges that so many ask for at once, from one address."""
    rig.clock = TickingClock()
    desk = replace(Desk.open(rig, **settings), peer="203.0.113.7")
    start = threading.Barrier(people)

    def ask(number):
        start.wait()
        document = {"username": f"person{number}@example.org"}
        return [code_of(desk.ask(desk.api.sessions.post_challenge, document)) for _ in range(5)]

    with ThreadPoolExecutor(people) as pool:
        return [answer for answers in pool.map(ask, range(people)) for answer in answers]


def test_many_people_at_one_address_are_not_refused_while_attempts_are_left(rig):
    assert crowd(rig, 32, challenges_per_source=161) == ["200 None"] * 160


def test_many_people_at_one_address_get_as_many_as_there_are(rig):
    answers = crowd(rig, 32, challenges_per_source=100)
    recovered = 1  # the clock ticks for less than 2 s
    assert 100 <= answers.count("200 None") <= 100 + recovered
    assert set(answers) == {"200 None", BRAKED}


def test_registrations_are_counted_by_source_also_those_that_are_refused(rig):
    desk = replace(Desk.open(rig, registrations_per_source=3), peer="203.0.113.7")
    ana, eve = Person("ana"), Person("eve")
    assert desk.register(ana).status == 201
    taken = eve.with_(username=ana.username)  # is this name taken? an answer worth braking
    assert [code_of(desk.register(taken)) for _ in range(3)] == ["409 username_taken"] * 2 + [BRAKED]
    assert replace(desk, peer="203.0.113.8").register(eve).status == 201


def test_step_ups_are_counted_by_device(desk, ana):
    limiter = make_limiter(desk.api.kernel)
    phone = Actor("ana", "phone")

    def fail(device):
        with desk.api.kernel.store.begin() as uow:
            limiter.begin_step_up(uow, ana.actor.account, device).count()

    for _ in range(STEP_UP.free):
        fail(ana.actor.device)
    with pytest.raises(TooManyAttempts) as refused:
        fail(ana.actor.device)
    assert refused.value.retry_after_s == 30
    fail(phone.device)


def dump(desk: Desk) -> str:
    """Every value of the rows about attempts."""
    with desk.api.kernel.store.read() as uow:
        tables = [metadata.tables[name] for name in ("rate_buckets", "challenges")]
        rows = [row for table in tables for row in uow.connection.execute(sqlalchemy.select(table))]
    return "\n".join(str(value) for row in rows for value in row)


def count(desk: Desk, table: str = "rate_buckets") -> int:
    with desk.api.kernel.store.read() as uow:
        query = sqlalchemy.select(sqlalchemy.func.count()).select_from(metadata.tables[table])
        return int(uow.connection.execute(query).scalar_one())
