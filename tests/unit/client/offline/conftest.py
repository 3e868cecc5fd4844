"""Devices that go on without their server."""

import pytest

from tests.unit.client.offline.test_kept_items import open_account
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
