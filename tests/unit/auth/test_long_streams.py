"""What a request costs does not grow with the account's stream, which a thief can lengthen by refreshing."""

import pytest

from solekey_eventlog import unit_of_work
from solekey_protocol.event import parse_event
from tests.support.people.account_requests import Seat, sign_login_key
from tests.support.people.person import code_of, read

REFRESHES = 12


@pytest.fixture
def parsed(monkeypatch):
    """The events of the own stream that were parsed, one by one."""
    seen = []
    monkeypatch.setattr(unit_of_work, "parse_event", lambda raw: seen.append(raw) or parse_event(raw))
    return seen


def refresh_often(desk, ana, token):
    for _ in range(REFRESHES):
        answer = desk.refresh(token, ana.device_key)
        assert answer.status == 200, code_of(answer)
        token = read(answer)["refresh_token"]


def test_factors_are_listed_without_reading_the_stream(desk, ana, opened, parsed):
    refresh_often(desk, ana, opened["refresh_token"])
    parsed.clear()
    answer = desk.ask(desk.api.factors.get_factors, caller=desk.as_caller(ana, opened["session"]))
    (factor,) = read(answer)["factors"]
    assert factor["enrolled_at"] < desk.rig.clock.now().isoformat()
    assert not parsed
    with desk.api.kernel.store.read() as uow:  # control: who reads the stream is seen
        assert len(uow.events(ana.actor.account)) > REFRESHES
    assert len(parsed) > REFRESHES


def test_a_repeated_change_of_the_password_reads_one_event(desk, ana, opened, parsed):
    refresh_often(desk, ana, opened["refresh_token"])
    seat = Seat(desk, ana)
    document = sign_login_key(ana, seat.challenge())
    first = seat.change(document)
    parsed.clear()
    assert seat.change(document).body == first.body
    assert len(parsed) == 1
