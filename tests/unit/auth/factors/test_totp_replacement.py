"""Another authenticator: it waits for a code of it, then takes the place of the one before."""

from dataclasses import replace

import pytest

from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.domain import decide_replacement
from solekey_auth.factors.repository import FactorRepository
from solekey_protocol.event import parse_event
from solekey_protocol.events import auth as events
from solekey_protocol.ids import compute_digest
from solekey_protocol.streams import AuthStream
from solekey_service.refusals import NotFound
from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import Desk, Person, code_of, compute_code, read
from tests.unit.auth.test_secrets import count, dump

TOTP = events.Factor.TOTP


@pytest.fixture
def keys(desk, ana):
    ring = KeyRing(desk, ana)
    ring.open_session()
    return ring


def begin(keys):
    response = keys.ask(keys.api.post_totp, {})
    assert response.status == 201, response.body
    return read(response)


def confirm(keys, secret, steps=0):
    code = compute_code(secret, keys.desk.now, steps)
    return keys.ask(keys.api.post_totp_confirmation, {"code": code})


def held(keys):
    """The authenticators of the account by its events: their ids."""
    return [row["factor_id"] for row in keys.fetch_factors() if row["factor"] == "totp"]


def wrong_for(keys, *secrets):
    right = {compute_code(secret, keys.desk.now, step) for secret in secrets for step in (-1, 0, 1)}
    return next(code for code in (f"{number:06d}" for number in range(99)) if code not in right)


def test_the_new_one_takes_the_place_of_the_old_one(keys):
    (before,), made = held(keys), begin(keys)
    assert made["secret"] != keys.person.totp_secret
    assert made["uri"].startswith("otpauth://totp/Solekey:ana%40example.org?secret=" + made["secret"])
    assert held(keys) == [before]
    answer = confirm(keys, made["secret"])
    assert answer.status == 201
    assert parse_event(answer.body).body == events.MfaEnrolled(TOTP, made["factor_id"])
    assert keys.desk.said(keys.person)[-2:] == [
        events.MfaRemoved(TOTP, before),
        events.MfaEnrolled(TOTP, made["factor_id"]),
    ]
    assert held(keys) == [made["factor_id"]]
    keys.desk.rig.clock.advance(30)
    old = keys.code()
    assert code_of(keys.desk.log_in(keys.person, code=old)) == "401 login_refused"
    assert code_of(keys.step_up(factor=old)) == "401 login_refused"
    keys.person.totp_secret = made["secret"]
    assert keys.desk.log_in(keys.person).status == 201


def test_until_it_is_confirmed_the_old_one_is_in_force_and_the_new_one_opens_nothing(keys):
    made = begin(keys)
    new = compute_code(made["secret"], keys.desk.now)
    assert code_of(keys.desk.log_in(keys.person, code=new)) == "401 login_refused"
    assert code_of(keys.step_up(factor={"kind": "totp", "code": new})) == "401 login_refused"
    assert keys.step_up(factor=keys.code()).status == 200
    assert confirm(keys, made["secret"]).status == 201


def test_a_wrong_code_leaves_it_waiting(keys):
    made = begin(keys)
    code = wrong_for(keys, made["secret"])
    refused = keys.ask(keys.api.post_totp_confirmation, {"code": code})
    assert code_of(refused) == "401 login_refused"
    assert code_of(confirm(keys, keys.person.totp_secret)) == "401 login_refused"  # the old one's
    assert len(held(keys)) == 1
    assert events.MfaEnrolled(TOTP, made["factor_id"]) not in keys.desk.said(keys.person)
    assert confirm(keys, made["secret"]).status == 201


