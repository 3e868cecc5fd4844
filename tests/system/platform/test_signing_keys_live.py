"""Signing keys are turned and withdrawn beside the running platform, with the operator's own command."""

import subprocess
import sys
import time

import pytest

from solekey_protocol.events import Stream
from tests.support.people.library_user import LibraryUser
from tests.support.platform_process import PlatformProcess

pytestmark = pytest.mark.slow

DEADLINE_S = 30


@pytest.fixture
def platform(tmp_path):
    process = PlatformProcess(tmp_path / "server")
    process.start()
    yield process
    process.stop()


def operate(platform, *arguments):
    """Run auth's command on the data folder of an embedded platform; a list of keys."""
    done = operate_on(platform, "auth", *arguments)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def operate_on(platform, service, *arguments):
    """Run an operator's command on one service of an embedded platform."""
    command = [sys.executable, "-m", "solekey_standalone", "--data-dir", platform.folder, service, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_inbox_is_rebuilt_only_while_the_platform_stands_still(platform, tmp_path):
    with LibraryUser(platform, tmp_path / "ana").sign_up() as session:
        session.sync()
        assert operate_on(platform, "vault", "parked").returncode == 0
        refused = operate_on(platform, "vault", "rebuild")
        assert (refused.returncode, "the vault service is running" in refused.stderr) == (1, True)
        platform.stop()
        for command in (("vault", "rebuild"), ("vault", "rebuild-items"), ("rotation", "rebuild-key-ages")):
            done = operate_on(platform, *command)
            assert (done.returncode, done.stdout.startswith("rebuilt the ")) == (0, True), done.stderr
        platform.start()
        session.sync()


def test_a_command_for_no_platform_or_no_service_says_so(platform, tmp_path):
    none = operate_on(platform, "mail", "parked")
    assert (none.returncode, "mail: no such service; expected auth, devices" in none.stderr) == (2, True)
    command = [
        sys.executable,
        "-m",
        "solekey_standalone",
        "--data-dir",
        tmp_path / "empty",
        "vault",
        "parked",
    ]
    empty = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (empty.returncode, "no platform has run here" in empty.stderr) == (2, True)
    assert not (tmp_path / "empty").exists()


def test_a_withdrawal_refuses_old_tokens_and_clients_go_on(platform, tmp_path):
    with LibraryUser(platform, tmp_path / "ana").sign_up() as session:
        (first,) = operate(platform, "signing-keys")
        assert first[-1] == "signs"
        stolen = session.connection.tokens
        session.sync()
        assert (
            session.connection.tokens is stolen
        )  # positive control: good for minutes, so nothing to refresh
        keys = operate(platform, "rotate-signing-key", "--withdraw", first[0])
        assert sorted(key[-1] for key in keys) == ["signs", "withdrawn"]
        deadline = time.monotonic() + DEADLINE_S
        while (
            session.connection.tokens is stolen
        ):  # until it was refused; the client notices, its user does not
            session.sync()
            assert time.monotonic() < deadline
        session.sync()
        assert all(session.connection.tokens.access[each] != stolen.access[each] for each in Stream)
