"""Recovery codes: made, told once, used once, whoever is faster; and what refuses them looks all the same."""

import logging
import re
import threading
from dataclasses import replace

import pytest
import sqlalchemy

from solekey_auth.domain import FactorUse
from solekey_auth.factors.proof import ProvenRecoveryCode, RecoveryProof
from solekey_auth.factors.recovery_codes import (
    NO_CODES,
    RecoverySet,
    derive_code_digest,
    encode_codes,
    find_unused,
    parse_recovery_code,
)
from solekey_auth.factors.repository import FactorRepository
from solekey_auth.limits import RECOVERY_CODES
from solekey_auth.operator_key import OperatorKey
from solekey_auth.tables import recovery_codes
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.events import Stream, devices
from solekey_protocol.events import auth as events
from solekey_service.refusals import BadRequest
from solekey_service.transaction import StaleRowError
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw
from tests.support.passkeys.desk import KeyRing
from tests.support.people.person import Person, code_of, read
from tests.unit.auth.test_secrets import dump

CODES, TOTP = events.Factor.RECOVERY_CODES, events.Factor.TOTP
KEY = OperatorKey(derive_raw("operator", 32))
ANA, BEN = Actor("ana", "laptop").account, Actor("ben", "laptop").account


@pytest.fixture
def keys(desk, ana):
    return sign_in(desk, ana)


def sign_in(desk, person):
    """Logged in once with a code, which enrols; and again, in the session that is used."""
    ring = KeyRing(desk, person)
    ring.open_session()
    return ring


def make(keys):
    response = keys.ask(keys.api.post_recovery_codes, {})
    assert response.status == 201, response.body
    return read(response)["codes"]


def factor(code):
    return {"kind": "recovery_code", "code": code}


def log_in(keys, code, **changes):
    return keys.desk.log_in(keys.person.with_(**changes), code=factor(code))


def listed(keys):
    return [(row["factor"], row.get("codes_left")) for row in keys.fetch_factors()]


# What a code is


def test_a_code_is_the_first_fifty_bits_of_seven_bytes():
    raw = bytes(range(7 * RECOVERY_CODES))
    codes = encode_codes(raw)
    assert len(set(codes)) == RECOVERY_CODES
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    for number, code in enumerate(codes):
        assert re.fullmatch(r"[a-z2-7]{5}-[a-z2-7]{5}", code)
        value = 0
        for character in code.replace("-", ""):
            value = value << 5 | alphabet.index(character)
        assert value == int.from_bytes(raw[7 * number : 7 * number + 7], "big") >> 6


@pytest.mark.parametrize("spelling", ["abcde-fgh23", "ABCDE-FGH23", "abcdefgh23", "AbCdEfGh23"])
def test_a_code_is_taken_in_any_case_and_without_its_hyphen(spelling):
    assert parse_recovery_code(spelling) == "abcdefgh23"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abcde-fgh2",
        "abcde-fgh234",
        "abcde--fgh23",
        "abcd-efgh234",
        "abcde fgh23",
        "abcde-fgh21",
        "abcde-fgh28",
        "abcde-fgh23\n",
        "\u212abcde-fgh23",  # the sign of the kelvin: a k in lower case
        "abcde\u2010fgh23",
    ],
)
def test_what_is_no_code_is_malformed_and_not_repeated(text):
    with pytest.raises(BadRequest) as refused:
        parse_recovery_code(text)
    assert not text or text not in str(refused.value)
    assert parse_recovery_code("abcde-fgh23")


def test_a_digest_is_of_one_account_one_set_and_one_code():
    digest = derive_code_digest(KEY, ANA, b"s" * 16, "abcdefgh23")
    others = [
        derive_code_digest(OperatorKey(bytes(32)), ANA, b"s" * 16, "abcdefgh23"),
        derive_code_digest(KEY, BEN, b"s" * 16, "abcdefgh23"),
        derive_code_digest(KEY, ANA, b"t" * 16, "abcdefgh23"),
        derive_code_digest(KEY, ANA, b"s" * 16, "abcdefgh22"),
    ]
    assert digest not in others
    assert find_unused(RecoverySet(b"s" * 16, (*others, digest)), [digest]) == digest
    assert find_unused(RecoverySet(b"s" * 16, tuple(others)), [digest]) is None
    assert find_unused(NO_CODES, digest) is None


def test_no_repr_shows_a_code():
    things = [RecoveryProof("abcdefgh23"), RecoverySet(b"s" * 16, ("ab" * 32,)), *[NO_CODES]]
    assert not any(secret in repr(things) for secret in ("abcdefgh23", "ab" * 32, "sss"))


