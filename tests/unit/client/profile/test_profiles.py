"""Profiles have names; advice repeats them; short names, suggestions and completion spare typing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from solekey import Runtime, cli
from solekey.account.session import Session
from solekey.cli.profile_names import repeat_profile
from tests.support.client.fake_server import ORIGIN
from tests.support.client.world import PASSWORD, USERNAME

USAGE = 2
LOG_IN = (
    "login",
    "--server",
    ORIGIN,
    "--username",
    USERNAME,
    "--password",
    PASSWORD,
    "--device-name",
    "work pc",
)


@pytest.fixture
def named(home, run_cli, tmp_path, monkeypatch, capsys):
    """Run commands of a person whose profiles have names, in a folder of their own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_name_is_a_folder_under_the_data_folder(home, named, tmp_path):
    code, out, said = named("--profile", "work", *LOG_IN, "--code", home.server.code())
    assert code == 0, said
    assert (tmp_path / "data" / "solekey" / "work" / "profile.json").exists()
    assert not list(Path.cwd().iterdir())
    assert named("--profile", "work", "status")[0] == 0
    assert named("status", "--profile", "work")[0] == 0
    assert named("--profile", "work2", "status")[0] == 3
    assert "solekey --profile work devices trust" in out


def test_what_has_a_slash_is_a_path(home, named):
    code, _, said = named("--profile", "./work", *LOG_IN, "--code", home.server.code())
    assert code == 0, said
    assert Path("work/profile.json").exists()


@pytest.mark.parametrize("name", ["a b", ".", "..", "-x", "x" * 65])
def test_other_names_are_refused(named, name):
    code, _, said = named("--profile", name, "status")
    assert code == USAGE, said


def test_profiles_are_listed(home, named):
    assert "No profile" in named("profiles")[1]
    named("--profile", "work", *LOG_IN, "--code", home.server.code())
    _, out, _ = named("--json", "--profile", "work", "profiles")
    (row,) = json.loads(out)["profiles"]
    assert (row["profile"], row["username"], row["device_name"]) == ("work", USERNAME, "work pc")
    assert row["chosen"]
    assert row["logged_in"]
    assert USERNAME in named("profiles")[1]


def test_errors_repeat_the_profile(named):
    code, _, said = named("--profile", "work", "list")
    assert code == 3
    assert "solekey --profile work login" in said
    assert "solekey login" in named("list")[2]


def test_only_commands_are_completed_with_the_profile():
    said = "Run `solekey login`; solekey is at solekey.example. Or: solekey user-key store file:x"
    assert repeat_profile(said, "a b") == (
        "Run `solekey --profile 'a b' login`; solekey is at solekey.example. "
        "Or: solekey --profile 'a b' user-key store file:x"
    )
    assert repeat_profile(said, None) == said


def test_short_names(home, run_cli):
    home.unlock("laptop").put("note", "x")
    key = ("--user-key", home.phrase)
    assert "note" in run_cli("laptop", "ls", *key)[1]
    assert run_cli("laptop", "rm", "note", *key)[0] == 0
    assert "note" not in run_cli("laptop", "ls", *key)[1]


@pytest.mark.parametrize(
    ("typed", "meant"), [(("lst",), "list"), (("signin",), "signup"), (("devices", "revok"), "revoke")]
)
def test_a_mistyped_command_is_answered_with_what_was_meant(named, typed, meant):
    code, _, said = named(*typed)
    assert code == USAGE
    assert "Did you mean" in said
    assert meant in said


def test_login_and_status_say_until_when(home, run_cli):
    code, out, _ = run_cli("phone", *LOG_IN, "--code", home.server.code())
    assert code == 0
    assert "Logged in until " in out
    code, out, _ = run_cli("phone", "status")
    assert (code, "until " in out) == (0, True)
    assert json.loads(run_cli("phone", "status", "--json")[1])["session_ends_at"].startswith(
        "2026-11-24T00:00"
    )


def test_a_wait_says_what_it_waits_for(home):
    told = []

    def refuse(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        raise httpx.ConnectError("nobody")

    home.server.tamper = refuse
    made = Runtime(now=lambda: home.server.now, sleep=home.server.sleep, http=home.server, notice=told.append)
    with (
        Session.open(home.folder / "laptop", made) as session,
        pytest.raises(Exception, match="did not answer"),
    ):
        session.sync()
    assert len(told) == 1


def complete(words: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [Path(sys.executable).parent / "solekey"],
        env={
            **os.environ,
            **environment,
            "_SOLEKEY_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion(tmp_path):
    (tmp_path / "solekey" / "work").mkdir(parents=True)
    (tmp_path / "solekey" / "work" / "profile.json").write_text("{}")
    assert complete("solekey dev") == ["devices"]
    assert complete("solekey --profile w", XDG_DATA_HOME=str(tmp_path)) == ["work"]
    assert not any(complete("solekey devices revoke ", XDG_DATA_HOME=str(tmp_path)))  # nobody is logged in


def test_names_are_completed(home, run_cli):
    import click

    from solekey.cli import solekey
    from solekey.cli.name_completion import complete_devices

    home.log_in("phone")
    from solekey.cli.state import Cli

    state = Cli(profile=home.folder / "laptop")
    context = click.Context(solekey, obj=state)
    items = complete_devices(context, solekey.params[0], "ph")
    assert [item.value for item in items] == ["phone"]
    assert complete_devices(context, solekey.params[0], "nobody") == []


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/solekey"),
        ("zsh", ".local/share/zsh/site-functions/_solekey"),
        ("fish", ".config/fish/completions/solekey.fish"),
    ],
)
def test_completion_is_installed(named, tmp_path, shell, place):
    code, out, said = named("completion", "install", "--shell", shell)
    assert code == 0, said
    path = tmp_path / "home" / place
    assert str(path) in out
    assert "_SOLEKEY_COMPLETE" in path.read_text()
    assert named("completion", "show", "--shell", shell)[1].strip() == path.read_text().strip()
