"""Another login key: agreed by both, one at a time, and the old one opens nothing any more."""

import pytest

from solekey_auth.credentials.repository import CredentialRepository
from solekey_auth.sessions.logins import Logins
from solekey_eventlog.streams import Streams
from solekey_protocol.event import parse_event
from solekey_protocol.events import auth as events
from tests.support.keys import Key
from tests.support.people.account_requests import (
    MORE_WORK,
    NEW_KDF,
    NEW_KEY,
    Seat,
    knowing,
    run_together,
    sign_login_key,
)
from tests.support.people.person import KDF, Person, code_of, read
from tests.unit.auth.test_secrets import count, dump

CHANGED, UPGRADED = events.LoginKeyChange.PASSWORD_CHANGED, events.LoginKeyChange.KDF_UPGRADED
REFUSED = "401 login_refused"
on_postgres = pytest.mark.parametrize(
    "rig", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def seat(desk, ana):
    return Seat(desk, ana)


def changes(seat):
    return [body for body in seat.desk.said(seat.person) if isinstance(body, events.LoginKeyChanged)]


def ends(seat):
    return [body for body in seat.desk.said(seat.person) if isinstance(body, events.SessionEnded)]


def key_in_force(seat):
    with seat.desk.api.kernel.store.read() as uow:
        return CredentialRepository(uow.connection).find(seat.person.actor.account).login_key


# The password is changed


def test_a_changed_password_logs_in_and_the_old_one_does_not(desk, ana, seat):
    assert desk.log_in(ana).status == 201  # positive control: the old one did
    desk.rig.clock.advance(30)
    answer = seat.change()
    assert answer.status == 200
    event = parse_event(answer.body)
    assert event.body == events.LoginKeyChanged(2, CHANGED)
    assert answer.headers["Solekey-Position"] == f"auth={event.seq}"
    assert code_of(desk.log_in(ana)) == REFUSED
    assert desk.log_in(knowing(ana)).status == 201


def test_the_next_challenge_has_the_new_parameters(desk, ana, seat):
    assert seat.change(kdf=MORE_WORK).status == 200
    assert read(desk.ask(desk.api.sessions.post_challenge, {"username": ana.username}))["kdf"] == MORE_WORK


def test_all_other_sessions_end_and_this_one_goes_on(desk, ana, seat):
    phone, tablet = seat.on("phone"), seat.on("tablet")
    ben = Person("ben")
    desk.register(ben)
    bens = Seat(desk, ben)
    assert phone.refresh().status == 200  # positive control
    assert seat.change().status == 200
    others = {
        events.SessionEnded(other.session, events.SessionEnd.PASSWORD_CHANGED) for other in (phone, tablet)
    }
    assert set(ends(seat)) == others
    assert [code_of(other.refresh()) for other in (phone, tablet)] == ["401 session_ended"] * 2
    assert [each.refresh().status for each in (seat, bens)] == [200, 200]
    told = read(seat.send(desk.api.sessions.get_sessions, None))["sessions"]
    assert [row["session"] for row in told] == [seat.session]
    desk.rig.clock.advance(1800)
    assert (
        desk.api.timers.expire_sessions() == 2
    )  # Ana's own and Ben's: the timer has no work with the others


def test_a_session_that_is_opened_with_the_new_password_stays_and_a_second_change_ends_it(desk, ana, seat):
    assert seat.change().status == 200
    phone = Seat(desk, knowing(ana))
    assert phone.refresh().status == 200
    seat.person = knowing(ana)
    third = Key("a third login key")
    assert seat.change(new=third).status == 200
    assert [body.credential_version for body in changes(seat)] == [2, 3]
    assert code_of(phone.refresh()) == "401 session_ended"
    assert code_of(desk.log_in(knowing(ana))) == REFUSED
    assert desk.log_in(knowing(ana, third)).status == 201


# What is refused


@pytest.mark.parametrize(
    "signed",
    [
        {"origin": "https://evil.test"},
        {"challenge": "cd" * 32},
        {"kdf": KDF},
        {"reason": "kdf_upgraded"},
        {"login_key": Key("somebody's").public},
    ],
    ids=lambda signed: next(iter(signed)),
)
def test_signatures_for_something_else_are_refused(seat, signed):
    assert code_of(seat.change(signed=signed)) == REFUSED
    assert seat.change().status == 200  # positive control: the truth


def test_every_wrong_part_is_answered_with_the_bytes_of_a_refused_login(desk, ana, seat):
    wrong_login = desk.log_in(ana.with_(login_key=Key("wrong")))
    stale = seat.challenge()
    assert code_of(seat.change(sign_login_key(ana, stale))) == "200 None"
    ana = knowing(ana)
    seat.person = ana
    third = Key("a third login key")
    good = sign_login_key(ana, seat.challenge(), third)
    for document in (
        sign_login_key(ana, stale, third),
        sign_login_key(ana, "ab" * 32, third),
        sign_login_key(ana, desk.challenge("ben@example.org"), third),
        sign_login_key(ana.with_(login_key=Key("wrong")), seat.challenge(), third),
        {**good, "challenge": seat.challenge()},
    ):
        answer = seat.change(document)
        assert (answer.status, answer.body) == (401, wrong_login.body)
    forged = sign_login_key(ana, seat.challenge(), third)
    forged["proof"] = sign_login_key(ana, forged["challenge"], Key("a fourth"))["proof"]
    desk.rig.clock.advance(3600)
    forged = {**sign_login_key(ana, seat.challenge(), third), "proof": forged["proof"]}
    assert seat.change(forged).body == wrong_login.body
    assert key_in_force(seat) == NEW_KEY.public
    assert seat.change(sign_login_key(ana, seat.challenge(), third)).status == 200


def test_a_challenge_is_used_up_whatever_follows(desk, ana, seat):
    for wrong in (ana.with_(login_key=Key("wrong")), ana):
        challenge = seat.challenge()
        weaker = {"reason": "kdf_upgraded"} if wrong is ana else {}  # right, but no upgrade
        assert seat.change(sign_login_key(wrong, challenge, **weaker)).status in (401, 422)
        assert code_of(desk.log_in(ana, challenge=challenge)) == REFUSED
        assert code_of(seat.change(sign_login_key(ana, challenge))) == REFUSED
    challenge = seat.challenge()
    assert desk.log_in(ana, challenge=challenge).status == 201
    assert code_of(seat.change(sign_login_key(ana, challenge))) == REFUSED
    assert seat.change().status == 200


def test_a_challenge_of_a_step_up_is_none(desk, ana, seat):
    step_up = read(seat.send(desk.api.factors.post_step_up_challenge, {}))["challenge"]
    assert code_of(seat.change(sign_login_key(ana, step_up))) == REFUSED
    assert seat.change().status == 200


def test_a_challenge_lives_for_two_minutes(desk, ana, seat):
    late, in_time = seat.challenge(), seat.challenge()
    desk.rig.clock.advance(119)
    assert seat.change(sign_login_key(ana, in_time)).status == 200
    desk.rig.clock.advance(1)
    seat.person = knowing(ana)
    assert code_of(seat.change(sign_login_key(knowing(ana), late, Key("third")))) == REFUSED


def test_guesses_of_the_password_are_counted_with_the_logins_of_the_device(desk, ana, seat):
    wrong = ana.with_(login_key=Key("wrong"))
    for _ in range(5):
        assert code_of(desk.log_in(wrong)) == REFUSED
        assert code_of(seat.change(sign_login_key(wrong, seat.challenge()))) == REFUSED
    assert code_of(seat.change()) == "429 too_many_attempts"
    assert code_of(desk.log_in(ana)) == "429 too_many_attempts"
    failed = [body for body in desk.said(ana) if isinstance(body, events.LoginFailed)]
    assert failed == [events.LoginFailed(events.LoginStage.LOGIN_KEY)] * 10
    desk.rig.clock.advance(30)
    assert seat.change().status == 200


@pytest.mark.parametrize("name", ["memory_kib", "iterations", "lanes"])
def test_parameters_become_no_weaker_than_now_or_than_the_floor(desk, ana, seat, name):
    strong = {**NEW_KDF, "memory_kib": 131072, "iterations": 4, "lanes": 8}
    assert code_of(seat.change(kdf={**KDF, name: KDF[name] - 1})) == "422 kdf_too_weak"
    assert code_of(seat.change(kdf={**KDF, name: 2**20 + 1})) == "422 kdf_excessive"
    assert seat.change(kdf=strong).status == 200
    seat.person = knowing(ana)
    third = Key("third")
    for reason in ("password_changed", "kdf_upgraded"):
        weaker = {**strong, "iterations": 16, name: strong[name] - 1}
        assert code_of(seat.change(new=third, kdf=weaker, reason=reason)) == "422 kdf_too_weak"
    assert seat.change(new=third, kdf=strong).status == 200  # positive control: just as strong


def test_the_present_key_is_no_other_one(seat, ana):
    assert code_of(seat.change(new=ana.login_key, kdf=KDF)) == "400 malformed"
    assert code_of(seat.change(new=ana.login_key, kdf=MORE_WORK)) == "400 malformed"
    assert changes(seat) == []


def test_a_session_that_ended_meanwhile_changes_nothing(desk, ana, seat):
    phone = seat.on("phone")
    caller = desk.as_caller(ana, seat.session)
    assert desk.ask(desk.api.sessions.delete_session, None, phone.session, caller=caller).status == 200
    assert code_of(phone.change()) == "401 session_ended"
    assert seat.change().status == 200


@pytest.mark.parametrize("member", ["challenge", "kdf", "login_key", "reason", "signature", "proof"])
def test_malformed_requests_use_nothing_up(seat, ana, member):
    document = sign_login_key(ana, seat.challenge())
    for wrong in ({**document, member: 7}, {**document, member: "x"}, {**document, "more": 1}):
        assert code_of(seat.change(wrong)) == "400 malformed"
    assert code_of(seat.change({k: v for k, v in document.items() if k != member})) == "400 malformed"
    assert seat.change(document).status == 200


# The same password with more work


def test_an_upgrade_ends_no_session_and_must_be_one(desk, ana, seat):
    phone = seat.on("phone")
    assert code_of(seat.change(reason="kdf_upgraded")) == "422 kdf_too_weak"  # the same work
    answer = seat.change(reason="kdf_upgraded", kdf=MORE_WORK)
    assert parse_event(answer.body).body == events.LoginKeyChanged(2, UPGRADED)
    assert ends(seat) == []
    assert phone.refresh().status == 200
    assert code_of(desk.log_in(ana)) == REFUSED
    assert desk.log_in(knowing(ana)).status == 201


# Repetition


@pytest.mark.parametrize(("reason", "kdf"), [("password_changed", NEW_KDF), ("kdf_upgraded", MORE_WORK)])
def test_the_same_request_again_is_answered_the_same_and_changes_nothing(desk, ana, seat, reason, kdf):
    document = sign_login_key(ana, seat.challenge(), reason=reason, kdf=kdf)
    first = seat.change(document)
    phone = Seat(desk, knowing(ana))
    again = seat.change(document)
    assert (again.status, again.body) == (200, first.body)
    assert len(changes(seat)) == 1
    assert phone.refresh().status == 200
    third = Key("third")
    seat.person = knowing(ana)
    assert seat.change(new=third, kdf=kdf).status == 200
    assert code_of(seat.change(document)) == REFUSED  # not in force any more


def test_a_repetition_needs_the_keys_proof_and_the_same_reason(desk, ana, seat):
    document = sign_login_key(ana, seat.challenge(), kdf=MORE_WORK)
    assert seat.change(document).status == 200
    for other in (
        {**document, "proof": document["signature"]},
        sign_login_key(ana, document["challenge"], kdf=MORE_WORK, reason="kdf_upgraded"),
        sign_login_key(ana, document["challenge"], kdf={**MORE_WORK, "lanes": 5}),
    ):
        assert code_of(seat.change(other)) == REFUSED
    assert seat.change(document).status == 200


# Races


def test_a_login_at_the_same_moment_is_before_the_change_or_refused(desk, ana, seat):
    codes = read(seat.send(desk.api.factors.post_recovery_codes, {}))["codes"]
    desk.hear()
    seats = [Person("ana", f"device {number}") for number in range(4)]
    logins = [
        (
            person,
            person.with_(login_key=ana.login_key).login(
                desk.challenge(ana.username), {"kind": "recovery_code", "code": code}
            ),
        )
        for person, code in zip(seats, codes, strict=False)
    ]
    document = sign_login_key(ana, seat.challenge())
    answers = run_together(
        lambda: seat.change(document),
        *(
            lambda person=person, login=login: desk.ask(
                desk.api.sessions.post_session, login, proof=desk.prove(person.device_key)
            )
            for person, login in logins
        ),
    )
    changed, *logged_in = answers
    assert changed.status == 200
    assert {answer.status for answer in logged_in} <= {201, 401}
    facts = desk.said(ana)
    at = facts.index(events.LoginKeyChanged(2, CHANGED))
    assert not [fact for fact in facts[at:] if isinstance(fact, events.SessionOpened)]
    told = read(seat.send(desk.api.sessions.get_sessions, None))["sessions"]
    assert [row["session"] for row in told] == [seat.session]


def test_of_two_changes_at_the_same_moment_one_wins(desk, ana, seat):
    phone = seat.on("phone")
    keys = [Key("first of two"), Key("second of two")]
    documents = [sign_login_key(ana, seat.challenge(), key) for key in keys]
    answers = run_together(lambda: seat.change(documents[0]), lambda: phone.change(documents[1]))
    assert sorted(answer.status for answer in answers) == [200, 401]
    won = [answer.status for answer in answers].index(200)
    assert key_in_force(seat) == keys[won].public
    assert len(changes(seat)) == 1
    assert code_of((phone, seat)[won].refresh()) == "401 session_ended"


@on_postgres
@pytest.mark.parametrize("step", ["look_up", "fold"])
def test_a_login_that_was_judged_with_the_old_key_is_judged_again(desk, ana, seat, monkeypatch, step):
    """The old key was right when it was read; the change is durable when the stream is looked up, or read."""
    code = read(seat.send(desk.api.factors.post_recovery_codes, {}))["codes"][0]
    document = sign_login_key(ana, seat.challenge())
    phone = Person("ana", "phone").with_(login_key=ana.login_key)
    real, answers = getattr(Streams, step), []

    def read_late(*of):
        if not answers:
            answers.append(None)  # the change reads as well
            answers[0] = seat.change(document)
        return real(*of)

    monkeypatch.setattr(Streams, step, read_late)
    refused = desk.log_in(phone, code={"kind": "recovery_code", "code": code})
    assert [answer.status for answer in answers] == [200]
    assert code_of(refused) == REFUSED
    assert len([fact for fact in desk.said(ana) if isinstance(fact, events.SessionOpened)]) == 1


@on_postgres
def test_a_change_that_was_judged_with_a_key_that_is_replaced_is_judged_again(desk, ana, seat, monkeypatch):
    phone = seat.on("phone")
    first = sign_login_key(ana, seat.challenge(), reason="kdf_upgraded", kdf=MORE_WORK)
    second = sign_login_key(ana, seat.challenge(), Key("a third login key"), kdf=MORE_WORK)
    real, answers = Streams.fold, []

    def read_late(*of):
        if not answers:
            answers.append(None)
            answers.append(phone.change(first))
        return real(*of)

    monkeypatch.setattr(Streams, "fold", read_late)
    assert code_of(seat.change(second)) == REFUSED
    assert answers[1].status == 200
    assert key_in_force(seat) == NEW_KEY.public


@on_postgres
def test_positive_control_without_the_second_look_the_old_key_slips_in(desk, ana, seat, monkeypatch):
    monkeypatch.setattr(Logins, "_require_unchanged", lambda _logins, _uow, _judged: None)
    code = read(seat.send(desk.api.factors.post_recovery_codes, {}))["codes"][0]
    document = sign_login_key(ana, seat.challenge())
    phone = Person("ana", "phone").with_(login_key=ana.login_key)
    real, answers = Streams.look_up, []

    def read_late(*of):
        if not answers:
            answers.append(None)  # the change reads as well
            answers[0] = seat.change(document)
        return real(*of)

    monkeypatch.setattr(Streams, "look_up", read_late)
    assert desk.log_in(phone, code={"kind": "recovery_code", "code": code}).status == 201


def test_neither_challenge_nor_signature_is_kept(desk, ana, seat):
    document = sign_login_key(ana, seat.challenge())
    assert seat.change(document).status == 200
    rows = dump(desk)
    assert not any(document[name] in rows for name in ("challenge", "signature", "proof"))
    assert ana.login_key.public not in rows  # the old one is forgotten
    assert NEW_KEY.public in rows  # positive control
    assert count(desk, "challenges") == 0
