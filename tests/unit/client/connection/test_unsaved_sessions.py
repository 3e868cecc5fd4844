"""A session whose new tokens cannot be saved: it goes on in memory, and is saved once there is room."""

from dataclasses import replace
from datetime import timedelta

import pytest

from solekey.account.session import Session
from solekey.errors import DiskFullError, SessionEndedError
from solekey.files.private_folder import PrivateFolder


def refuse(*_, **__):
    raise DiskFullError("full")


@pytest.fixture
def notices():
    return []


@pytest.fixture
def laptop(home, notices):
    runtime = replace(home.runtime, notice=notices.append)
    return home.stack.enter_context(Session.open(home.folder / "laptop", runtime))


def refresh(home, session):
    home.server.now += timedelta(minutes=6)
    session.sync()


def test_on_a_full_disk_the_file_is_overwritten_where_it_lies(home, laptop, notices, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, "write", refuse)
        refresh(home, laptop)
        refresh(home, laptop)
        refresh(home, home.reopen("laptop"))
    assert not any("log in" in notice for notice in notices)


def test_a_file_system_that_takes_room_for_that_too_keeps_it_in_memory(home, laptop, notices, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, "write", refuse)
        full.setattr(PrivateFolder, "overwrite", refuse)
        refresh(home, laptop)
        refresh(home, laptop)
        assert sum("log in" in notice for notice in notices) == 2
    refresh(home, laptop)
    refresh(home, home.reopen("laptop"))


def test_control_a_refresh_token_is_good_once(home, laptop, monkeypatch):
    stored = (home.folder / "laptop" / "session.json").read_bytes()
    refresh(home, laptop)
    (home.folder / "laptop" / "session.json").write_bytes(stored)
    with pytest.raises(SessionEndedError):
        refresh(home, home.reopen("laptop"))


def test_without_room_for_a_lock_it_is_refreshed_all_the_same(home, laptop, monkeypatch):
    monkeypatch.setattr("solekey.files.private_folder.hold_lock", refuse)
    refresh(home, laptop)
