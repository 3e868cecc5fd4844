"""What every command owes whoever calls it: an answer at once, in the asked form, whole, and in words."""

import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest

from solekey import cli
from tests.support.client.fake_factors import TOTP_SECRET
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

USAGE = 2
LOG_IN = ("login", "--server", ORIGIN, "--username", USERNAME)


@pytest.fixture
def ada(home, run_cli):
    return lambda *arguments: run_cli("laptop", *arguments)


def test_a_dash_is_standard_output(home, ada, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home.unlock("laptop").put("note", "under the pot")
    key = ("--user-key", home.phrase)
    for arguments in (("get", "note", "-o", "-"), ("get", "note", "--range", "0-4", "-o", "-")):
        code, out, _ = ada(*arguments, *key)
        assert (code, "under" in out) == (0, True)
    code, out, _ = ada("events", "export", "-o", "-")
    assert (code, out.startswith("{")) == (0, True)
    code, out, _ = ada("factors", "recovery-codes", "-o", "-", "--code", home.server.code())
    assert (code, len(out.split())) == (0, 10)
    assert not Path("-").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("recovery", "kit", "-o", "-"),
        ("recovery", "combine", "-o", "-"),
        ("rotate", "user-key", "--kit", "-"),
        ("signup", "--totp-qr", "-"),
        ("audit", "export", "log.jsonl", "-"),
    ],
)
def test_a_dash_makes_no_file_of_that_name(ada, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code = cli.run(list(arguments))
    assert code == USAGE
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("arguments", "means"),
    [
        (("--code", "abc"), "six digits"),
        (("--code", "1234567"), "six digits"),
        (("--code", "auto"), "six digits"),
        (("--totp-secret", "not base32!"), "letters and digits"),
        (("--recovery-code", "abc"), "ten letters"),
        (("--username", "a b", "--code", "123456"), "3 to 64"),
        (("--username", "x" * 65, "--code", "123456"), "3 to 64"),
    ],
)
def test_what_cannot_be_right_is_not_sent(home, run_cli, arguments, means):
    before = len([path for _, path in home.server.requests if path.endswith("/sessions")])
    code, _, said = run_cli("phone", *LOG_IN, "--password", PASSWORD, *arguments)
    assert (code, means in said) == (USAGE, True), said
    assert len([path for _, path in home.server.requests if path.endswith("/sessions")]) == before


def test_a_wrong_password_is_refused_at_once_and_spends_no_code(home, run_cli):
    """It used to try three codes, 30 seconds apart."""
    begun = home.server.now
    tried = len(home.server.requests)
    code, _, said = run_cli("phone", *LOG_IN, "--password", "a wrong one", "--totp-secret", TOTP_SECRET)
    assert (code, "login_refused" in said) == (4, True)
    assert (home.server.now - begun).total_seconds() < 1
    assert not [path for _, path in home.server.requests[tried:] if path.endswith("/auth/sessions")]


