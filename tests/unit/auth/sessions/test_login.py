"""Logins: whatever is wrong, the answer is the same; what was used up stays used up; guessing is braked."""

import json
import threading
from datetime import timedelta

import pytest

from solekey_auth.credentials.repository import CredentialRepository
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from tests.support.keys import Key
from tests.support.people.person import code_of, compute_code, read

LOGIN_KEY = events.LoginFailed(events.LoginStage.LOGIN_KEY)
SECOND_FACTOR = events.LoginFailed(events.LoginStage.SECOND_FACTOR)


def test_a_first_login_proves_the_factor_and_opens_a_session(desk, ana):
    response = desk.log_in(ana)
    answer = read(response)
    assert response.status == 201
    assert (answer["account"], answer["device"]) == (ana.actor.account, ana.actor.device)
    assert sorted(answer["tokens"]) == ["auth", "devices", "rotation", "vault"]
    assert answer["expires_in_s"] == 300
    assert answer["position"] == {"auth": 3}
    registered, enrolled, opened = desk.said(ana)
    assert (registered, enrolled) == (
        events.AccountRegistered(1),
        events.MfaEnrolled(events.Factor.TOTP, enrolled.factor_id),
    )
    assert (opened.session, opened.device) == (answer["session"], ana.actor.device)
    assert opened.expires_at.datetime == desk.now + timedelta(hours=12)


def test_a_second_login_opens_another_session(desk, ana, opened):
    again = read(desk.log_in(ana))
    assert again["session"] != opened["session"]
    assert [type(body) for body in desk.said(ana)[2:]] == [events.SessionOpened, events.SessionOpened]


def test_a_username_may_be_typed_in_any_spelling(desk, ana):
    assert desk.log_in(ana.with_(username="ANA@example.ORG")).status == 201


def wrong_key(desk, ana):
    return desk.log_in(ana.with_(login_key=Key("wrong password")))


def wrong_code(desk, ana):
    right = {compute_code(ana.totp_secret, desk.now, steps) for steps in (-1, 0, 1)}
    return desk.log_in(ana, code=next(c for c in ("000000", "111111", "222222", "333333") if c not in right))


def early_code(desk, ana):
    return desk.log_in(ana, steps=2)


def late_code(desk, ana):
    return desk.log_in(ana, steps=-2)


def unknown_name(desk, ana):
    return desk.log_in(ana.with_(username="nobody@example.org"))


def expired_challenge(desk, ana):
    challenge = desk.challenge(ana.username)
    desk.rig.clock.advance(120)
    return desk.log_in(ana, challenge=challenge)


def invented_challenge(desk, ana):
    return desk.log_in(ana, challenge="ab" * 32)


def anothers_challenge(desk, ana):
    return desk.log_in(ana, challenge=desk.challenge("ben@example.org"))


def another_origin(desk, ana):
    return desk.log_in(ana, origin="https://evil.test")


def another_device(desk, ana):
    return desk.log_in(ana, device=Key("a thief's device key"))


WRONG = [
    (wrong_key, [LOGIN_KEY]),
    (wrong_code, [SECOND_FACTOR]),
    (early_code, [SECOND_FACTOR]),
    (late_code, [SECOND_FACTOR]),
    (unknown_name, []),
    (expired_challenge, [LOGIN_KEY]),
    (invented_challenge, [LOGIN_KEY]),
    (anothers_challenge, [LOGIN_KEY]),
    (another_origin, [LOGIN_KEY]),
    (another_device, [LOGIN_KEY]),
]


@pytest.mark.parametrize(("make_wrong", "events"), WRONG, ids=[case[0].__name__ for case in WRONG])
def test_whatever_is_wrong_the_answer_is_the_same(desk, ana, make_wrong, events):
    reference = unknown_name(desk, ana)
    assert code_of(reference) == "401 login_refused"
    assert make_wrong(desk, ana) == reference  # status, headers and every byte
    assert desk.said(ana)[1:] == events
    desk.rig.clock.advance(60)
    assert desk.log_in(ana).status == 201


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_of_the_neighbouring_steps_is_accepted(desk, ana, steps):
    assert desk.log_in(ana, steps=steps).status == 201


def test_a_code_is_accepted_once(desk, ana):
    code = compute_code(ana.totp_secret, desk.now)
    assert desk.log_in(ana, code=code).status == 201
    assert code_of(desk.log_in(ana, code=code)) == "401 login_refused"
    assert desk.said(ana)[-1] == SECOND_FACTOR


def test_an_older_code_than_the_last_is_not_accepted(desk, ana):
    older, newer = (compute_code(ana.totp_secret, desk.now, steps) for steps in (0, 1))
    assert desk.log_in(ana, code=newer).status == 201
    assert code_of(desk.log_in(ana, code=older)) == "401 login_refused"