# Made and used


def test_codes_open_a_session_and_step_up_each_once(keys):
    codes = make(keys)
    assert len(set(codes)) == RECOVERY_CODES
    assert listed(keys) == [("totp", None), ("recovery_codes", 10)]
    (factor_id,) = [row["factor_id"] for row in keys.fetch_factors() if row["factor"] == "recovery_codes"]
    opened = log_in(keys, codes[0])
    assert opened.status == 201
    assert read(opened)["position"] == {"auth": len(keys.desk.said(keys.person))}
    assert keys.step_up(factor=factor(codes[1].upper().replace("-", ""))).status == 200
    assert listed(keys) == [("totp", None), ("recovery_codes", 8)]
    made, used, session, again, stepped_up = keys.desk.said(keys.person)[-5:]
    assert made == events.MfaEnrolled(CODES, factor_id)
    assert (used, again) == (events.RecoveryCodeUsed(factor_id, 9), events.RecoveryCodeUsed(factor_id, 8))
    assert (session.session, session.factor) == (read(opened)["session"], CODES)
    assert stepped_up == events.SessionSteppedUp(keys.session, CODES)
    for code in codes[:2]:
        assert code_of(log_in(keys, code)) == "401 login_refused"
        assert code_of(keys.step_up(factor=factor(code))) == "401 login_refused"
    assert log_in(keys, codes[2]).status == 201


def test_a_used_code_stays_used_after_a_restart(keys):
    codes = make(keys)
    assert log_in(keys, codes[0]).status == 201
    keys.desk = keys.desk.restart()
    assert code_of(log_in(keys, codes[0])) == "401 login_refused"
    assert log_in(keys, codes[1]).status == 201


def test_all_of_a_set_can_be_used_and_the_set_stays_in_the_list(keys):
    for number, code in enumerate(make(keys)):
        assert log_in(keys, code).status == 201, number
    assert listed(keys) == [("totp", None), ("recovery_codes", 0)]
    assert code_of(keys.step_up(factor=factor("aaaaa-aaaaa"))) == "401 login_refused"
    assert len(make(keys)) == RECOVERY_CODES
    assert listed(keys) == [("totp", None), ("recovery_codes", 10)]


def test_a_new_set_replaces_the_one_before_in_one_append(keys):
    old = make(keys)
    (before,) = [row["factor_id"] for row in keys.fetch_factors() if row["factor"] == "recovery_codes"]
    new = make(keys)
    removed, enrolled = keys.desk.said(keys.person)[-2:]
    assert removed == events.MfaRemoved(CODES, before)
    assert (enrolled.factor, enrolled.factor_id != before) == (CODES, True)
    assert not set(old) & set(new)
    assert code_of(log_in(keys, old[0])) == "401 login_refused"
    assert log_in(keys, new[0]).status == 201
    assert listed(keys) == [("totp", None), ("recovery_codes", 9)]


def test_a_set_that_is_removed_opens_nothing_and_leaves_no_row(keys):
    codes = make(keys)
    assert keys.remove("recovery_codes").status == 200
    assert code_of(log_in(keys, codes[0])) == "401 login_refused"
    assert listed(keys) == [("totp", None)]
    with keys.desk.api.kernel.store.read() as uow:
        assert uow.connection.execute(sqlalchemy.select(recovery_codes)).all() == []
    assert log_in(keys, make(keys)[0]).status == 201


def test_a_right_code_beside_a_wrong_password_is_not_used_up(keys):
    codes = make(keys)
    assert code_of(log_in(keys, codes[0], login_key=Key("wrong"))) == "401 login_refused"
    assert log_in(keys, codes[0]).status == 201


def test_who_lost_the_authenticator_comes_back_with_a_code(keys):
    codes = make(keys)
    keys.desk.rig.clock.advance(3600)
    opened = log_in(keys, codes[0])
    keys.session = read(opened)["session"]  # a fresh proof: no step-up is asked for
    made = read(keys.ask(keys.api.post_totp, {}))
    keys.person.totp_secret = made["secret"]
    assert keys.ask(keys.api.post_totp_confirmation, {"code": keys.code()["code"]}).status == 201
    keys.desk.rig.clock.advance(30)
    assert keys.desk.log_in(keys.person).status == 201


# Refused


def unknown_name(desk, keys, codes):
    return log_in(keys, codes[0], username="nobody@example.org")


