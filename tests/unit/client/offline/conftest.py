"""Devices that go on without their server."""

import pytest

from tests.support.client.world import build_world
from tests.unit.client.offline.kept import open_account
from tests.unit.client.offline.test_offline_streams import stop


@pytest.fixture(scope="session")
def first_laptop(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("laptop"), first_home) as home:
        home.add_device("phone")
        account = open_account(home)
        account.items.put("notes", "first")
        account.items.put("other", "untouched")
        account.kept.keep("notes")
    return home


@pytest.fixture
def laptop(home, first_laptop):
    """A laptop and a phone; the laptop has unlocked its account once, and its server is away."""
    home.move_in(first_laptop)
    stop(home)
    return home


@pytest.fixture(scope="session")
def first_kept(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("kept"), first_home) as home:
        account = open_account(home)
        account.items.put("notes", "hello", tags=("a",))
        account.items.put("other", "world")
        account.items.put("large", b"x" * 9_000_000)
        account.kept.keep("notes")
        account.kept.keep("large")
    return home


@pytest.fixture
def kept(home, first_kept):
    """A laptop that keeps ``notes``, has ``other`` too, and whose server does not answer any more."""
    home.move_in(first_kept)
    stop(home)
    return home
