"""What is known of the account without its server: at once, verified, and as of when it was followed."""

import json
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest

import solekey
from solekey import Offline
from solekey.account.session import Session
from solekey.cli import offline as cli_offline
from solekey.connection.contact import verify_connects
from solekey.errors import InsecureServerError, OfflineError, ProfileError, UnreachableError
from tests.support.client.fake_parts import problem

COMMANDS = [("status",), ("devices", "list"), ("rotate", "status")]
each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture
def away(home):
    """A laptop that has followed its account, and whose server does not answer any more."""
    home.sessions["laptop"].sync()
    stop(home)
    return home


def stop(home):
    def refuse(request):
        raise httpx.ConnectError("no route to host")

    home.server.before = refuse
    home.server.requests.clear()


def open_session(home, offline=Offline.IF_NEEDED, name="laptop"):
    return home.stack.enter_context(Session.open(home.folder / name, home.runtime, offline=offline))


@each_command
def test_it_is_answered_at_once_and_says_as_of_when(away, run_cli, command):
    before, synced = away.server.now, away.server.now
    away.server.now += timedelta(hours=3)
    code, out, said = run_cli("laptop", *command)
    assert code == 0
    assert out
    assert "does not answer" not in said or "again" not in said  # nothing is retried
    assert "As of 20" in said
    assert away.server.now - before == timedelta(hours=3)  # nobody slept
    assert len(away.server.requests) == 1
    code, out, said = run_cli("laptop", *command, "--json")
    assert code == 0
    as_of = datetime.fromisoformat(json.loads(out)["as_of"])
    assert timedelta(0) <= synced - as_of < timedelta(seconds=11)


@each_command
def test_offline_asks_nobody(home, run_cli, command):
    home.sessions["laptop"].sync()
    home.server.requests.clear()
    code, out, _ = run_cli("laptop", *command, "--offline", "--json")
    assert (code, home.server.requests) == (0, [])
    assert json.loads(out)["as_of"] is not None


@each_command
def test_the_same_is_shown_with_the_server_but_that_it_is_of_now(home, run_cli, command):
    _, online, said = run_cli("laptop", *command, "--json")
    shown = json.loads(online)
    assert shown["as_of"] is None
    stop(home)
    _, kept, _ = run_cli("laptop", *command, "--json")
    kept = json.loads(kept)
    for document in (shown, kept):
        del document["as_of"]
        for device in document.get("devices", []):
            device["server_says"].pop("last_seen")  # the server's word, of now
    assert kept == shown
    assert said == ""


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_not_ready_does_not_answer(home, status):
    home.sessions["laptop"].sync()
    home.server.tamper = lambda *_: problem(status, "unavailable")
    assert open_session(home).as_of is not None


def test_control_a_server_that_refuses_answers(home):
    home.server.tamper = lambda request, response: (
        problem(404, "not_found") if request.url.path.endswith("health") else response
    )
    session = open_session(home)
    session.sync()
    assert session.as_of is None


def test_somebody_else_who_answers_is_no_reason_to_go_on(home):
    def impostor(request):
        refusal = ssl.SSLCertVerificationError("certificate verify failed")
        refusal.verify_code, refusal.reason = 20, "no issuer"
        raise httpx.ConnectError("x") from refusal

    home.server.before = impostor
    with pytest.raises(InsecureServerError):
        open_session(home)
    assert open_session(home, Offline.ALWAYS).as_of is not None


def test_what_needs_the_server_says_so_and_asks_nobody(away):
    session = open_session(away)
    away.server.requests.clear()
    with pytest.raises(OfflineError, match="this needs the server, and the server did not answer"):
        session.log_out()
    assert away.server.requests == []


def test_without_the_setting_the_server_is_needed(away):
    with pytest.raises(UnreachableError):
        open_session(away, Offline.NEVER).sync()


def test_a_device_that_has_followed_nothing_shows_nothing(away, run_cli):
    (away.folder / "laptop" / "synced.json").unlink()
    code, out, said = run_cli("laptop", "status")
    assert (code, out) == (8, "")
    assert "[offline]" in said


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"vault": 3}', b'{"vault": "2026-11-28"}'])
def test_times_that_are_damaged_are_no_times(away, damage):
    (away.folder / "laptop" / "synced.json").write_bytes(damage)
    with pytest.raises(OfflineError):
        open_session(away).sync()


def test_a_copy_that_was_cut_is_damage_and_no_older_state(away, run_cli):
    copy = away.folder / "laptop" / "streams" / "vault.jsonl"
    lines = copy.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(ProfileError, match="vault: "):
        open_session(away).sync()
    code, _, _ = run_cli("laptop", "status")
    assert code == 1


def test_a_session_that_has_ended_hides_nothing_that_was_verified(away, run_cli):
    (away.folder / "laptop" / "session.json").unlink()
    for command in COMMANDS:
        code, out, _ = run_cli("laptop", *command)
        assert code == 0
        assert out


def test_control_with_the_server_it_has_to_log_in(home, run_cli):
    (home.folder / "laptop" / "session.json").unlink()
    code, _, said = run_cli("laptop", "status")
    assert code == 3
    assert "[not_logged_in]" in said


def test_devices_keep_the_names_that_were_verified(home, run_cli):
    home.add_device("phone")
    run_cli("laptop", "devices", "list")
    stop(home)
    _, out, _ = run_cli("laptop", "devices", "list", "--json")
    assert [device["name"] for device in json.loads(out)["devices"]] == ["laptop", "phone"]
    assert [device["status"] for device in json.loads(out)["devices"]] == ["trusted", "trusted"]


def test_an_app_is_told(away):
    with solekey.open(away.folder / "laptop", offline="if_needed", runtime=away.runtime) as account:
        account.sync()
        assert account.as_of is not None
        assert len(account.devices.list()) == 1
    with solekey.open(away.folder / "laptop", offline="always", runtime=away.runtime) as account:
        assert account.as_of <= away.server.now
    with pytest.raises(ValueError, match="sometimes"):
        solekey.open(away.folder / "laptop", offline="sometimes", runtime=away.runtime)


def test_a_clock_that_was_ahead_is_put_right(home):
    session = home.sessions["laptop"]
    home.server.now += timedelta(days=400)
    session.sync()
    home.server.now -= timedelta(days=400)
    session.sync()
    stop(home)
    assert open_session(home).as_of <= home.server.now


def test_events_are_exported_at_once(away, run_cli, tmp_path):
    before = away.server.now
    code, _, said = run_cli("laptop", "events", "export", "--output", tmp_path / "events")
    assert code == 0
    assert "what this device has verified before" in said
    assert away.server.now == before


def test_a_port_where_nobody_listens_is_told_at_once():
    with pytest.raises(UnreachableError, match="refused"):
        verify_connects("https://127.0.0.1:1")


def test_a_time_is_described_with_its_zone():
    described = cli_offline.describe_time(datetime(2026, 11, 28, 10, 41, tzinfo=UTC))
    assert described.startswith("2026-11-")
    assert len(described) > len("2026-11-28 10:41 ")