def wrong_code(desk, keys, codes):
    return log_in(keys, "aaaaa-aaaaa")


def used_code(desk, keys, codes):
    assert log_in(keys, codes[9]).status == 201
    return log_in(keys, codes[9])


def replaced_code(desk, keys, codes):
    old, codes[:] = codes[0], make(keys)
    return log_in(keys, old)


def anothers_code(desk, keys, codes):
    ben = Person("ben")
    desk.register(ben)
    return log_in(keys, make(sign_in(desk, ben))[0])


def account_without_codes(desk, keys, codes):
    ben = Person("ben")
    desk.register(ben)
    return log_in(sign_in(desk, ben), codes[0])


def wrong_password(desk, keys, codes):
    return log_in(keys, codes[0], login_key=Key("wrong"))


def unproven_account(desk, keys, codes):
    """Even if somebody put codes into its rows."""
    eve = Person("eve")
    desk.register(eve)
    account, operator_key = eve.actor.account, desk.api.kernel.config.open_operator_key()
    digest = derive_code_digest(operator_key, account, b"s" * 16, parse_recovery_code(codes[0]))
    with desk.api.kernel.store.begin() as uow:
        FactorRepository(uow.connection).put_codes(account, RecoverySet(b"s" * 16, (digest,)))
    return desk.log_in(eve, code=factor(codes[0]))


WRONG = [
    unknown_name,
    wrong_code,
    used_code,
    replaced_code,
    anothers_code,
    account_without_codes,
    wrong_password,
    unproven_account,
]


@pytest.mark.parametrize("make_wrong", WRONG, ids=lambda case: case.__name__)
def test_whatever_is_wrong_the_answer_is_the_same(desk, keys, make_wrong):
    codes = make(keys)
    reference = desk.log_in(keys.person.with_(username="nobody@example.org"), code="000000")
    assert code_of(reference) == "401 login_refused"
    assert make_wrong(desk, keys, codes) == reference  # status, headers and every byte
    assert log_in(keys, codes[0]).status == 201


def test_a_code_does_the_same_work_for_names_that_nobody_has(desk, keys):
    """The statements are the same; what they find is not told."""
    make(keys)
    ben = Person("ben")
    desk.register(ben)
    without = sign_in(desk, ben)
    keys.person = keys.person.with_(actor=Actor("ana", "new phone"))  # unknown, as of a name that nobody has
    without.person = ben.with_(actor=Actor("ben", "new phone"))
    statements: list[str] = []
    sqlalchemy.event.listen(
        desk.api.kernel.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )

    def trace(ring, **changes):
        challenge = desk.challenge(changes.get("username", ring.person.username))
        desk.hear()
        statements.clear()
        response = desk.log_in(ring.person.with_(**changes), challenge=challenge, code=factor("aaaaa-aaaaa"))
        assert code_of(response) == "401 login_refused"
        return list(statements)

    trace(keys)  # the first one also reads how far the events were followed
    nobody = trace(keys, username="nobody@example.org")
    assert any("recovery_codes" in statement for statement in nobody)
    assert trace(keys) == nobody
    assert trace(without) == nobody


@pytest.mark.parametrize("code", ["", "abcde", "abcde-fgh2!", None, 7, ["abcde-fgh23"], "x" * 5000])
def test_a_malformed_code_is_not_repeated_and_uses_nothing_up(desk, keys, code):
    codes, challenge = make(keys), desk.challenge(keys.person.username)
    refused = desk.log_in(keys.person, challenge=challenge, code=factor(code))
    assert code_of(refused) == "400 malformed"
    assert not isinstance(code, str) or not code or code.encode() not in refused.body
    assert desk.log_in(keys.person, challenge=challenge, code=factor(codes[0])).status == 201


def test_guesses_at_a_login_are_braked_like_all_others(desk, keys):
    codes = make(keys)
    for _ in range(10):
        assert code_of(log_in(keys, "aaaaa-aaaaa")) == "401 login_refused"
    assert code_of(log_in(keys, codes[0])) == "429 too_many_attempts"
    desk.rig.clock.advance(30)
    assert log_in(keys, codes[0]).status == 201
    failures = [body for body in desk.said(keys.person) if isinstance(body, events.LoginFailed)]
    assert failures == [events.LoginFailed(events.LoginStage.SECOND_FACTOR)] * 10


