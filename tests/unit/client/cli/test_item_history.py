"""``history``, ``get --version`` and ``restore`` as commands."""

import json

import pytest

from tests.support.client.transfers import make_command

USAGE, MISSING, EVIDENCE = 2, 7, 6


@pytest.fixture
def command(home, monkeypatch, capfdbinary):
    command = make_command(home, monkeypatch, capfdbinary)
    command("put", "--name", "plan", "--text", "one")
    command("put", "--name", "plan", "--text", "two")
    return command


def test_a_history_is_shown_and_told(command):
    code, out, _ = command("history", "plan")
    assert code == 0
    assert [line.split()[:2] for line in out.decode().splitlines()[2:]] == [["2", "live"], ["1", "kept"]]
    assert "laptop" in out.decode()
    document = json.loads(command("history", "plan", "--json")[1])
    assert [(row["version"], row["state"], row["name"]) for row in document["versions"]] == [
        (2, "live", "plan"),
        (1, "kept", "plan"),
    ]


def test_a_version_is_read_and_restored(command, tmp_path):
    assert command("get", "plan", "--version", "1")[:2] == (0, b"one")
    assert json.loads(command("get", "plan", "--version", "1", "--json")[1])["version"] == 1
    assert command("get", "plan", "--version", "1", "--range", "1-1")[:2] == (0, b"n")
    assert command("get", "plan", "--version", "1", "-o", str(tmp_path / "plan"))[0] == 0
    assert (tmp_path / "plan").read_bytes() == b"one"
    code, _, err = command("restore", "plan", "--version", "1")
    assert (code, "as version 3 of itm_" in err) == (0, True)
    assert command("get", "plan")[1] == b"one"
    command("remove", "plan")
    assert "removed" in command("history", "plan")[1].decode()
    assert command("restore", "plan", "--version", "2")[0] == 0
    assert command("get", "plan")[1] == b"two"


def test_what_is_not_there_is_said_with_what_to_do(home, command):
    code, _, err = command("get", "plan", "--version", "9")
    assert (code, "solekey history" in err) == (MISSING, True)
    assert command("get", "plan", "--version", "0")[0] == USAGE
    assert command("restore", "--list", "--version", "1")[0] == USAGE
    document = json.loads(command("history", "plan", "--json")[1])
    assert document["versions"][1]["error"] is None
    vault = home.unlock("laptop")
    past = vault.history("plan")[1]
    del home.account.objects[past.change.parts[0].digest]
    assert command("get", "plan", "--version", "1")[0] == EVIDENCE
    assert "damaged" in command("history", "plan")[1].decode()


def test_what_is_old_is_pruned_when_it_is_meant(command):
    assert command("prune", "--older-than", "0", "--json")[0] != 0  # nobody agrees
    assert json.loads(command("prune", "--older-than", "0", "--yes", "--json")[1]) == {
        "purged_through_commit": 2
    }
    assert "nothing of that age" in command("prune", "--older-than", "0", "--yes")[2]
    assert command("get", "plan")[1] == b"two"
