"""The drill: an embedded platform is backed up while it runs, lost, and restored; what its users then see."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import solekey
from solekey.account.enrolment import trust_device
from solekey.errors import RollbackError
from tests.support.people.command_user import CommandUser
from tests.support.people.library_user import LibraryUser
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


def begin(bob: LibraryUser) -> None:
    """An account of two devices, with an item that both keep."""
    with bob.sign_up() as session:
        bob.make_recovery_codes(session)
    with bob.log_in("phone") as session:
        trust_device(session, bob.key())
    put(bob, "laptop", "note", b"first")
    with solekey.open(bob.folder / "phone", key=bob.key()) as account:
        account.kept.keep("note")


def go_on(bob: LibraryUser) -> None:
    """More work of both devices, which the backup lacks."""
    put(bob, "laptop", "note", b"second")
    put(bob, "laptop", "later", b"acknowledged")
    put(bob, "phone", "mine", b"phone's")


def put(bob: LibraryUser, device: str, name: str, content: bytes) -> None:
    with solekey.open(bob.folder / device, key=bob.key()) as account:
        account.items.put(name, content)
        account.kept.keep(name)


def accept_on_both(bob: LibraryUser) -> dict[str, bytes]:
    """Log in, which is refused, accept the restoration, send again what is held: on one device, then another.

    Returns:
        What the second one reads.
    """
    for device in ("laptop", "phone"):
        with pytest.raises(RollbackError, match="declares that its operator restored it"):
            bob.log_in(device)
        assert solekey.accept_restoration(bob.folder / device, key=bob.key(), agree=lambda _: True)
        with solekey.open(bob.folder / device, key=bob.key()) as account:
            found = {info.name: account.items.get(info.name).content for info in account.items.list()}
            assert len(account.queue) == 0
    return found


def test_a_platform_is_restored_and_says_so(tmp_path: Path) -> None:
    platform = PlatformProcess(tmp_path / "data")
    platform.start()
    try:
        ada = CommandUser("ada", tmp_path, SimpleNamespace(origin=platform.url, ca_file=platform.ca))
        ada.sign_up("laptop")
        ada.make_recovery_codes("laptop")
        ada.do("laptop", "put", "--name", "note", "--text", "kept")
        ada.log_in("phone")
        ada.do("phone", "devices", "trust")
        bob = LibraryUser(platform, tmp_path / "bob")
        begin(bob)
        assert "made; as of" in operate(platform, "backup", tmp_path / "backup")
        go_on(bob)
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
        assert "ended 4 sessions" in told
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
        refused = ada.try_("laptop", "accept-restoration", "--yes")
        assert refused.error_code() == "restoration_refused"  # it has seen the phone revoked
        assert accept_on_both(bob) == {"note": b"second", "later": b"acknowledged", "mine": b"phone's"}

        platform.kill()  # restored once more: the log of now knows nothing of the phone
        again = platform.folder.rename(tmp_path / "again")
        assert "barred 0 devices" in operate(platform, "restore", tmp_path / "backup", "--newer", again)
        with closing(sqlite3.connect(platform.folder / "auth.db")) as database:
            assert database.execute("SELECT count(*) FROM barred_devices").fetchone() == (1,)
    finally:
        platform.stop()
    (evidence,) = [json.loads(path.read_bytes()) for path in (tmp_path / "laptop").glob("*-evidence.json")]
    (declared,) = evidence["declared"]
    assert declared["as_of"] < declared["at"]
