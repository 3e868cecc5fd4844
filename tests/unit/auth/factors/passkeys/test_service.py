"""Passkeys at the auth service, from the first one to the last, on real rows: SQLite and PostgreSQL."""

import pytest

from solekey_auth.limits import MAX_PASSKEYS
from solekey_protocol.event import parse_event
from solekey_protocol.events import auth as events
from tests.support.keys import derive_raw
from tests.support.passkeys.authenticator import Algorithm, Authenticator
from tests.support.passkeys.browser import Browser, encode
from tests.support.passkeys.desk import HOST, ORIGIN, KeyRing
from tests.support.people.person import code_of, read


def test_a_key_is_added_used_and_removed(ana):
    added = ana.add(name="the blue one")
    assert added.status == 201
    assert parse_event(added.body).body.factor is events.Factor.PASSKEY
    assert [(row["factor"], row.get("name")) for row in ana.fetch_factors()] == [
        ("totp", None),
        ("passkey", "the blue one"),
    ]
    opened = ana.log_in()
    assert opened.status == 201
    ana.session = read(opened)["session"]
    assert ana.step_up().status == 200
    assert ana.remove("totp").status == 200
    assert ana.log_in().status == 201
    assert code_of(ana.remove("passkey")) == "409 factor_required"
    facts = [type(body).__name__ for body in ana.desk.said(ana.person)]
    assert facts[-4:] == ["SessionOpened", "SessionSteppedUp", "MfaRemoved", "SessionOpened"]
    assert [body.factor for body in ana.desk.said(ana.person) if isinstance(body, events.SessionOpened)] == [
        *[events.Factor.TOTP] * 2,
        *[events.Factor.PASSKEY] * 2,
    ]


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("resident", [False, True])
def test_any_key_will_do(desk, ana, algorithm, resident):
    ana.browser = Browser(Authenticator(algorithms=[algorithm], verifies_user=True), ORIGIN, HOST)
    assert ana.add(resident=resident).status == 201
    assert ana.log_in().status == 201


def test_what_is_removed_opens_nothing_and_what_stays_does(ana):
    ana.add(name="one")
    other = KeyRing(ana.desk, ana.person)
    other.session = ana.session
    other.add(name="two")
    (one, two) = [row["factor_id"] for row in ana.fetch_factors() if row["factor"] == "passkey"]
    stale = ana.fetch_step_up()
    assert ana.remove(one).status == 200
    assert code_of(ana.remove(one)) == "404 not_found"
    challenge, passkeys = stale
    late = ana.browser.get(bytes.fromhex(challenge), passkeys)
    assert code_of(ana.step_up(challenge, late)) == "401 login_refused"
    assert other.log_in().status == 201
    assert ana.remove("totp").status == 200
    ana.desk.rig.clock.advance(60)
    assert code_of(ana.log_in(factor=ana.code())) == "401 login_refused"
    ana.desk.rig.clock.advance(30)
    assert code_of(ana.step_up(factor=ana.code())) == "401 login_refused"
    assert len(cred_of(ana)) == 1
    assert other.log_in().status == 201
    assert [row["factor_id"] for row in ana.fetch_factors()] == [two]


def test_there_are_many_but_not_any_number(ana):
    for number in range(MAX_PASSKEYS):
        ana.browser = Browser(Authenticator(), ORIGIN, HOST)
        assert ana.add(name=f"key {number}").status == 201
    ana.browser = Browser(Authenticator(), ORIGIN, HOST)
    assert code_of(ana.add()) == "409 too_many_passkeys"
    assert ana.remove("passkey").status == 200
    assert ana.add().status == 201


def test_a_credential_is_taken_once(ana, ben):
    options = ana.fetch_options()
    made = ana.browser.create(options)
    assert ana.ask(ana.api.post_passkey, {"name": "key", **made}).status == 201
    credential = cred_of(ana)
    ben.browser.authenticator = ana.browser.authenticator
    forged = ben.browser.create(ben.fetch_options())
    assert ben.ask(ben.api.post_passkey, {"name": "key", **forged}).status == 201  # another credential
    assert credential != cred_of(ben)


def test_the_same_credential_again_is_refused(desk, ana, ben, monkeypatch):
    pinned = derive_raw("a credential id")
    monkeypatch.setattr(
        "tests.support.passkeys.authenticator.os.urandom", lambda size: pinned if size == 16 else b"k" * size
    )
    assert ana.add(resident=True).status == 201
    assert code_of(ben.add(resident=True)) == "409 passkey_taken"
    ana.browser = Browser(Authenticator(), ORIGIN, HOST)
    assert code_of(ana.add(resident=True)) == "409 passkey_taken"


def cred_of(keys):
    return keys.fetch_step_up()[1]


