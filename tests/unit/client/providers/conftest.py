"""Places that keep keys, each for one test, and the command line against a fake server."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keyring
import pytest

from tests.support.client.places import Answers, MemoryKeyring
from tests.support.client.world import World


@dataclass(frozen=True)
class Said:
    """What a command has said: its exit code, its last document, and standard error."""

    code: int
    document: dict[str, Any]
    err: str

    @property
    def error(self) -> str:
        return self.document["error"]["code"]


@pytest.fixture
def person() -> Answers:
    return Answers()


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.core._keyring_backend
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.core._keyring_backend = before


@pytest.fixture
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB and three passes are for people; test_spec_examples and one test here pay them."""
    from solekey.crypto import login_key

    real: Callable[..., object] = login_key.Argon2id

    def quick(**parameters: object) -> object:
        return real(**{**parameters, "iterations": 1, "lanes": 1, "memory_cost": 64})

    monkeypatch.setattr(login_key, "Argon2id", quick)


@pytest.fixture
def run_cli(
    home: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick_argon2: None,
) -> Callable[..., Said]:
    """Run a command in this process, on the laptop unless another device is named."""
    from solekey import cli
    from solekey.cli import opening
    from solekey.cli.input.answers import ask_person

    monkeypatch.setattr(opening, "make_runtime", lambda _: replace(home.runtime, ask=ask_person))
    for name in [name for name in os.environ if name.startswith("SOLEKEY_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, device: str = "laptop") -> Said:
        profile = ("--profile", str(home.folder / device), "--json")
        code = cli.run([*(str(each) for each in arguments), *profile])
        said = capsys.readouterr()
        last = (said.out or said.err).strip().splitlines()[-1:]
        return Said(code, json.loads(last[0]) if last and last[0].startswith("{") else {}, said.err)

    return run
