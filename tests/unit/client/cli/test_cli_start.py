"""What is imported before a command asks its first question decides how soon it asks.

The time itself is measured by `make bench-crypto`; what costs it is counted here, so that it cannot creep in.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"httpx", "rich", "segno", "reportlab", "jsonschema", "cryptography", "mnemonic", "pyotp"}

# Runs `solekey` with somebody at the keyboard, and ends at the first question.
PROGRAM = """
import importlib, json, sys
import click

def stop(text, **kind):
    print(json.dumps({"asked": text, "modules": sorted(sys.modules)}))
    raise SystemExit(0)

planted, *arguments = sys.argv[1:]
if planted:
    importlib.import_module(planted)
click.prompt = stop
sys.stdin.isatty = lambda: True
from solekey.cli import run
sys.exit(run(arguments))
"""


def find_heavy(profile: Path, *arguments: str, planted: str = "") -> tuple[str, set[str]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SOLEKEY_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, planted, *arguments],
        env={**environment, "SOLEKEY_PROFILE": str(profile)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return document["asked"], HEAVY & set(document["modules"])


@pytest.fixture
def logged_in(tmp_path: Path) -> Path:
    """A profile by its looks; no command reads more of it before it asks."""
    for name in ("profile.json", "session.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize("command", ["signup", "login"])
def test_the_first_question_of_a_new_device_comes_before_heavy_imports(tmp_path, command):
    asked, heavy = find_heavy(tmp_path / "none", command)
    assert asked.startswith("Server")
    assert not heavy


@pytest.mark.parametrize(
    ("command", "question"),
    [
        (("login",), "Password"),
        (("put", __file__), "User key"),
        (("get", "notes"), "User key"),
        (("list",), "User key"),
        (("remove", "notes"), "User key"),
        (("user-key", "check"), "User key"),
        (("devices", "trust"), "User key"),
        (("devices", "approve"), "Code that the new device shows"),
        (("devices", "revoke", "phone"), "User key"),
        (("rotate", "user-key"), "User key"),
        (("rotate", "data-key"), "User key"),
        (("rotate", "resume"), "User key"),
        (("password", "change"), "Present password"),
    ],
)
def test_the_first_question_of_a_known_device_comes_before_heavy_imports(logged_in, command, question):
    asked, heavy = find_heavy(logged_in, *command)
    assert asked.startswith(question)
    assert not heavy


@pytest.mark.parametrize("module", sorted(HEAVY))
def test_a_heavy_import_would_be_seen(tmp_path, module):
    assert module in find_heavy(tmp_path / "none", "signup", planted=module)[1]


def test_nobody_is_asked_for_a_key_that_could_not_be_used(tmp_path, logged_in):
    from solekey.cli import run

    (logged_in / "session.json").unlink()
    for profile in (tmp_path / "none", logged_in):
        assert run(["--profile", str(profile), "list"]) == 3