def test_guesses_are_braked_with_the_step_ups(keys):
    made = begin(keys)
    for _ in range(4):
        refused = keys.ask(keys.api.post_totp_confirmation, {"code": wrong_for(keys, made["secret"])})
        assert code_of(refused) == "401 login_refused"
    assert code_of(keys.step_up(factor={"kind": "totp", "code": "000000"})) == "401 login_refused"
    assert code_of(confirm(keys, made["secret"])) == "429 too_many_attempts"
    keys.desk.rig.clock.advance(30)
    assert confirm(keys, made["secret"]).status == 201


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_the_step_that_confirmed_it_is_used_up(keys, steps):
    made = begin(keys)
    code = compute_code(made["secret"], keys.desk.now, steps)
    assert confirm(keys, made["secret"], steps).status == 201
    assert code_of(keys.desk.log_in(keys.person, code=code)) == "401 login_refused"
    keys.person.totp_secret = made["secret"]
    assert keys.desk.log_in(keys.person, steps=steps + 1 if steps < 1 else 1).status == (
        201 if steps < 1 else 401
    )
    keys.desk.rig.clock.advance(60)
    assert keys.desk.log_in(keys.person).status == 201


def test_it_may_be_confirmed_in_the_step_that_the_old_one_was_used_in(keys):
    assert keys.step_up(factor=keys.code()).status == 200
    assert confirm(keys, begin(keys)["secret"]).status == 201


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_outside_the_window_confirms_nothing(keys, steps):
    made = begin(keys)
    assert code_of(confirm(keys, made["secret"], steps)) == "401 login_refused"
    assert confirm(keys, made["secret"]).status == 201


def test_it_is_confirmed_once_and_only_when_one_waits(keys):
    assert code_of(confirm(keys, keys.person.totp_secret)) == "404 not_found"
    made = begin(keys)
    assert confirm(keys, made["secret"]).status == 201
    keys.desk.rig.clock.advance(30)
    assert code_of(confirm(keys, made["secret"])) == "404 not_found"


def test_the_newest_one_waits(keys):
    first, second = begin(keys), begin(keys)
    assert first["secret"] != second["secret"]
    assert code_of(confirm(keys, first["secret"])) == "401 login_refused"
    assert confirm(keys, second["secret"]).status == 201


def test_it_waits_for_a_quarter_of_an_hour_also_across_a_restart(keys):
    made = begin(keys)
    keys.desk.rig.clock.advance(15 * 60 - 1)
    keys.desk.api.timers.purge()
    keys.desk = keys.desk.restart()
    assert confirm(keys, made["secret"]).status == 201
    late = begin(keys)
    keys.desk.rig.clock.advance(15 * 60)
    assert code_of(confirm(keys, late["secret"])) == "404 not_found"
    keys.desk.api.timers.purge()
    assert count(keys.desk, "pending_totp") == 0


def test_one_that_waits_is_its_accounts_own(desk, keys):
    made = begin(keys)
    ben = Person("ben")
    desk.register(ben)
    other = KeyRing(desk, ben)
    other.open_session()
    assert code_of(confirm(other, made["secret"])) == "404 not_found"
    begin(other)
    assert code_of(confirm(other, made["secret"])) == "401 login_refused"
    assert confirm(keys, made["secret"]).status == 201


def test_one_that_was_removed_comes_back_with_a_new_secret(keys):
    (before,) = held(keys)
    assert keys.add().status == 201
    assert keys.remove("totp").status == 200
    assert code_of(keys.desk.log_in(keys.person)) == "401 login_refused"
    keys.desk.rig.clock.advance(30)
    made = begin(keys)
    assert made["secret"] != keys.person.totp_secret
    assert confirm(keys, made["secret"]).status == 201
    facts = keys.desk.said(keys.person)
    assert facts.index(events.MfaRemoved(TOTP, before)) < facts.index(
        events.MfaEnrolled(TOTP, made["factor_id"])
    )
    assert len([fact for fact in facts if isinstance(fact, events.MfaRemoved)]) == 1
    assert held(keys) == [made["factor_id"]]
    keys.desk.rig.clock.advance(30)
    assert code_of(keys.desk.log_in(keys.person)) == "401 login_refused"  # of the one that was removed
    keys.person.totp_secret = made["secret"]
    assert keys.desk.log_in(keys.person).status == 201