class TestAdding:
    def test_options_name_what_there_is(self, ana):
        ana.add()
        options = ana.fetch_options()
        assert [each["id"] for each in options["excludeCredentials"]] == cred_of(ana)
        assert (options["rp"]["id"], options["user"]["name"]) == (HOST, ana.person.username)

    def test_a_challenge_is_good_once(self, ana):
        options = ana.fetch_options()
        assert ana.add(options).status == 201
        assert code_of(ana.add({**options, "excludeCredentials": []})) == "422 passkey_refused"

    def test_a_challenge_is_used_up_by_a_refusal(self, ana):
        options = ana.fetch_options()
        ana.browser.said = {"origin": "https://evil.example"}
        assert code_of(ana.add(options)) == "422 passkey_refused"
        ana.browser.said = {}
        assert code_of(ana.add(options)) == "422 passkey_refused"
        assert ana.add().status == 201

    def test_a_challenge_is_the_sessions_own(self, ana, ben):
        assert code_of(ana.add(ben.fetch_options())) == "422 passkey_refused"

    def test_a_challenge_grows_old(self, ana):
        options = ana.fetch_options()
        ana.desk.rig.clock.advance(120)
        assert code_of(ana.add(options)) == "422 passkey_refused"

    def test_no_challenge_of_another_ceremony_will_do(self, ana):
        for challenge in (ana.desk.challenge(ana.person.username), ana.fetch_step_up()[0]):
            raw = bytes.fromhex(challenge)
            client_data = {"challenge": encode(raw)}
            options = ana.fetch_options()
            ana.browser.said = client_data
            assert code_of(ana.add(options)) == "422 passkey_refused"
            ana.browser.said = {}

    @pytest.mark.parametrize(
        "change",
        [
            {"name": ""},
            {"name": "x" * 65},
            {"name": None},
            {"client_data": "no base64!"},
            {"client_data": "YQ=="},
            {"client_data": "Y"},
            {"attestation": 7},
            {"more": 1},
        ],
    )
    def test_malformed_requests(self, ana, change):
        made = ana.browser.create(ana.fetch_options())
        refused = ana.ask(ana.api.post_passkey, {"name": "key", **made, **change})
        assert code_of(refused) == "400 malformed"
        for value in change.values():
            assert not isinstance(value, str) or len(value) < 4 or value.encode() not in refused.body

    @pytest.mark.parametrize("origin", ["https://127.0.0.1:8443", "https://[::1]:8443"])
    def test_a_server_without_a_name_says_so(self, ana, origin):
        config = ana.desk.api.kernel.config
        object.__setattr__(config, "origin", origin)
        elsewhere = KeyRing(ana.desk.restart(), ana.person)
        elsewhere.session = ana.session
        refused = elsewhere.ask(elsewhere.api.post_passkey_options, {})
        assert code_of(refused) == "409 passkeys_unavailable"
        object.__setattr__(config, "origin", ORIGIN)
        here = KeyRing(elsewhere.desk.restart(), ana.person)
        here.session = ana.session
        assert here.add().status == 201