def test_a_used_code_stays_used_when_the_clock_jumps_back_and_after_a_restart(desk, ana):
    code, then = compute_code(ana.totp_secret, desk.now), desk.now
    assert desk.log_in(ana, code=code).status == 201
    desk.rig.clock.advance(7200)
    desk.api.timers.purge()
    desk = desk.restart()
    desk.rig.clock.set_wall(then)
    assert code_of(desk.log_in(ana, code=code)) == "401 login_refused"


def test_a_step_is_used_up_by_one_row(desk, ana):
    """The last word, should two processes ever judge the same code at once."""
    with desk.api.kernel.store.begin() as uow:
        rows = CredentialRepository(uow.connection)
        assert [rows.take_totp_step(ana.actor.account, step, step + 10) for step in (7, 7, 6, 8)] == [
            True,
            False,
            False,
            True,
        ]


def test_a_challenge_is_used_once_whatever_came_of_it(desk, ana):
    challenge = desk.challenge(ana.username)
    assert code_of(desk.log_in(ana.with_(login_key=Key("wrong")), challenge=challenge)) == "401 login_refused"
    assert code_of(desk.log_in(ana, challenge=challenge)) == "401 login_refused"
    challenge = desk.challenge(ana.username)
    assert desk.log_in(ana, challenge=challenge).status == 201
    desk.rig.clock.advance(30)
    assert code_of(desk.log_in(ana, challenge=challenge)) == "401 login_refused"


def test_of_the_same_login_sent_many_times_at_once_one_succeeds(desk, ana):
    desk.hear()
    document = ana.login(desk.challenge(ana.username), compute_code(ana.totp_secret, desk.now))
    proof, answers = desk.prove(ana.device_key), []

    def send():
        answers.append(code_of(desk.ask(desk.api.sessions.post_session, document, proof=proof)))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["201 None"] + ["401 login_refused"] * 3


def test_an_unknown_name_gets_a_challenge_of_the_same_shape_and_always_the_same_salt(desk, ana):
    def ask(username):
        response = desk.ask(desk.api.sessions.post_challenge, {"username": username})
        return response.status, read(response)

    (known_status, known), (status, unknown) = ask(ana.username), ask("nobody@example.org")
    assert known_status == status == 200
    assert known["kdf"]["salt"] != unknown["kdf"]["salt"]
    assert [(k, type(v), len(str(v))) for k, v in known["kdf"].items()] == [
        (k, type(v), len(str(v))) for k, v in unknown["kdf"].items()
    ]
    assert known.keys() == unknown.keys()
    assert known["expires_in_s"] == 120
    assert len(known["challenge"]) == len(unknown["challenge"]) == 64
    assert ask("Nobody@example.org")[1]["kdf"] == unknown["kdf"]
    assert ask("nobody2@example.org")[1]["kdf"]["salt"] != unknown["kdf"]["salt"]
    desk = desk.restart()
    assert ask("nobody@example.org")[1]["kdf"] == unknown["kdf"]


def test_a_login_is_refused_while_it_cannot_be_known_whether_the_device_was_revoked(desk, ana):
    document = ana.login(desk.challenge(ana.username), compute_code(ana.totp_secret, desk.now))
    proof = desk.prove(ana.device_key)
    desk.rig.clock.advance(6)
    assert code_of(desk.ask(desk.api.sessions.post_session, document, proof=proof)) == "503 trust_stale"
    desk.hear()
    assert desk.ask(desk.api.sessions.post_session, document, proof=proof).status == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"factor": {"kind": "totp", "code": "12345"}},
        {"factor": {"kind": "totp", "code": "1234567"}},
        {"factor": {"kind": "totp", "code": "12345a"}},
        {"factor": {"kind": "totp", "code": "１２３４５６"}},  # noqa: RUF001  # full width
        {"factor": {"kind": "totp", "code": 123456}},
        {"challenge": "ab"},
        {"factor": "123456"},
        {"code": "123456"},
        {"signature": "zz" * 64},
        {"username": ""},
        {"extra": "hunter2"},
    ],
)
def test_a_login_of_another_shape_is_malformed_and_not_repeated(desk, ana, changes):
    document = ana.login(desk.challenge(ana.username), "123456") | changes
    response = desk.ask(desk.api.sessions.post_session, document, proof=desk.prove(ana.device_key))
    assert code_of(response) == "400 malformed"
    (value,) = changes.values()
    told = value.get("code", "") if isinstance(value, dict) else value
    assert not told or json.dumps(told).strip('"').encode() not in response.body
    assert desk.said(ana) == [events.AccountRegistered(1)]


def test_failed_logins_are_reported_once(desk, ana):
    desk.log_in(ana.with_(login_key=Key("wrong")))
    assert desk.api.timers.report_failed_logins() == 1
    assert desk.api.timers.report_failed_logins() == 0
    assert len(desk.rig.events(Stream.AUTH, ana.actor.account)) == 2
