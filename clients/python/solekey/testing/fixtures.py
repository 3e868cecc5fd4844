"""Fixtures for pytest: ``pytest_plugins = ["solekey.testing.fixtures"]`` in a conftest.py."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from solekey.api.account import Account
from solekey.api.opening import open as open_account
from solekey.testing.platform import Platform


@pytest.fixture(scope="session")
def solekey_platform() -> Iterator[Platform]:
    """The platform, started once for all tests; each test takes user names of its own."""
    with Platform() as platform:
        yield platform


@pytest.fixture
def solekey_account(solekey_platform: Platform, tmp_path: Path) -> Iterator[Account]:
    """A new user's account, unlocked, with its profile in the test's own folder."""
    profile = tmp_path / "profile"
    user = solekey_platform.sign_up(profile, username=f"{token_hex(8)}@example.org")
    with (
        user.make_key() as key,
        open_account(profile, key=key, on_step_up=user.make_code) as account,
    ):
        yield account
