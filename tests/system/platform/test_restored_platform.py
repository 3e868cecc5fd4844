"""The real platform, restored from an older copy of itself, before a client that has seen more."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow


def run_command(person: LibraryUser, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SOLEKEY_")}
    environment |= {"SOLEKEY_PROFILE": str(person.folder / "laptop"), "SOLEKEY_USER_KEY": person.phrase}
    program = [sys.executable, "-c", "from solekey.cli import main; main()", *arguments]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


def test_a_platform_restored_from_an_older_copy_is_a_rollback_on_every_command(tmp_path: Path) -> None:
    platform = PlatformProcess(tmp_path / "data")
    platform.start()
    copy = tmp_path / "copy"
    try:
        person = LibraryUser(platform, tmp_path / "home")
        person.sign_up().close()
        platform.stop()
        shutil.copytree(platform.folder, copy)
        platform.start()
        assert run_command(person, "put", "--name", "notes", "--text", "x").returncode == 0
        assert [path for path in platform.folder.rglob("*") if path.stat().st_mode & 0o077] == []
        platform.stop()
        shutil.rmtree(platform.folder)
        copy.rename(platform.folder)
        platform.start()
        for command in (("list",), ("get", "notes"), ("put", "--name", "y", "--text", "z"), ("status",)):
            done = run_command(person, *command)
            assert done.returncode == 6, done.stderr
            assert "[rollback_detected]" in done.stderr
            assert "ry again" not in done.stderr
    finally:
        platform.stop()
    evidence = json.loads((person.folder / "laptop" / "rollback-evidence.json").read_bytes())
    assert evidence["stream"] == "vault"
    assert json.loads(evidence["last_record"])["seq"] == evidence["pinned"]["seq"]
