"""Kits and shares of a fixed key; the client's worlds and the platform, as tests/client makes them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from client.conftest import World, home, platform, world  # noqa: F401  # fixtures

from solekey.crypto import UserKey
from solekey.recovery import RecoveryKit
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Timestamp, compute_digest
from solekey_protocol.statements import Head

ACCOUNT = AccountId.from_raw(bytes(range(16)))
KEY_BYTES = bytes(range(100, 132))


@pytest.fixture
def user_key() -> UserKey:
    return UserKey(KEY_BYTES)


@pytest.fixture
def kit(user_key: UserKey) -> RecoveryKit:
    return RecoveryKit(
        account=ACCOUNT,
        key_id=user_key.derive_key_id(ACCOUNT),
        server="https://solekey.example",
        username="ada.lovelace@example.org",
        created=Timestamp("2026-11-23T21:36:07.123Z"),
        heads={
            stream: Head(seq, compute_digest(stream.encode()))
            for stream, seq in zip(Stream, (41, 7, 12, 1234), strict=True)
        },
    )


@pytest.fixture
def program() -> Callable[[str], str]:
    """Find a program of the machine; where CI requires the real ones, a missing one is a failure."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            reason = f"{name} is missing: apt-get install zbar-tools poppler-utils"
            if os.environ.get("SOLEKEY_REQUIRE_REAL") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find


@pytest.fixture
def run_cli(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: F811
    """Run a command in this process, against the fake server: (exit code, stdout, stderr)."""
    from solekey import cli, runtime
    from solekey.account import enrolment, moving, session, sign_up

    for module in (enrolment, moving, session, sign_up, runtime):
        monkeypatch.setattr(module, "Runtime", lambda **_: world.runtime)
    for name in [name for name in os.environ if name.startswith("SOLEKEY_")]:
        monkeypatch.delenv(name)

    def run(device: str, *arguments: str | Path) -> tuple[int, str, str]:
        command = [*(str(each) for each in arguments), "--profile", str(world.folder / device)]
        code = cli.run(command)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
