"""Signing keys are turned and withdrawn beside the running platform, with the operator's own command."""

import os
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
    """Run the operator's command on the data folder of an embedded platform; a list of keys."""
    folder = platform.folder
    settings = {
        "SOLEKEY_DATABASE_URL": f"sqlite:///{folder}/auth.db",
        "SOLEKEY_BUS_URL": f"embedded://{folder}/bus.db",
        "SOLEKEY_ORIGIN": platform.url,
        "SOLEKEY_OPERATOR_KEY_FILE": f"{folder}/operator/operator_key",
        "SOLEKEY_SIGNING_KEY_FILE": f"{folder}/operator/signing_key",
    }
    command = [sys.executable, "-m", "solekey_auth", *arguments]
    others = {name: value for name, value in os.environ.items() if not name.startswith("SOLEKEY_")}
    done = subprocess.run(command, env=others | settings, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


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
