"""What may be a password, and that it is not shown: any characters, any length, every character counts."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from solekey.crypto import (
    LoginIdentity,
    UntrustedKdfParameters,
    accept_kdf_parameters,
    derive_login_key,
)
from tests.support.platform_process import PlatformProcess
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow  # each derivation takes 64 MiB and a third of a second

FLOOR = {"algorithm": "argon2id", "iterations": 3, "lanes": 4, "memory_kib": 65536, "salt": "5a" * 16}
SOLEKEY = Path(sys.executable).with_name("solekey")


def derive(password: str) -> str:
    parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(FLOOR))
    with derive_login_key(password, parameters, LoginIdentity("https://solekey.example", "ana")) as key:
        return key.public_key


@pytest.mark.parametrize(
    "password",
    [
        "x" * 64,
        "x" * 10_000,
        "🔑" * 64,
        "only words and spaces",
        "1234567890" * 7,
        "\t\x01 \u202e",
        "pässwörd",
    ],
    ids=["64", "10,000", "emoji", "words", "digits", "odd", "umlauts"],
)
def test_any_characters_and_any_length_are_taken(password: str) -> None:
    assert len(derive(password)) == 64


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 10_000 + "a", "x" * 10_000 + "b"),  # the end counts, however far away
        ("Secret", "secret"),
        (" secret", "secret"),
        ("secret ", "secret"),
        ("secret\n", "secret"),
        ("sec\x00ret", "sec"),
    ],
)
def test_every_character_counts(one: str, other: str) -> None:
    assert derive(one) != derive(other)
    assert derive(one) == derive(one)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    platform = PlatformProcess(tmp_path_factory.mktemp("platform") / "data")
    platform.start()
    yield platform
    platform.stop()


def test_a_password_is_not_shown_while_it_is_typed(platform: PlatformProcess, tmp_path: Path) -> None:
    """On a real terminal. The positive control: the user name before it is shown."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SOLEKEY_PROFILE": str(tmp_path / "p")}
    command = (SOLEKEY, "login", "--server", platform.url, "--ca", str(platform.ca))
    with Terminal(*command, folder=tmp_path, environment=environment) as terminal:
        terminal.expect("User name: ")
        terminal.type("ada@example.org")
        terminal.expect("Password: ")
        terminal.type("a secret of hers")
        terminal.expect("Authenticator code: ")
    assert "ada@example.org" in terminal.said
    assert "a secret of hers" not in terminal.said