class TestLoggingIn:
    def test_only_who_has_the_password_is_told(self, ana):
        ana.add()
        told = ana.fetch_passkeys(ana.desk.challenge(ana.person.username))
        assert len(read(told)["passkeys"]) == 1
        refused = ana.fetch_passkeys(ana.desk.challenge(ana.person.username), origin="https://evil.test")
        nobody = KeyRing(ana.desk, ana.person.with_(username="nobody@example.org"))
        unknown = nobody.fetch_passkeys(ana.desk.challenge(nobody.person.username))
        assert code_of(refused) == "401 login_refused"
        assert refused == unknown  # status, headers and every byte

    def test_it_is_told_once_a_challenge(self, ana):
        ana.add()
        challenge = ana.desk.challenge(ana.person.username)
        assert ana.fetch_passkeys(challenge).status == 200
        assert code_of(ana.fetch_passkeys(challenge)) == "401 login_refused"
        assert code_of(ana.log_in(challenge, ana.code())) == "401 login_refused"  # and is used up now

    def test_a_wrong_question_uses_the_challenge_up(self, ana):
        ana.add()
        challenge = ana.desk.challenge(ana.person.username)
        ana.fetch_passkeys(challenge, username="somebody@example.org")
        assert code_of(ana.fetch_passkeys(challenge)) == "401 login_refused"

    def test_wrong_questions_are_braked_like_logins(self, ana):
        ana.desk.hear()
        for _ in range(10):
            challenge = ana.desk.challenge(ana.person.username)
            refused = ana.fetch_passkeys(challenge, origin="https://evil.test")
            assert code_of(refused) == "401 login_refused"
        challenge = ana.desk.challenge(ana.person.username)
        assert code_of(ana.fetch_passkeys(challenge)) == "429 too_many_attempts"
        assert code_of(ana.log_in(challenge, ana.code())) == "429 too_many_attempts"
        failures = [body for body in ana.desk.said(ana.person) if isinstance(body, events.LoginFailed)]
        assert failures == [events.LoginFailed(events.LoginStage.LOGIN_KEY)] * 10

    def test_an_assertion_is_worth_one_login(self, ana):
        ana.add()
        challenge = ana.desk.challenge(ana.person.username)
        factor = ana.browser.get(bytes.fromhex(challenge), cred_of(ana))
        assert ana.log_in(challenge, factor).status == 201
        assert code_of(ana.log_in(challenge, factor)) == "401 login_refused"
        assert code_of(ana.log_in(ana.desk.challenge(ana.person.username), factor)) == "401 login_refused"

    def test_another_accounts_passkey_opens_nothing(self, ana, ben):
        ana.add()
        ben.add()
        challenge = ana.desk.challenge(ana.person.username)
        bens = ben.browser.get(bytes.fromhex(challenge), cred_of(ben))
        assert code_of(ana.log_in(challenge, bens)) == "401 login_refused"
        challenge = ana.desk.challenge(ana.person.username)
        factor = ben.browser.get(bytes.fromhex(challenge), cred_of(ben))
        renamed = {**factor, "credential": cred_of(ana)[0]}
        assert code_of(ana.log_in(challenge, renamed)) == "401 login_refused"
        assert ana.log_in().status == 201

    @pytest.mark.parametrize(
        "said_otherwise",
        [
            {"origin": "https://evil.example"},
            {"type": "webauthn.create"},
            {"challenge": encode(bytes(32))},
            {"crossOrigin": True},
        ],
    )
    def test_whatever_is_wrong_the_answer_is_the_same(self, ana, said_otherwise):
        ana.add()
        reference = ana.log_in(factor={"kind": "totp", "code": "000000"})
        ana.browser.said = said_otherwise
        assert ana.log_in() == reference
        assert code_of(reference) == "401 login_refused"
        ana.browser.said = {}
        assert ana.log_in().status == 201

    def test_the_password_is_asked_for_all_the_same(self, ana):
        ana.add()
        challenge = ana.desk.challenge(ana.person.username)
        factor = ana.browser.get(bytes.fromhex(challenge), cred_of(ana))
        thief = KeyRing(ana.desk, ana.person.with_(login_key=ana.person.actor.key))
        assert code_of(thief.log_in(challenge, factor)) == "401 login_refused"

    def test_a_copy_of_the_key_is_refused_and_reported(self, ana):
        ana.add()
        copy = KeyRing(ana.desk, ana.person)
        copy.browser.authenticator = ana.browser.authenticator.clone()
        assert ana.log_in().status == 201
        assert code_of(copy.log_in()) == "401 login_refused"
        assert ana.log_in().status == 201
        assert events.LoginFailed(events.LoginStage.SECOND_FACTOR) in ana.desk.said(ana.person)

    def test_the_counter_is_known_after_a_restart(self, ana):
        ana.add()
        copy = ana.browser.authenticator.clone()
        assert ana.log_in().status == 201
        again = KeyRing(ana.desk.restart(), ana.person)
        again.browser.authenticator = copy
        assert code_of(again.log_in()) == "401 login_refused"
        again.browser.authenticator = ana.browser.authenticator
        assert again.log_in().status == 201

    @pytest.mark.parametrize(
        "factor",
        [
            None,
            "totp",
            {},
            {"kind": "passkey"},
            {"kind": "sms", "code": "123456"},
            {"kind": "totp"},
            {"kind": "totp", "code": "12345"},
            {
                "kind": "passkey",
                "credential": "*",
                "client_data": "",
                "authenticator_data": "",
                "signature": "",
            },
        ],
    )
    def test_malformed_factors(self, ana, factor):
        challenge = ana.desk.challenge(ana.person.username)
        assert code_of(ana.send_login(challenge, factor)) == "400 malformed"
        assert ana.send_login(challenge, ana.code()).status == 201


class TestSteppingUp:
    def test_with_a_code_or_a_key(self, ana):
        ana.add()
        for factor, kind in ((ana.code(), events.Factor.TOTP), (None, events.Factor.PASSKEY)):
            assert ana.step_up(factor=factor).status == 200
            assert ana.desk.said(ana.person)[-1] == events.SessionSteppedUp(ana.session, kind)

    def test_a_code_counts_once(self, ana):
        code = ana.code()
        assert ana.step_up(factor=code).status == 200
        assert code_of(ana.step_up(factor=code)) == "401 login_refused"

    def test_a_challenge_is_good_once_and_for_its_session(self, ana, ben):
        ana.add()
        ben.add()
        challenge, passkeys = ana.fetch_step_up()
        factor = ana.browser.get(bytes.fromhex(challenge), passkeys)
        assert ana.step_up(challenge, factor).status == 200
        assert code_of(ana.step_up(challenge)) == "401 login_refused"
        foreign = ben.fetch_step_up()[0]
        assert code_of(ana.step_up(foreign)) == "401 login_refused"
        login = ana.desk.challenge(ana.person.username)
        assert code_of(ana.step_up(login)) == "401 login_refused"
        assert ana.step_up().status == 200

    def test_guesses_are_braked(self, ana):
        for _ in range(5):
            assert code_of(ana.step_up(factor={"kind": "totp", "code": "000000"})) == "401 login_refused"
        assert code_of(ana.step_up(factor=ana.code())) == "429 too_many_attempts"
        ana.desk.rig.clock.advance(30)
        assert ana.step_up(factor=ana.code()).status == 200

    def test_a_session_that_ended_does_not_step_up(self, ana):
        ana.ask(ana.desk.api.sessions.delete_session, None, ana.session)
        assert code_of(ana.step_up(factor=ana.code())) == "401 session_ended"
