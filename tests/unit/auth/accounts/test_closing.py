"""An account is closed for ever: nobody is let in again, what logins need is gone, the name is not given."""

from dataclasses import replace
from itertools import count as count_up

import pytest

from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.errors import TransitionError
from solekey_protocol.event import encode_event, parse_event
from solekey_protocol.events import Stream
from solekey_protocol.events import auth as events
from solekey_protocol.ids import SessionId, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC
from solekey_protocol.streams import AuthStream
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.access import Access, Guard
from solekey_service.http import Headers, Request
from solekey_service.refusals import Refusal
from solekey_vault.definition import DEFINITION as VAULT
from tests.support.keys import Key
from tests.support.passkeys.desk import KeyRing
from tests.support.people.account_requests import Seat, run_together, sign_closing, sign_login_key
from tests.support.people.person import Person, code_of, compute_code, read
from tests.support.tickets import ORIGIN, make_proof
from tests.unit.auth.test_secrets import count, dump

REFUSED = "401 login_refused"
_numbers = count_up(1)
GONE = ("credentials", "passkeys", "recovery_codes", "pending_totp", "known_devices")


@pytest.fixture
def seat(desk, ana):
    return Seat(desk, ana)


@pytest.fixture
def keys(desk, seat):
    """Ana with every kind of factor, and an authenticator that waits."""
    ring = KeyRing(desk, seat.person)
    ring.session = seat.session
    assert ring.add().status == 201
    assert ring.ask(ring.api.post_recovery_codes, {}).status == 201
    assert ring.ask(ring.api.post_totp, {}).status == 201
    return ring


def test_nobody_logs_in_again_and_all_sessions_end(desk, ana, seat):
    phone = seat.on("phone")
    assert phone.refresh().status == 200  # positive control
    answer = seat.close()
    assert answer.status == 200
    event = parse_event(answer.body)
    assert event.body == events.AccountClosed(1)
    assert answer.headers["Solekey-Position"] == f"auth={event.seq}"
    facts = desk.said(ana)
    assert facts[-1] == event.body
    assert set(facts[-3:-1]) == {
        events.SessionEnded(each.session, events.SessionEnd.ACCOUNT_CLOSED) for each in (seat, phone)
    }
    assert [code_of(each.refresh()) for each in (seat, phone)] == ["401 session_ended"] * 2
    assert code_of(desk.log_in(ana)) == REFUSED
    desk.rig.clock.advance(1800)
    assert desk.api.timers.expire_sessions() == 0


def test_what_a_login_needs_is_deleted(desk, keys, seat):
    before = {table: count(desk, table) for table in GONE}
    assert all(before.values()), before  # positive control
    assert seat.close().status == 200
    assert {table: count(desk, table) for table in GONE} == dict.fromkeys(GONE, 0)
    desk.api.timers.purge()
    rows = dump(desk)
    assert seat.person.username not in rows
    assert seat.person.login_key.public not in rows


def test_only_the_accounts_own_rows_go(desk, keys, seat):
    ben = Person("ben")
    desk.register(ben)
    ring = KeyRing(desk, ben)
    ring.open_session()
    assert ring.add().status == 201
    assert ring.ask(ring.api.post_recovery_codes, {}).status == 201
    assert seat.close().status == 200
    assert {table: count(desk, table) for table in GONE} == {
        "credentials": 1,
        "passkeys": 1,
        "recovery_codes": 10,
        "pending_totp": 0,
        "known_devices": 1,
    }
    assert ring.log_in().status == 201


def test_a_closed_account_looks_like_a_name_that_nobody_has(desk, ana, seat):
    assert seat.close().status == 200
    told = read(desk.ask(desk.api.sessions.post_challenge, {"username": ana.username}))
    nobody = read(desk.ask(desk.api.sessions.post_challenge, {"username": "nobody@example.org"}))
    for answer in (told, nobody):
        del answer["challenge"], answer["kdf"]["salt"]
    assert told == nobody
    stranger = desk.log_in(Person("nobody").with_(totp_secret=ana.totp_secret))
    closed = desk.log_in(ana)
    assert (closed.status, closed.body) == (stranger.status, stranger.body)


def test_nobody_gets_the_name_or_the_account_again(desk, ana, seat):
    assert seat.close().status == 200
    for taker in (ana, Person("eve").with_(username="ANA@Example.org")):
        assert code_of(desk.register(taker)) == "409 username_taken"
    desk.rig.clock.advance(366 * 86400)
    desk.api.timers.purge()
    desk = desk.restart()
    assert code_of(desk.register(Person("eve").with_(username=ana.username))) == "409 username_taken"
    other_name = ana.with_(username="anna@example.org")
    assert code_of(desk.register(other_name)) == "409 account_taken"
    assert desk.register(Person("eve")).status == 201  # positive control