def test_guesses_at_a_step_up_are_braked_with_the_codes_of_the_authenticator(desk, keys):
    codes = make(keys)
    for guess in [factor("aaaaa-aaaaa"), {"kind": "totp", "code": "000000"}, *[factor("bbbbb-bbbbb")] * 3]:
        assert code_of(keys.step_up(factor=guess)) == "401 login_refused"
    assert code_of(keys.step_up(factor=factor(codes[0]))) == "429 too_many_attempts"
    desk.rig.clock.advance(30)
    assert keys.step_up(factor=factor(codes[0])).status == 200


def test_a_revoked_device_uses_its_code_up_and_the_account_is_told(desk, keys):
    codes = make(keys)
    desk.rig.build(DEVICES)
    laptop, phone = keys.person.actor, Actor("ana", "phone")

    def head():
        return desk.rig.head(Stream.DEVICES, laptop.account)

    desk.rig.append(laptop.sign(laptop.founded()))
    desk.rig.append(phone.sign(phone.enrolled(), head()))
    desk.rig.append(phone.sign(phone.trusted(), head()))
    desk.rig.append(phone.sign(devices.DeviceRevoked(laptop.device, devices.RevocationReason.LOST), head()))
    desk.rig.deliver(Stream.AUTH)
    assert code_of(log_in(keys, codes[0])) == "403 device_revoked"
    assert isinstance(desk.said(keys.person)[-1], events.RecoveryCodeUsed)
    assert desk.said(keys.person)[-1].left == 9
    elsewhere = {"actor": phone}
    assert code_of(log_in(keys, codes[0], **elsewhere)) == "401 login_refused"
    assert log_in(keys, codes[1], **elsewhere).status == 201


# Whoever is faster


def at_once(tasks):
    answers, start = [], threading.Barrier(len(tasks))

    def run(task):
        start.wait()
        answers.append(code_of(task()))

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_of_many_simultaneous_uses_of_a_code_one_wins(desk, keys):
    code = make(keys)[0]
    tasks = [lambda: log_in(keys, code)] * 3 + [lambda: keys.step_up(factor=factor(code))]
    won, *lost = at_once(tasks)
    assert won in ("200 None", "201 None")
    assert lost == ["401 login_refused"] * 3
    assert listed(keys)[1] == ("recovery_codes", 9)
    used = [body for body in desk.said(keys.person) if isinstance(body, events.RecoveryCodeUsed)]
    assert [body.left for body in used] == [9]


def test_different_codes_at_once_are_counted_one_after_the_other(desk, keys):
    codes = make(keys)
    assert at_once([lambda code=code: log_in(keys, code) for code in codes[:3]]) == ["201 None"] * 3
    used = [body for body in desk.said(keys.person) if isinstance(body, events.RecoveryCodeUsed)]
    assert [body.left for body in used] == [9, 8, 7]


def test_a_code_that_somebody_used_meanwhile_is_a_lost_race(desk, keys):
    make(keys)
    account = keys.person.actor.account
    with desk.api.kernel.store.begin() as uow:
        factors = FactorRepository(uow.connection)
        codes = factors.find_codes(account)
        use = FactorUse(events.Factor.RECOVERY_CODES, codes.factor_id, 9)
        proven = ProvenRecoveryCode(use, codes.unused[0])
        factors.use(account, proven, uow.now)
        with pytest.raises(StaleRowError):
            factors.use(account, proven, uow.now)
        factors.use(account, replace(proven, digest=codes.unused[1]), uow.now)
        assert factors.count_codes(account) == 8


# What must never be seen


def test_no_code_is_in_rows_events_logs_or_problems(desk, keys, caplog):
    caplog.set_level(logging.DEBUG)
    codes = make(keys)
    log_in(keys, codes[0])
    problems = [log_in(keys, codes[0]).body, keys.step_up(factor=factor(codes[0])).body]
    rows = dump(desk)
    events = b"".join(event.raw for event in desk.rig.events(Stream.AUTH, keys.person.actor.account))
    seen = rows + caplog.text + events.decode() + b"".join(problems).decode()
    for code in codes:
        for spelling in (code, code.replace("-", ""), code.upper(), code.encode().hex()):
            assert spelling not in seen
    # Positive control: what is kept of a code is where it would be found.
    with desk.api.kernel.store.read() as uow:
        salt = FactorRepository(uow.connection).find_codes(keys.person.actor.account).salt
    key, account = desk.api.kernel.config.open_operator_key(), keys.person.actor.account
    digests = [derive_code_digest(key, account, salt, parse_recovery_code(code)) for code in codes]
    assert [digest in rows for digest in digests] == [False] + [True] * 9
    assert digests[1] not in events.decode() + caplog.text
