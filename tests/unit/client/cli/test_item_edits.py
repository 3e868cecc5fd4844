"""``put``, ``describe`` and ``remove`` as commands: what is kept, and what is not overwritten."""

import json

import pytest

from tests.support.client.transfers import make_command, restart

USAGE, CHANGED = 2, 1


@pytest.fixture
def command(home, monkeypatch, capfdbinary):
    return make_command(home, monkeypatch, capfdbinary)


def read(command, name):
    return json.loads(command("get", name, "--json")[1])


def test_a_put_keeps_what_it_does_not_give(command):
    first = ("--tag", "a", "--tag", "b", "--attribute", "room=hall=1", "--type", "text/x-note")
    assert command("put", "--name", "t", "--text", "1", *first)[0] == 0
    assert command("put", "--name", "t", "--text", "2")[0] == 0
    item = read(command, "t")
    assert (item["text"], item["version"], item["tags"]) == ("2", 2, ["a", "b"])
    assert (item["type"], item["attributes"], item["conflict"]) == ("text/x-note", {"room": "hall=1"}, None)
    assert command("put", "--name", "t", "--text", "3", "--no-tags", "--no-attributes")[0] == 0
    item = read(command, "t")
    assert (item["tags"], item["attributes"]) == ([], {})


def test_describe_changes_all_but_the_content(command):
    command("put", "--name", "t", "--text", "1", "--tag", "a", "--tag", "b")
    code, _, err = command("describe", "t", "--rename", "u", "--add-tag", "c", "--remove-tag", "a")
    assert (code, err) == (0, "Stored “u”, version 2.\n")
    item = read(command, "u")
    assert (item["text"], item["tags"], item["version"]) == ("1", ["b", "c"], 2)
    for wrong in (
        (),
        ("--tag", "x", "--add-tag", "y"),
        ("--remove-tag", "x"),
        ("--attribute", "x"),
        ("--attribute", "x=1", "--attribute", "x=2"),
        ("--tag", "x", "--no-tags"),
        ("--attribute", "x=1", "--no-attributes"),
    ):
        assert command("describe", "u", *wrong)[0] == USAGE, wrong
    assert read(command, "u")["version"] == 2


def test_a_read_counts_until_the_next_command(home, command):
    command("put", "--name", "plan", "--text", "one")
    home.add_device("phone")
    assert command("get", "plan")[1] == b"one"
    phone = restart(home, "phone")
    phone.put("plan", "two")
    code, _, err = command("remove", "plan")
    assert code == CHANGED
    assert "version 2, not 1" in err
    assert "--if-version" in err
    code, _, err = command("put", "--name", "plan", "--text", "three")
    assert code == 0
    assert "had not read; both are kept, this one as “plan (conflict, laptop)”" in err
    assert command("get", "plan")[1] == b"two"
    assert command("put", "--name", "plan", "--text", "merged")[0] == 0
    assert (phone.get("plan").content, phone.get("plan").version) == (b"merged", 3)


def test_if_version_stores_or_refuses(command):
    assert command("put", "--name", "plan", "--text", "one", "--if-version", "0")[0] == 0
    for number in ("0", "2"):
        code, _, err = command("put", "--name", "plan", "--text", "two", "--if-version", number)
        assert code == CHANGED
        assert "[item_changed]" in err
        assert command("remove", "plan", "--if-version", number)[0] == CHANGED
    assert command("put", "--name", "plan", "--text", "x", "--if-version", "-1")[0] == USAGE
    assert command("put", "--name", "plan", "--text", "two", "--if-version", "1")[0] == 0
    assert command("remove", "plan", "--if-version", "2")[0] == 0
