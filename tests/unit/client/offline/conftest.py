"""Devices that go on without their server."""

import pytest

from tests.unit.client.offline.kept import open_account
from tests.unit.client.offline.test_offline_streams import stop


@pytest.fixture
def laptop(home):
    """A laptop and a phone; the laptop has unlocked its account once, and its server is away."""
    home.add_device("phone")
    account = open_account(home)
    account.items.put("notes", "first")
    account.items.put("other", "untouched")
    account.kept.keep("notes")
    account.close()
    stop(home)
    return home


@pytest.fixture
def kept(home):
    """A laptop that keeps ``notes``, has ``other`` too, and whose server does not answer any more."""
    account = open_account(home)
    account.items.put("notes", "hello", tags=("a",))
    account.items.put("other", "world")
    account.items.put("large", b"x" * 9_000_000)
    account.kept.keep("notes")
    account.kept.keep("large")
    account.close()
    stop(home)
    return home