@pytest.mark.parametrize(
    "signed",
    [{"origin": "https://evil.test"}, {"challenge": "cd" * 32}, {"account": Person("ben").actor.account}],
    ids=lambda signed: next(iter(signed)),
)
def test_signatures_for_something_else_close_nothing(desk, ana, seat, signed):
    assert code_of(seat.close(signed=signed)) == REFUSED
    assert desk.log_in(ana).status == 201
    assert seat.close().status == 200  # positive control: the truth


def test_every_wrong_part_is_answered_with_the_bytes_of_a_refused_login(desk, ana, seat):
    wrong = ana.with_(login_key=Key("wrong"))
    refused = desk.log_in(wrong)
    used = seat.challenge()
    assert code_of(desk.log_in(wrong, challenge=used)) == REFUSED
    for document in (
        sign_closing(wrong, seat.challenge()),
        sign_closing(ana, used),
        sign_closing(ana, "ab" * 32),
        sign_closing(ana, desk.challenge("ben@example.org")),
        sign_login_key(ana, seat.challenge()),
    ):
        document = {name: document[name] for name in ("challenge", "signature")}
        answer = seat.close(document)
        assert (answer.status, answer.body) == (401, refused.body)
    assert seat.close().status == 200


def test_a_challenge_is_used_up_whatever_follows(desk, ana, seat):
    challenge = seat.challenge()
    assert code_of(seat.close(sign_closing(ana.with_(login_key=Key("wrong")), challenge))) == REFUSED
    assert code_of(seat.close(sign_closing(ana, challenge))) == REFUSED
    late = seat.challenge()
    desk.rig.clock.advance(120)
    assert code_of(seat.close(sign_closing(ana, late))) == REFUSED
    assert seat.close().status == 200


def test_guesses_are_counted_with_the_logins_of_the_device(desk, ana, seat):
    wrong = ana.with_(login_key=Key("wrong"))
    for _ in range(10):
        assert code_of(seat.close(sign_closing(wrong, seat.challenge()))) == REFUSED
    assert code_of(seat.close()) == "429 too_many_attempts"
    assert code_of(desk.log_in(ana)) == "429 too_many_attempts"
    failed = [body for body in desk.said(ana) if isinstance(body, events.LoginFailed)]
    assert len(failed) == 10
    desk.rig.clock.advance(30)
    assert seat.close().status == 200


def test_failures_that_are_reported_late_follow_nothing(desk, ana, seat):
    assert code_of(desk.log_in(ana.with_(login_key=Key("wrong")))) == REFUSED
    assert seat.close().status == 200
    assert isinstance(desk.said(ana)[-1], events.AccountClosed)  # which reports them
    desk.api.timers.purge()
    assert count(desk, "login_failures") == 0


def test_what_slips_past_the_guard_finds_nothing(desk, ana, seat, keys):
    """A session that was open when the guard looked, and is not any more."""
    other = KeyRing(desk, ana)
    other.session = seat.session
    options = other.fetch_options()
    document = sign_closing(ana, seat.challenge())
    assert seat.close(document).status == 200
    assert code_of(seat.close(document)) == "401 session_ended"
    assert code_of(seat.change()) == "401 session_ended"
    codes = {code_of(keys.remove("ab" * 32)), code_of(keys.ask(keys.api.post_recovery_codes, {}))}
    codes |= {code_of(keys.ask(keys.api.post_totp, {})), code_of(other.add(options))}
    assert codes == {"404 not_found"}
    assert code_of(keys.step_up(factor=keys.code())) == REFUSED
    desk.api.timers.expire_sessions()
    assert isinstance(desk.said(ana)[-1], events.AccountClosed)


@pytest.mark.parametrize("member", ["challenge", "signature"])
def test_malformed_requests_use_nothing_up(seat, ana, member):
    document = sign_closing(ana, seat.challenge())
    for wrong in ({**document, member: 7}, {**document, member: "x"}, {**document, "more": 1}):
        assert code_of(seat.close(wrong)) == "400 malformed"
    assert code_of(seat.close({k: v for k, v in document.items() if k != member})) == "400 malformed"
    assert seat.close(document).status == 200


# The stream


