"""Registrations: reserved, repeated, taken, expired; and what is refused at the door."""

import threading

import pytest

from solekey_protocol.events import auth as events
from solekey_protocol.ids import SYSTEM_ACCOUNT
from tests.support.keys import Key
from tests.support.people.person import KDF, Person, code_of, compute_code, read


def test_a_registration_is_answered_with_the_authenticators_secret(desk):
    ana = Person()
    response = desk.register(ana)
    answer = read(response)
    assert answer["account"] == ana.actor.account
    assert len(answer["totp"]["secret"]) == 32  # 20 bytes
    assert answer["totp"]["uri"].startswith("otpauth://totp/Solekey:ana%40example.org?secret=")
    assert response.headers["Solekey-Position"] == "auth=1"
    assert desk.said(ana) == [events.AccountRegistered(1)]


def test_a_registration_whose_answer_was_lost_is_answered_the_same(desk):
    ana = Person()
    first, again = desk.register(ana), desk.register(ana)
    assert first == again
    assert desk.said(ana) == [events.AccountRegistered(1)]


def test_two_accounts_have_different_secrets(desk, ana):
    ben = Person("ben")
    desk.register(ben)
    assert ben.totp_secret != ana.totp_secret


def test_a_name_is_taken_in_every_spelling(desk, ana):
    ben = Person("ben")
    assert code_of(desk.register(ben, username="ANA@Example.org")) == "409 username_taken"
    assert code_of(desk.register(ben, username="ａｎａ@example.org")) == "409 username_taken"  # noqa: RUF001  # full width
    assert desk.register(ben, username="BEN@example.org").status == 201


def test_an_account_is_taken_by_another_credential(desk, ana):
    mallory = ana.with_(login_key=Key("mallory's login key"))
    assert code_of(desk.register(mallory)) == "409 account_taken"
    assert code_of(desk.register(ana, username="other@example.org")) == "409 account_taken"
    assert code_of(desk.register(ana, kdf={**KDF, "iterations": 4})) == "409 account_taken"
    assert desk.register(ana).status == 201


def test_a_proven_account_is_not_registered_again(desk, ana, opened):
    assert code_of(desk.register(ana)) == "409 account_taken"
    desk.rig.clock.advance(3601)
    assert code_of(desk.register(ana)) == "409 account_taken"
    assert desk.log_in(ana).status == 201


def test_the_platforms_own_account_cannot_be_registered(desk):
    assert code_of(desk.register(Person(), account=SYSTEM_ACCOUNT)) == "409 account_taken"


def test_an_unproven_name_is_free_after_an_hour(desk, ana):
    ben = Person("ben").with_(username=ana.username)
    desk.rig.clock.advance(3599)
    assert code_of(desk.register(ben)) == "409 username_taken"
    desk.rig.clock.advance(1)
    assert code_of(desk.log_in(ana)) == "401 login_refused"
    assert desk.register(ben).status == 201
    assert desk.log_in(ben).status == 201


def test_an_expired_registration_may_be_made_again_with_another_secret(desk, ana):
    before = ana.totp_secret
    desk.rig.clock.advance(3600)
    desk.api.timers.purge()
    assert desk.register(ana).status == 201
    assert ana.totp_secret != before
    assert desk.said(ana) == [events.AccountRegistered(1), events.AccountRegistered(2)]
    assert code_of(desk.log_in(ana, code=compute_code(before, desk.now))) == "401 login_refused"
    assert desk.log_in(ana).status == 201


def test_two_who_want_one_name_at_once_are_told_apart(desk):
    people = [Person(name).with_(username="same@example.org") for name in ("ana", "ben", "cleo", "dora")]
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda person=person: answers.append(code_of(desk.register(person))))
        for person in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["201 None"] + ["409 username_taken"] * 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"memory_kib": 65535}, "422 kdf_too_weak"),
        ({"iterations": 2}, "422 kdf_too_weak"),
        ({"lanes": 3}, "422 kdf_too_weak"),
        ({"memory_kib": 2**21, "iterations": 1}, "422 kdf_too_weak"),  # memory buys no iterations
        ({"memory_kib": 2**20 + 1}, "422 kdf_excessive"),
        ({"iterations": 17}, "422 kdf_excessive"),
        ({"lanes": 17}, "422 kdf_excessive"),
        ({"salt": "aa" * 15}, "400 malformed"),
        ({"salt": "aa" * 65}, "400 malformed"),
        ({"salt": "AA" * 16}, "400 malformed"),
        ({"algorithm": "scrypt"}, "400 malformed"),
        ({"iterations": True}, "400 malformed"),
        ({"pepper": 1}, "400 malformed"),
    ],
)
def test_password_parameters_have_a_floor_and_a_ceiling(desk, changes, expected):
    assert code_of(desk.register(Person(), kdf={**KDF, **changes})) == expected


@pytest.mark.parametrize(
    "changes", [{}, {"memory_kib": 2**20, "iterations": 16, "lanes": 16, "salt": "aa" * 64}]
)
def test_password_parameters_at_the_limits_are_taken(desk, changes):
    assert desk.register(Person(), kdf={**KDF, **changes}).status == 201


@pytest.mark.parametrize("username", ["ab", "a" * 65, "ana maria", "ana\n", "änä@example.org", "ana/../x"])
def test_a_username_has_a_small_alphabet(desk, username):
    response = desk.register(Person(), username=username)
    assert code_of(response) == "400 malformed"
    assert username.encode() not in response.body


def test_a_registration_is_signed_by_its_login_key(desk):
    ana, other = Person(), Key("another key")
    document = ana.registration()
    assert code_of(desk.ask(desk.api.accounts.post_account, {**document, "login_key": other.public})) == (
        "422 signature_invalid"
    )
    assert code_of(desk.ask(desk.api.accounts.post_account, {**document, "username": "eve@example.org"})) == (
        "422 signature_invalid"
    )
    assert code_of(desk.ask(desk.api.accounts.post_account, document)) == "201 None"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"username": 1.5}', b'{"a": 1, "a": 2}', b"\xff", b"{}"]
)
def test_a_body_that_is_no_registration_is_malformed(desk, body):
    for method in (desk.api.accounts.post_account, desk.api.sessions.post_challenge):
        assert code_of(desk.ask(method, body)) == "400 malformed"
