"""Sessions: refreshed, repeated, stolen, expired, revoked, listed, ended."""

import threading
from datetime import datetime, timedelta

import pytest

from solekey_auth.domain import IssuedToken
from solekey_auth.sessions.repository import SessionRepository
from solekey_auth.sessions.sessions import RefreshToken
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream, devices
from solekey_protocol.events import auth as events
from solekey_protocol.ids import SessionId
from solekey_protocol.services import TOPICS
from tests.support.actors import Actor
from tests.support.keys import Key, derive_raw
from tests.support.people.person import Desk, Person, code_of, read

LOST = devices.RevocationReason.LOST
REUSED = events.SessionEnd.REFRESH_REUSED
STEP_UP_S = 300
"""How long a second factor counts, by default."""


def refresh(desk, ana, token):
    return desk.refresh(token, ana.device_key)


def ends(desk, ana):
    return [body.reason for body in desk.said(ana) if isinstance(body, events.SessionEnded)]


def test_a_refresh_rotates_the_token_and_keeps_the_session(desk, ana, opened):
    response = refresh(desk, ana, opened["refresh_token"])
    answer = read(response)
    assert response.status == 200
    assert answer.keys() == opened.keys()
    assert answer["session"] == opened["session"]
    assert answer["refresh_token"] != opened["refresh_token"]
    assert response.headers["Solekey-Position"] == "auth=4"
    assert desk.said(ana)[-1] == events.SessionRefreshed(opened["session"], 2)


def test_a_family_is_refreshed_again_and_again(desk, ana, opened):
    token, seen = opened["refresh_token"], set()
    for _ in range(5):
        desk.rig.clock.advance(60)
        token = read(refresh(desk, ana, token))["refresh_token"]
        seen.add(token)
    assert len(seen) == 5
    assert [body.generation for body in desk.said(ana)[3:]] == [2, 3, 4, 5, 6]


def test_a_lost_answer_is_repeated_within_ten_seconds(desk, ana, opened):
    first = read(refresh(desk, ana, opened["refresh_token"]))
    desk.rig.clock.advance(10)
    desk = desk.restart()
    again = read(refresh(desk, ana, opened["refresh_token"]))
    assert again["refresh_token"] == first["refresh_token"]
    assert [type(body) for body in desk.said(ana)].count(events.SessionRefreshed) == 1
    assert refresh(desk, ana, again["refresh_token"]).status == 200


def test_of_simultaneous_refreshes_all_get_the_same_successor(desk, ana, opened):
    desk.hear()
    answers = []

    def send():
        document = {"refresh_token": opened["refresh_token"]}
        proof = desk.prove(ana.device_key)
        answers.append(read(desk.ask(desk.api.sessions.post_refresh, document, proof=proof))["refresh_token"])

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert [type(body) for body in desk.said(ana)].count(events.SessionRefreshed) == 1


def test_a_thief_who_comes_second_ends_the_family(desk, ana, opened):
    stolen = opened["refresh_token"]
    hers = read(refresh(desk, ana, stolen))["refresh_token"]
    desk.rig.clock.advance(11)
    assert code_of(refresh(desk, ana, stolen)) == "401 session_ended"
    assert code_of(refresh(desk, ana, hers)) == "401 session_ended"
    assert desk.said(ana)[-2:] == [
        events.RefreshReuseDetected(opened["session"], 1),
        events.SessionEnded(opened["session"], REUSED),
    ]


def test_a_thief_who_comes_first_is_found_out_when_the_victim_comes(desk, ana, opened):
    thief = ana  # a copied profile: token and device key
    his = read(refresh(desk, thief, opened["refresh_token"]))["refresh_token"]
    desk.rig.clock.advance(11)
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"
    assert code_of(refresh(desk, thief, his)) == "401 session_ended"
    assert ends(desk, ana) == [REUSED]


def test_a_repetition_after_the_successor_was_used_is_a_reuse_even_in_time(desk, ana, opened):
    second = read(refresh(desk, ana, opened["refresh_token"]))["refresh_token"]
    assert refresh(desk, ana, second).status == 200
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"
    assert ends(desk, ana) == [REUSED]


@pytest.mark.parametrize("used_before", [False, True])
def test_a_token_under_another_device_key_ends_the_family(desk, ana, opened, used_before):
    if used_before:
        refresh(desk, ana, opened["refresh_token"])
    thief = Key("a thief's device key")
    assert code_of(desk.refresh(opened["refresh_token"], thief)) == "401 session_ended"
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"
    assert ends(desk, ana) == [REUSED]