def test_a_stream_in_which_anything_follows_the_end_is_invalid(ana):
    def follow(state, body):
        at = Timestamp("2026-11-24T12:00:00.000Z")
        return state.evolve(encode_event(body, account=ana.actor.account, after=state.head, time=at))

    start = AuthStream.start(ana.actor.account)
    totp = events.Factor.TOTP
    until = Timestamp("2026-11-25T00:00:00.000Z")
    opened = events.SessionOpened(ana.actor.session, ana.actor.device, totp, until)
    enrolled = events.MfaEnrolled(totp, "ab" * 32)
    open_ = follow(follow(follow(start, events.AccountRegistered(1)), enrolled), opened)
    closed = follow(open_, events.AccountClosed(1))
    assert (closed.sessions, closed.factors, closed.closed) == ({}, {}, True)
    late = SessionId.from_raw(bytes(16))
    for body in (
        replace(opened, session=late),
        enrolled,
        events.AccountRegistered(2),
        events.LoginKeyChanged(2, events.LoginKeyChange.PASSWORD_CHANGED),
        events.LoginFailed(events.LoginStage.LOGIN_KEY),
        events.AccountClosed(1),
    ):
        follow(open_, body)  # positive control: without the end, it follows
        with pytest.raises(TransitionError, match="the end of the account"):
            follow(closed, body)


# Every service


@pytest.fixture
def platform(rig, desk, tmp_path):
    """The other services beside the auth service."""
    rig.build(DEVICES)
    rig.build(ROTATION)
    rig.build(VAULT, object_store_url=f"file://{tmp_path}/objects")
    return rig


def ask(rig, seat, stream):
    """Ask a service for an admittance with the token that the login gave for it; how it is answered."""
    rig.deliver()
    kernel = rig.kernels[stream]
    for record in list(rig.bus.read(HEARTBEAT_TOPIC)):
        kernel.freshness.observe(record)
    token, path = seat.answer["tokens"][stream.value], f"/v1/{stream.value}/events"
    now, key = rig.clock.now(), seat.person.device_key
    proof_id = f"proof-{next(_numbers):06d}-of-closing"
    proof = make_proof(key, "GET", ORIGIN + path, now, token=token, proof_id=proof_id)
    fields = Headers([("Authorization", f"DPoP {token}"), ("DPoP", proof)])
    try:
        caller = Guard(kernel).admit(Request("GET", path, headers=fields), Access.SESSION).authenticated
    except Refusal as refusal:
        return refusal.code
    return caller.account


@pytest.mark.parametrize("stream", Stream)
def test_every_service_refuses_everything_for_a_closed_account(platform, desk, ana, seat, stream):
    ben = Person("ben")
    desk.register(ben)
    bens = Seat(desk, ben)
    phone = seat.on("phone")
    for each in (seat, phone, bens):
        assert ask(platform, each, stream) == each.person.actor.account  # positive control
    assert seat.close().status == 200
    assert [ask(platform, each, stream) for each in (seat, phone)] == ["session_ended"] * 2
    assert ask(platform, bens, stream) == ben.actor.account


# Races


def test_a_login_at_the_same_moment_is_before_the_end_or_refused(desk, ana, seat):
    desk.hear()
    people = [Person("ana", f"device {number}") for number in range(4)]
    code = compute_code(ana.totp_secret, desk.now)
    logins = [
        person.with_(login_key=ana.login_key).login(desk.challenge(ana.username), code) for person in people
    ]
    document = sign_closing(ana, seat.challenge())
    closed, *logged_in = run_together(
        lambda: seat.close(document),
        *(
            lambda person=person, login=login: desk.ask(
                desk.api.sessions.post_session, login, proof=desk.prove(person.device_key)
            )
            for person, login in zip(people, logins, strict=True)
        ),
    )
    assert closed.status == 200
    assert {answer.status for answer in logged_in} <= {201, 401}
    assert isinstance(desk.said(ana)[-1], events.AccountClosed)
    assert count(desk, "known_devices") == 0


def test_of_an_end_and_a_change_at_the_same_moment_the_end_is_last(desk, ana, seat):
    phone = seat.on("phone")
    ending, changing = sign_closing(ana, seat.challenge()), sign_login_key(ana, seat.challenge())
    closed, changed = run_together(lambda: seat.close(ending), lambda: phone.change(changing))
    # The change ends the session that closes, or replaces the key that it was signed with.
    assert (closed.status, changed.status) in {(200, 401), (401, 200)}
    assert (count(desk, "credentials") == 0) == (closed.status == 200)


def test_of_the_same_name_registered_at_the_same_moment_nobody_gets_it(desk, ana, seat):
    document, eve = sign_closing(ana, seat.challenge()), Person("eve").with_(username=ana.username)
    closed, taken = run_together(lambda: seat.close(document), lambda: desk.register(eve))
    assert (closed.status, code_of(taken)) == (200, "409 username_taken")
