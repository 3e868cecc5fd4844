"""A full account, against the real platform: it takes no more, and its data key changes all the same."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import solekey
from solekey.errors import QuotaExceededError
from solekey.testing import Platform

pytestmark = pytest.mark.slow


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


def allow_no_more(platform: Platform) -> None:
    """Set the limits of every account to what it has, as the operator's command ``quota`` does."""
    assert platform.server.ca_file is not None
    database = Path(platform.server.ca_file).parent.parent / "vault.db"
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute("UPDATE account_usage SET max_bytes = bytes, max_objects = objects")


def test_the_data_key_of_a_full_account_changes(platform: Platform, tmp_path: Path) -> None:
    """Small items: their change lists are large beside them. A second change finds it full anew."""
    user = platform.sign_up(tmp_path / "laptop")
    contents = {f"item {number}": os.urandom(64) for number in range(120)}
    with solekey.open(tmp_path / "laptop", key=user.make_key(), on_step_up=user.make_code) as account:
        account.items.put_many(contents)
        for epoch in (2, 3):
            allow_no_more(platform)
            with pytest.raises(QuotaExceededError):
                account.items.put("one more", bytes(100_000))
            account.keys.change_data_key()
            status = account.keys.status()
            assert (status.epoch, status.open_rotation) == (epoch, None)
            assert {
                info.name: account.items.get(info.id).content for info in account.items.list()
            } == contents
        with pytest.raises(QuotaExceededError):  # it is over: the room was the rotation's
            account.items.put("one more", bytes(100_000))