def test_the_end_of_a_family_spares_the_other_sessions(desk, ana, opened):
    other = read(desk.log_in(ana))
    desk.refresh(opened["refresh_token"], Key("a thief's device key"))
    assert refresh(desk, ana, other["refresh_token"]).status == 200


def test_a_token_that_never_was_is_refused_without_an_event(desk, ana, opened):
    invented = RefreshToken(derive_raw("invented", 32)).reveal()
    assert code_of(refresh(desk, ana, invented)) == "401 token_invalid"
    for text in ("", "skr_", opened["refresh_token"] + "0", opened["refresh_token"].upper()):
        response = refresh(desk, ana, text)
        assert code_of(response) == "400 malformed"
        assert not text or text.encode() not in response.body
    assert ends(desk, ana) == []


def test_a_session_that_is_idle_for_half_an_hour_ends(desk, ana, opened):
    token = opened["refresh_token"]
    for _ in range(3):
        desk.rig.clock.advance(1760)
        token = read(refresh(desk, ana, token))["refresh_token"]
        assert desk.api.timers.expire_sessions() == 0
    desk.rig.clock.advance(1800)
    assert code_of(refresh(desk, ana, token)) == "401 session_ended"
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED]


def test_the_timer_ends_what_expired_once(desk, ana, opened):
    desk.rig.clock.advance(1770)
    assert desk.api.timers.expire_sessions() == 1
    assert desk.api.timers.expire_sessions() == 0
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED]
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"


def test_a_session_ends_after_twelve_hours_however_often_it_is_refreshed(desk, ana, opened):
    token = opened["refresh_token"]
    for _ in range(24):
        desk.rig.clock.advance(1760)
        answer = read(refresh(desk, ana, token))
        token = answer["refresh_token"]
    desk.rig.clock.advance(12 * 3600 - 30 - 24 * 1760 - 100)
    assert read(refresh(desk, ana, token))["expires_in_s"] == 100  # no token outlives its session
    token = read(refresh(desk, ana, token))["refresh_token"]
    desk.rig.clock.advance(100)
    assert code_of(refresh(desk, ana, token)) == "401 session_ended"
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED]


def test_the_operator_sets_both_times(rig):
    desk, ana = Desk.open(rig, session_idle_s=600, session_absolute_s=1500), Person()
    desk.register(ana)
    token = read(desk.log_in(ana))["refresh_token"]
    for passed, left in ((599, 300), (599, 300), (301, 1)):  # idle for less than 600 s, 1499 s in all
        desk.rig.clock.advance(passed)
        answer = read(refresh(desk, ana, token))
        token = answer["refresh_token"]
        assert answer["expires_in_s"] == left
    (row,) = read(desk.ask(desk.api.sessions.get_sessions, caller=desk.as_caller(ana, answer["session"])))[
        "sessions"
    ]
    assert row["expires_at"] == "2026-11-23T12:25:00.000Z"
    desk.rig.clock.advance(1)
    assert code_of(refresh(desk, ana, token)) == "401 session_ended"
    idle = read(desk.log_in(ana))["refresh_token"]
    desk.rig.clock.advance(600)
    assert code_of(refresh(desk, ana, idle)) == "401 session_ended"
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED] * 2


def test_tokens_of_a_session_that_is_over_for_good_are_forgotten(desk, ana, opened):
    desk.rig.clock.advance(12 * 3600)
    desk.api.timers.expire_sessions()
    desk.api.timers.purge()
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 token_invalid"
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED]


def test_what_has_ended_stays_ended_when_the_clock_jumps_back(desk, ana, opened):
    desk.rig.clock.advance(1770)
    desk.api.timers.expire_sessions()
    desk.rig.clock.set_wall(desk.now - timedelta(hours=1))
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"


def test_a_clock_that_jumps_back_moves_neither_the_absolute_end_nor_the_retry_time(desk, ana, opened):
    (before,) = [body for body in desk.said(ana) if isinstance(body, events.SessionOpened)]
    desk.rig.clock.set_wall(desk.now - timedelta(hours=3))
    refreshed = read(refresh(desk, ana, opened["refresh_token"]))
    caller = desk.as_caller(ana, opened["session"])
    (session,) = read(desk.ask(desk.api.sessions.get_sessions, caller=caller))["sessions"]
    assert session["expires_at"] == before.expires_at
    desk.rig.clock.set_wall(desk.now - timedelta(seconds=11))
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"
    assert code_of(refresh(desk, ana, refreshed["refresh_token"])) == "401 session_ended"


