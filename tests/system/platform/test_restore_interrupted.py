"""A restoration that is killed between its steps: there is no platform yet, and it is done again."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from solekey_protocol.services import Service
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow

KILLED_AT = """
import os, signal, sys
from pathlib import Path
from solekey_standalone import backup, backup_command

where, left = sys.argv.pop(1), int(sys.argv.pop(1))

def dying(real):
    def run(*arguments, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*arguments, **named)
    return run

if where == "copy":
    backup._copy_file = dying(backup._copy_file)
elif where == "rename":
    Path.rename = dying(Path.rename)
else:
    backup_command.run_command_on = dying(backup_command.run_command_on)
from solekey_standalone.__main__ import main
sys.exit(main())
"""
STEPS = len(Service) + 1  # each service declares it, then auth withdraws


def restore(target: Path, backup: Path, *kill: str) -> int:
    program = (
        [sys.executable, "-c", KILLED_AT, *kill] if kill else [sys.executable, "-m", "solekey_standalone"]
    )
    done = subprocess.run(
        [*program, "--data-dir", str(target), "restore", str(backup)],
        capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def read_declared(folder: Path, service: Service) -> int:
    with closing(sqlite3.connect(folder / f"{service}.db")) as database:
        query = "SELECT count(*) FROM foundations WHERE name LIKE 'restored:%'"
        return int(database.execute(query).fetchone()[0])


def test_it_is_killed_between_its_steps_and_done_again(platform: PlatformProcess, tmp_path: Path) -> None:
    backup, target = tmp_path / "backup", tmp_path / "restored"
    program = [sys.executable, "-m", "solekey_standalone", "--data-dir", str(platform.folder)]
    subprocess.run([*program, "backup", str(backup)], capture_output=True, check=True, timeout=120)
    for kill in (("copy", "2"), ("command", str(STEPS - 1)), ("rename", "1")):
        assert restore(target, backup, *kill) == -signal.SIGKILL, kill
        assert not target.exists(), kill
    assert (tmp_path / "restored.restoring" / "auth.db").exists()  # control: it had come so far
    assert restore(target, backup) == 0
    assert {read_declared(target, service) for service in Service} == {1}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("restored.")] == []
