"""Conflict copies, and names that look the same, in lists."""

import json

import pytest

from tests.support.client.transfers import make_command, restart

USAGE = 2


@pytest.fixture
def command(home, monkeypatch, capfdbinary):
    return make_command(home, monkeypatch, capfdbinary)


def test_a_conflict_is_listed_and_resolved(home, command):
    command("put", "--name", "plan", "--text", "one")
    home.add_device("phone")
    phone = restart(home, "phone")
    phone.get("plan")
    phone.put("plan", "two")
    command("put", "--name", "plan", "--text", "three")
    assert "(conflict copy of plan, by “laptop”)" in command("list")[1].decode()
    (row,) = json.loads(command("conflicts", "--json")[1])["conflicts"]
    assert row["conflict"]["item"] == phone.find("plan").id
    assert "“laptop”" in command("conflicts")[1].decode()
    assert command("resolve", row["id"])[0] == USAGE
    assert command("resolve", row["id"], "--keep", "copy")[0] == 0
    assert command("get", "plan")[1] == b"three"
    assert command("conflicts")[1] == b"No conflict copies.\n"
    code, _, err = command("resolve", "plan", "--keep", "both")
    assert (code, "solekey conflicts" in err) == (1, True)


def test_names_that_look_the_same_are_told_apart(command):
    for name in ("paypal", "p\u0430ypal", "caf\u00e9", "plain"):
        command("put", "--name", name, "--text", "x")
    shown = command("list")[1].decode()
    assert "p\\u{430}ypal" in shown
    assert "caf\u00e9" in shown  # looks like no other one
    assert command("get", "cafe\u0301")[1] == b"x"