def test_sessions_are_listed_with_the_current_one_marked(desk, ana, opened):
    second = read(desk.log_in(ana))
    response = desk.ask(desk.api.sessions.get_sessions, caller=desk.as_caller(ana, second["session"]))
    first_row, second_row = read(response)["sessions"]
    assert first_row == {
        "session": opened["session"],
        "device": ana.actor.device,
        "opened_at": "2026-11-23T12:00:00.000Z",
        "expires_at": "2026-11-24T00:00:00.000Z",
        "current": False,
    }
    assert (second_row["session"], second_row["current"]) == (second["session"], True)


def test_a_session_logs_out_and_ends_others(desk, ana, opened):
    second = read(desk.log_in(ana))
    caller = desk.as_caller(ana, second["session"])
    for session, reason in ((opened, events.SessionEnd.ENDED_BY_USER), (second, events.SessionEnd.LOGOUT)):
        response = desk.ask(desk.api.sessions.delete_session, None, session["session"], caller=caller)
        assert response.status == 200
        assert parse_event(response.body).body == events.SessionEnded(session["session"], reason)
        assert code_of(refresh(desk, ana, session["refresh_token"])) == "401 session_ended"
    assert (
        code_of(desk.ask(desk.api.sessions.delete_session, None, opened["session"], caller=caller))
        == "404 not_found"
    )


def test_a_locked_thief_ends_no_session_of_the_owner(desk, ana, opened):
    """Without the second factor; else the owner could be thrown out before the device is revoked."""
    desk.rig.clock.advance(STEP_UP_S + 1)
    owners = read(desk.log_in(ana))
    thief, owner = (desk.as_caller(ana, session["session"]) for session in (opened, owners))
    end = desk.api.sessions.delete_session
    assert code_of(desk.ask(end, None, owners["session"], caller=thief)) == "403 step_up_required"
    assert refresh(desk, ana, owners["refresh_token"]).status == 200
    assert desk.ask(end, None, opened["session"], caller=owner).status == 200  # control: a fresh login may
    desk.rig.clock.advance(STEP_UP_S + 1)
    assert desk.ask(end, None, owners["session"], caller=owner).status == 200  # logging out is always free


def test_a_thief_who_refreshes_all_the_time_neither_fills_the_log_nor_shuts_the_owner_out(rig):
    desk, ana = Desk.open(rig, statements_per_minute=8), Person()
    desk.register(ana)
    token, answers = read(desk.log_in(ana))["refresh_token"], []
    desk.rig.clock.advance(30)
    for _ in range(7):
        answers.append(refresh(desk, ana, token))
        token = read(answers[-1]).get("refresh_token", token)
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
    assert read(answers[-1])["unit"] == "events"
    assert desk.log_in(ana).status == 201  # what needs the second factor has twice the room
    desk.rig.clock.advance(60)
    assert refresh(desk, ana, token).status == 200  # the refusal has not used the token up


def test_nobody_ends_or_sees_the_sessions_of_another(desk, ana, opened):
    ben = Person("ben")
    desk.register(ben)
    his = read(desk.log_in(ben))
    caller = desk.as_caller(ben, his["session"])
    assert (
        code_of(desk.ask(desk.api.sessions.delete_session, None, opened["session"], caller=caller))
        == "404 not_found"
    )
    assert (
        code_of(desk.ask(desk.api.sessions.delete_session, None, "ses_?", caller=caller)) == "404 not_found"
    )
    (row,) = read(desk.ask(desk.api.sessions.get_sessions, caller=caller))["sessions"]
    assert row["session"] == his["session"]
    assert refresh(desk, ana, opened["refresh_token"]).status == 200


@pytest.fixture
def revoked(desk, ana, opened):
    """Ana's laptop is logged in; her phone revokes it. Delivered to nobody yet."""
    desk.rig.build(DEVICES)
    laptop, phone = ana.actor, Actor("ana", "phone")

    def head():
        return desk.rig.head(Stream.DEVICES, laptop.account)

    desk.rig.append(laptop.sign(laptop.founded()))
    desk.rig.append(phone.sign(phone.enrolled(), head()))
    desk.rig.append(phone.sign(phone.trusted(), head()))
    desk.rig.deliver(Stream.AUTH)
    return lambda: desk.rig.append(phone.sign(devices.DeviceRevoked(laptop.device, LOST), head()))