@pytest.mark.parametrize("body", [{}, {"code": "12345"}, {"code": 123456}, {"code": "123456", "more": 1}])
def test_malformed_confirmations(keys, body):
    made = begin(keys)
    assert code_of(keys.ask(keys.api.post_totp_confirmation, body)) == "400 malformed"
    assert code_of(keys.ask(keys.api.post_totp, {"more": 1})) == "400 malformed"
    assert code_of(keys.ask(keys.api.post_recovery_codes, {"more": 1})) == "400 malformed"
    assert confirm(keys, made["secret"]).status == 201


def test_neither_secret_is_kept(keys):
    made = begin(keys)
    assert confirm(keys, made["secret"]).status == 201
    begun = begin(keys)
    account = keys.person.actor.account
    with keys.desk.api.kernel.store.read() as uow:
        in_force = CredentialRepository(uow.connection).find(account).totp_salt
        waiting = FactorRepository(uow.connection).find_pending_totp(account, uow.now)
    assert (compute_digest(in_force), compute_digest(waiting)) == (made["factor_id"], begun["factor_id"])
    rows = dump(keys.desk)
    assert not any(secret in rows for secret in (made["secret"], begun["secret"]))
    assert in_force.hex() in rows  # positive control


# The policy


@pytest.fixture
def strict(rig, request):
    """A platform with another policy, and Ana there with a passkey and recovery codes."""
    desk, person = Desk.open(rig, required_factors=request.param), Person()
    assert desk.register(person).status == 201
    ring = KeyRing(desk, person)
    ring.open_session()
    assert ring.add().status == 201
    assert ring.ask(ring.api.post_recovery_codes, {}).status == 201
    return ring


@pytest.mark.parametrize(
    ("strict", "stays", "goes"),
    [("totp", "totp", "passkey"), ("passkey", "passkey", "totp"), ("passkey, totp", "passkey", "totp")],
    indirect=["strict"],
)
def test_a_factor_of_the_required_kinds_stays(strict, stays, goes):
    if strict.desk.api.kernel.config.required_factors.count(",") == 0:
        assert code_of(strict.remove(stays)) == "409 factor_required"
    assert strict.remove(goes).status == 200
    assert code_of(strict.remove(stays)) == "409 factor_required"
    assert strict.remove("recovery_codes").status == 200
    assert code_of(strict.remove(stays)) == "409 factor_required"


@pytest.mark.parametrize("strict", ["totp"], indirect=True)
def test_a_required_factor_may_be_replaced(strict):
    made = begin(strict)
    assert confirm(strict, made["secret"]).status == 201
    assert held(strict) == [made["factor_id"]]


@pytest.mark.parametrize("kind", ["totp", "passkey"])
def test_the_last_one_stays_whatever_the_policy_names(rig, kind):
    other = {"totp": "passkey", "passkey": "totp"}[kind]
    desk, person = Desk.open(rig, required_factors=other), Person()
    assert desk.register(person).status == 201
    ring = KeyRing(desk, person)
    ring.open_session()
    if kind == "totp":
        assert code_of(ring.remove("totp")) == "409 factor_required"
        assert ring.add().status == 201
        assert ring.remove("totp").status == 200
    else:
        assert ring.add().status == 201
        assert code_of(ring.remove("totp")) == "409 factor_required"
        assert ring.remove("passkey").status == 200


def test_an_account_that_was_closed_gets_no_factor():
    auth, new = AuthStream.start(Person().actor.account), compute_digest(b"new")
    assert decide_replacement(auth, TOTP, new) == [events.MfaEnrolled(TOTP, new)]
    with pytest.raises(NotFound):
        decide_replacement(replace(auth, closed=True), TOTP, new)
