"""The drill: an embedded platform is backed up while it runs, lost, and restored; what its users then see."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.people.command_user import CommandUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow

ROLLBACK = 6  # exit code, as `solekey --help` says


def operate(platform: PlatformProcess, *command: str | Path) -> str:
    """Run a command of the platform's operator, demand success, and return what it says."""
    program = [sys.executable, "-m", "solekey_standalone", "--data-dir", str(platform.folder)]
    done = subprocess.run(
        [*program, *map(str, command)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refuse_without_its_write_ahead_log(lost: Path, torn: Path) -> str:
    """Start a copy of a killed platform that lacks what one database had not moved from its log yet."""
    shutil.copytree(lost, torn)
    (torn / "devices.db-wal").unlink()
    program = [sys.executable, "-m", "solekey_standalone", "--data-dir", str(torn), "--listen", "localhost:1"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_a_platform_is_restored_and_says_so(tmp_path: Path) -> None:
    platform = PlatformProcess(tmp_path / "data")
    platform.start()
    try:
        ada = CommandUser("ada", tmp_path, SimpleNamespace(origin=platform.url, ca_file=platform.ca))
        ada.sign_up("laptop")
        ada.do("laptop", "put", "--name", "note", "--text", "kept")
        ada.log_in("phone")
        ada.do("phone", "devices", "trust")
        assert "made; as of" in operate(platform, "backup", tmp_path / "backup")
        ada.do("laptop", "put", "--name", "later", "--text", "lost")
        before = ada.phrase
        ada.do(
            "laptop",
            "devices",
            "revoke",
            "phone",
            "--yes",
            "--accept-risk",
            "--new-user-key",
            ada.new_phrase(),
        )
        platform.kill()
        lost = platform.folder.rename(tmp_path / "lost")
        assert "solekey.devices.v1 holds" in refuse_without_its_write_ahead_log(lost, tmp_path / "torn")
        assert "whole; as of" in operate(platform, "verify-backup", tmp_path / "backup")
        told = operate(platform, "restore", tmp_path / "backup", "--newer", lost)
        assert "ended 2 sessions" in told
        assert "barred 1 devices" in told
        platform.start()

        ada.phrase = before
        refused = ada.log_in("laptop")
        assert refused.exit_code == ROLLBACK, refused.errors
        assert "declares that its operator restored it" in refused.errors
        revoked = ada.log_in("phone")
        assert revoked.error_code() == "device_revoked"
        assert ada.log_in("tablet").exit_code == 0
        ada.do("tablet", "devices", "trust")
        assert ada.do("tablet", "get", "note")["text"] == "kept"
        ada.do("tablet", "put", "--name", "later", "--text", "again")
    finally:
        platform.stop()
    (evidence,) = [json.loads(path.read_bytes()) for path in (tmp_path / "laptop").glob("*-evidence.json")]
    (declared,) = evidence["declared"]
    assert declared["as_of"] < declared["at"]