def test_a_trusted_device_may_rest_longer_than_others(desk, ana, opened, revoked):
    """The session was opened before the device was trusted: it rests longer from its next token on."""
    token = read(refresh(desk, ana, opened["refresh_token"]))["refresh_token"]
    desk.rig.clock.advance(11 * 3600)
    desk.rig.deliver(Stream.AUTH)
    assert desk.api.timers.expire_sessions() == 0
    assert refresh(desk, ana, token).status == 200
    desk.rig.clock.advance(3600)
    assert desk.api.timers.expire_sessions() == 1  # never past its absolute end


def test_a_revoked_device_loses_its_sessions_and_may_not_log_in(desk, ana, opened, revoked):
    phone = Person(device="phone").with_(totp_secret=ana.totp_secret)
    hers = read(desk.log_in(phone))
    assert refresh(desk, ana, opened["refresh_token"]).status == 200  # before
    revoked()
    desk.rig.deliver(Stream.AUTH)
    desk.rig.deliver(Stream.AUTH)  # the same events again
    assert desk.said(ana)[-1] == events.SessionEnded(opened["session"], events.SessionEnd.DEVICE_REVOKED)
    assert ends(desk, ana) == [events.SessionEnd.DEVICE_REVOKED]
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "401 session_ended"
    desk.rig.clock.advance(30)
    assert code_of(desk.log_in(ana)) == "403 device_revoked"
    assert code_of(desk.log_in(ana.with_(login_key=Key("wrong")))) == "401 login_refused"
    assert refresh(desk, phone, hers["refresh_token"]).status == 200


def test_a_login_that_only_the_revocation_refuses_uses_its_code_up(desk, ana, opened, revoked):
    revoked()
    desk.rig.deliver(Stream.AUTH)
    assert code_of(desk.log_in(ana)) == "403 device_revoked"
    phone = Person(device="phone").with_(totp_secret=ana.totp_secret)
    assert code_of(desk.log_in(phone)) == "401 login_refused"


def test_a_session_that_slipped_past_the_reaction_is_not_refreshed(desk, ana, opened, revoked):
    """On PostgreSQL a login may commit just after the reaction looked for sessions."""
    revoked()
    desk.rig.deliver(Stream.AUTH)
    raw, slipped = RefreshToken(derive_raw("slipped", 32)), SessionId.from_raw(derive_raw("slipped"))
    with desk.api.kernel.store.begin() as uow:
        head = uow.head(ana.actor.account)
        until = "2026-11-24T00:00:00.000Z"
        uow.append(
            ana.actor.account,
            head,
            events.SessionOpened(slipped, ana.actor.device, events.Factor.TOTP, until),
        )
        _put_token(uow, ana, desk, raw, slipped)
    assert code_of(refresh(desk, ana, raw.reveal())) == "401 session_ended"
    assert desk.said(ana)[-1] == events.SessionEnded(slipped, events.SessionEnd.DEVICE_REVOKED)


def test_a_refresh_is_refused_while_the_devices_feed_is_silent(desk, ana, opened):
    desk.hear()
    proof = desk.prove(ana.device_key)
    desk.rig.clock.advance(6)
    document = {"refresh_token": opened["refresh_token"]}
    assert code_of(desk.ask(desk.api.sessions.post_refresh, document, proof=proof)) == "503 trust_stale"
    assert refresh(desk, ana, opened["refresh_token"]).status == 200


def test_a_parked_account_neither_logs_in_nor_refreshes_but_its_sessions_end(desk, ana, opened, revoked):
    event = revoked()
    tablet = Actor("ana", "tablet")
    desk.rig.append(tablet.sign(tablet.enrolled(), event.head))
    desk.rig.kernels[Stream.DEVICES].publisher.publish_pending()
    records = list(desk.rig.bus.read(TOPICS[Stream.DEVICES]))
    desk.api.kernel.projector.apply(records[-1])  # the one before is missing
    assert code_of(desk.log_in(ana)) == "503 account_parked"
    assert code_of(refresh(desk, ana, opened["refresh_token"])) == "503 account_parked"
    desk.rig.clock.advance(1800)
    desk.api.timers.expire_sessions()
    assert ends(desk, ana) == [events.SessionEnd.EXPIRED]
    desk.rig.deliver(Stream.AUTH)
    assert code_of(desk.log_in(ana)) == "403 device_revoked"


def _put_token(uow, ana, desk, token, session):
    later: datetime = desk.now + timedelta(minutes=30)
    thumbprint = desk.prove(ana.device_key).thumbprint
    SessionRepository(uow.connection).put(
        IssuedToken(token.digest, ana.actor.account, session, thumbprint, 1, desk.now, later, later)
    )
