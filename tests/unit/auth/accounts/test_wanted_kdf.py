"""How much work the operator wants to be put into passwords: told alike for every name."""

import pytest

from tests.support.people.account_requests import MORE_WORK, Seat
from tests.support.people.person import Desk, Person, read

# What the operator asks for


@pytest.fixture
def strict(rig):
    return Desk.open(rig, kdf_wanted="memory_kib=131072,iterations=4")


def test_what_is_wanted_is_said_for_every_name_alike(strict):
    ana = Person()
    strict.register(ana)
    wanted = {"memory_kib": 131072, "iterations": 4, "lanes": 4}
    for name in (ana.username, "nobody@example.org"):
        told = read(strict.ask(strict.api.sessions.post_challenge, {"username": name}))
        assert set(told) == {"challenge", "expires_in_s", "kdf", "kdf_wanted"}
        assert told["kdf_wanted"] == wanted
    assert {name: told["kdf"][name] for name in wanted} == wanted  # nobody has done what is asked for


def test_an_account_that_has_done_it_looks_like_nobody(strict):
    ana = Person()
    strict.register(ana)
    seat = Seat(strict, ana)
    assert seat.change(reason="kdf_upgraded", kdf={**MORE_WORK, "iterations": 4}).status == 200
    anas, nobodys = (
        read(strict.ask(strict.api.sessions.post_challenge, {"username": name}))
        for name in (ana.username, "nobody@example.org")
    )
    for answer in (anas, nobodys):
        del answer["challenge"], answer["kdf"]["salt"]
    assert anas == nobodys


def test_nothing_is_asked_for_by_default(desk, ana):
    for name in (ana.username, "nobody@example.org"):
        assert "kdf_wanted" not in read(desk.ask(desk.api.sessions.post_challenge, {"username": name}))