def test_a_code_that_was_used_is_followed_by_the_next_one(home, run_cli):
    """The control of the test above: the right password is worth waiting for a code."""
    home.log_in("tablet")  # takes the present code
    code, _, said = run_cli("phone", *LOG_IN, "--password", PASSWORD, "--totp-secret", TOTP_SECRET)
    assert code == 0, said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "get"),
        ("get", "--json"),
        ("--json", "lst"),
        ("--json", "list", "--user-key", "@nofile"),
        ("--json", "--no-such-option"),
        ("put", "--json", "a", "--text", "b"),
        ("devices", "--json"),
        ("audit", "verify", "--json"),
        ("--json", "audit", "export", "nofile", "out"),
        ("recovery", "split", "-k", "3", "-n", "2", "--json"),
    ],
)
def test_every_error_is_json_where_json_was_asked_for(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOLEKEY_PROFILE", str(tmp_path / "none"))
    assert cli.run(list(arguments)) != 0
    (line,) = capsys.readouterr().err.splitlines()
    error = json.loads(line)["error"]
    assert {"code", "message", "next"} <= set(error)


def test_a_usage_error_is_words_where_they_were_asked_for(capsys):
    assert cli.run(["get"]) == USAGE
    assert capsys.readouterr().err.startswith("Usage: solekey get")


def make_log(home, tmp_path) -> Path:
    log = tmp_path / "log.jsonl"
    events = [event.raw for events in home.account.events.values() for event in events]
    log.write_bytes(b"".join(raw + b"\n" for raw in events))
    return log


def audit_own_copies(*arguments):
    """What a user exports is not the whole log, and here nobody vouches for it."""
    with pytest.raises(SystemExit) as ended:
        cli.run(list(arguments))
    assert ended.value.code == 2


def test_an_audit_takes_the_options_of_every_command(home, tmp_path, capsys):
    log = str(make_log(home, tmp_path))
    for arguments in (("audit", "verify", log, "--json"), ("--json", "audit", "verify", log)):
        audit_own_copies(*arguments)
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["verdict"] == "cannot_tell"
    audit_own_copies("-q", "audit", "verify", log)
    audit_own_copies("audit", "verify", log, "-q")
    assert all(not line.startswith("1 account") for line in capsys.readouterr().out.splitlines())


def test_an_audit_counts_in_words(home, tmp_path, capsys):
    audit_own_copies("audit", "verify", str(make_log(home, tmp_path)))
    said = capsys.readouterr().out
    assert "1 account\n" in said
    assert not re.search(r"\b1 \w+s\b", said)


@pytest.mark.parametrize("columns", [80, 60])
def test_tables_cut_no_date_id_or_key(home, ada, columns, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    home.log_in("phone")
    for arguments in (("sessions", "list"), ("status",), ("factors", "list"), ("rotate", "status")):
        code, out, said = ada(*arguments)
        assert code == 0, said
        assert "…" not in out
        assert "None" not in out
        assert "[]" not in out
    _, out, _ = ada("sessions", "list")
    assert "2026-11-23" in "".join(out.split("\n"))
    key = home.sessions["laptop"].streams.devices.account_key
    code, out, _ = ada("status")
    assert key in "".join(out.split())


def test_a_sign_up_that_goes_on_shows_its_secret_again(world, run_cli):
    arguments = (
        "signup",
        "--server",
        ORIGIN,
        "--username",
        USERNAME,
        "--password",
        PASSWORD,
        "--accept-risk",
    )
    world.server.before = lambda request: die() if request.url.path.endswith("/statements") else None

    def die():
        raise click.Abort

    code, _, _ = run_cli("laptop", *arguments, "--code", "auto", "--json")
    assert code == 130
    world.server.be_honest()
    code, out, said = run_cli("laptop", *arguments, "--code", "auto", "--json")
    assert code == 0, said
    assert json.loads(out.splitlines()[-1])["totp"]["secret"] == TOTP_SECRET
    kept = [path.read_bytes() for path in (world.folder / "laptop").rglob("*") if path.is_file()]
    assert not [data for data in kept if TOTP_SECRET.encode() in data]


def test_a_sign_up_that_nobody_could_finish_registers_nothing(world, run_cli):
    code, _, said = run_cli("laptop", "signup", "--server", ORIGIN, "--username", USERNAME, "--code", "auto")
    assert (code, "--accept-risk" in said) == (USAGE, True)
    assert not world.server.requests


def test_no_sentence_of_a_docstring_is_cut_off():
    """Comments that a tool has broken: a line that ends much too early, in the middle of a sentence."""
    sources = Path(cli.__file__).parents[1]
    broken = []
    for path in sources.rglob("*.py"):
        head = path.read_text(encoding="utf-8").split('"""')[1].splitlines()
        broken += [
            f"{path.name}: {line}"
            for line, after in pairwise(head)
            if line
            and after
            and len(line) < 40
            and line[-1].isalpha()
            and after[0].islower()
            and "·" not in line
        ]
    assert not broken
