"""The generated pages are what the commands say, and every command keeps the common promises."""

import json
import re
import subprocess
import sys

import click
import pytest

from solekey.cli import run, solekey
from tests.support.repository import ROOT
from tests.support.scripts import load_script

DOCS = ROOT / "docs"


def test_the_reference_is_what_the_commands_say():
    generator = load_script(DOCS / "generate_cli_reference.py")
    assert generator.PAGE.read_text(encoding="utf-8") == generator.render(), (
        "run docs/generate_cli_reference.py"
    )


def iter_commands(group, context, path=()):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from iter_commands(command, context, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = {" ".join(path): command for path, command in iter_commands(solekey, click.Context(solekey))}


@pytest.mark.parametrize("path", [path for path in COMMANDS if not path.startswith("audit export")])
def test_every_command_has_json_output(path):
    assert "--json" in {option for parameter in COMMANDS[path].params for option in parameter.opts}


@pytest.mark.parametrize("path", COMMANDS)
def test_every_secret_has_an_environment_variable(path):
    for parameter in COMMANDS[path].params:
        if parameter.name in {"password", "code", "totp_secret", "user_key", "new_user_key"}:
            assert parameter.envvar == f"SOLEKEY_{parameter.name.upper()}"


def test_no_summary_of_a_command_is_cut_off():
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    lists = re.findall(r"^Commands:\n((?:  .*\n|\n)+)", page, re.MULTILINE)
    assert len(lists) >= 10
    assert [line for found in lists for line in found.splitlines() if line.endswith("...")] == []


def test_help_needs_no_heavy_import():
    program = (
        "import sys; sys.argv = ['solekey', '--help']\n"
        "from solekey.cli import run\n"
        "run(['user-key', '--help'])\n"
        "heavy = {'httpx', 'cryptography', 'rich', 'mnemonic', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_error_is_words_for_people_and_a_document_for_scripts(tmp_path, capfd):
    arguments = ["--profile", str(tmp_path / "none"), "status"]
    assert run(arguments) == 3
    assert "signup`" in capfd.readouterr().err
    assert run([*arguments, "--json"]) == 3
    document = json.loads(capfd.readouterr().err)
    assert document["error"]["code"] == "profile_missing"


def test_a_secret_comes_from_a_flag_a_file_the_environment_or_stdin(home, tmp_path, monkeypatch, capfd):
    import io

    from solekey.account import session as session_module

    real = session_module.Session.open.__func__
    monkeypatch.setattr(
        session_module.Session,
        "open",
        classmethod(lambda cls, profile, *_surroundings, **_more: real(cls, profile, home.runtime)),
    )
    arguments = ["--profile", str(home.folder / "laptop"), "--json", "list"]
    kept = tmp_path / "words"
    kept.write_text(home.phrase + "\n")
    assert run([*arguments, "--user-key", home.phrase]) == 0
    assert run([*arguments, "--user-key", f"@{kept}"]) == 0
    stdin = io.TextIOWrapper(io.BytesIO(home.phrase.encode() + b"\nnext line"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run([*arguments, "--user-key", "-"]) == 0
    assert run(arguments) == 2  # nothing given, nobody to ask
    monkeypatch.setenv("SOLEKEY_USER_KEY", home.phrase)
    assert run(arguments) == 0
    monkeypatch.setenv("SOLEKEY_USER_KEY", "zebra " * 24)
    assert run(arguments) == 5
    capfd.readouterr()


def test_a_password_that_begins_with_a_sign_is_taken_from_the_environment_as_it_is(monkeypatch):
    from solekey.cli.input.answers import password_option

    taken: list[str] = []
    command = password_option(click.Command("x", callback=lambda password: taken.append(password)))
    monkeypatch.setenv("SOLEKEY_PASSWORD", "@home")
    command.main([], standalone_mode=False)
    assert taken == ["@home"]
