"""Places that keep keys, each for one test."""

from collections.abc import Callable, Iterator

import keyring
import pytest
from providers.places import MemoryKeyring, Person


@pytest.fixture
def person() -> Person:
    return Person()


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
    from solekey.providers import key_file

    real: Callable[..., object] = key_file.Argon2id

    def quick(**parameters: object) -> object:
        return real(**{**parameters, "iterations": 1, "lanes": 1, "memory_cost": 64})

    monkeypatch.setattr(key_file, "Argon2id", quick)
