"""Copies of streams on a full disk: followed in memory, never taken for saved, saved with room."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from solekey.errors import DiskFullError, RollbackError
from solekey.files.private_folder import PrivateFolder
from solekey.profile.pins import load_pin
from solekey.streams import copies
from solekey.streams.sync_times import read_sync_times
from solekey_protocol.events import Stream


def refuse(*_, **__):
    raise DiskFullError("full")


@pytest.fixture
def folder(home):
    return PrivateFolder(home.folder / "laptop")


@pytest.fixture
def session(home):
    """A laptop that has followed everything, and is behind by an item of the phone's."""
    home.add_device("phone")
    session = home.reopen("laptop")
    session.sync()
    home.unlock("phone").put("news", "x")
    return session


@pytest.mark.parametrize("what", ["append", "write"])
def test_what_is_behind_is_not_noted_as_followed(home, folder, session, monkeypatch, what):
    before = read_sync_times(folder)
    pin = load_pin(folder, Stream.VAULT)
    home.server.now += timedelta(hours=1)
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, what, refuse)
        session.sync()
        assert session.streams.head(Stream.VAULT).seq > pin.seq
        assert load_pin(folder, Stream.VAULT) == pin
        assert read_sync_times(folder) == before
    session.sync()
    assert load_pin(folder, Stream.VAULT) == session.streams.head(Stream.VAULT)
    assert set(read_sync_times(folder).values()) == {home.server.now}


def test_who_is_behind_takes_up_what_another_program_has_saved(home, folder, session, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, "append", refuse)
        session.sync()
    home.reopen("laptop").sync()
    stored = (folder.path / "streams" / "vault.jsonl").read_bytes()
    session.sync()
    assert (folder.path / "streams" / "vault.jsonl").read_bytes() == stored


def test_no_pin_goes_back_behind_another_program_s(home, folder, session):
    home.reopen("laptop").streams.sync_one(Stream.VAULT)
    newest = load_pin(folder, Stream.VAULT)
    home.add_device("tablet")
    session.streams.sync_one(Stream.DEVICES)
    assert load_pin(folder, Stream.VAULT) == newest


def test_what_another_program_kept_and_did_not_pin_is_pinned(home, folder, session, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(copies, "save_pins", refuse)
        home.reopen("laptop").sync()
    session.sync()
    assert load_pin(folder, Stream.VAULT).seq == len(home.account.events[Stream.VAULT])


def test_without_room_for_a_lock_nothing_is_cut(home, folder, session, monkeypatch):
    name = "streams/vault.jsonl"
    session.sync()
    folder.append(name, b'{"half')
    half = folder.read(name)
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, "lock", refuse_lock)
        home.reopen("laptop").sync()  # another program may be writing just now
        assert folder.read(name) == half
    home.reopen("laptop").sync()
    assert folder.read(name) == half.removesuffix(b'{"half')


@contextmanager
def refuse_lock(*_):
    refuse()
    yield


def test_nothing_is_signed_without_room_to_pin_it(home, session, monkeypatch):
    vault = home.unlock("laptop")
    shown = len(home.account.events[Stream.VAULT])
    home.server.requests.clear()
    with monkeypatch.context() as full:
        full.setattr(copies, "verify_writable", refuse)
        with pytest.raises(DiskFullError):
            vault.put("mine", "y")
    assert len(home.account.events[Stream.VAULT]) == shown
    assert not [path for method, path in home.server.requests if method == "PUT" or path.endswith("/objects")]


def test_what_is_acknowledged_and_not_pinned_is_no_success_and_not_lost(home, folder, session, monkeypatch):
    vault = home.unlock("laptop")
    with monkeypatch.context() as full:
        full.setattr(copies, "save_pins", refuse)  # the room was taken by others meanwhile
        with pytest.raises(DiskFullError):
            vault.put("mine", "y")
    with home.reopen("laptop").unlock(home.key()) as again:
        assert again.get("mine").content == b"y"
    assert load_pin(folder, Stream.VAULT).seq == len(home.account.events[Stream.VAULT])


def test_a_rollback_is_refused_where_its_evidence_has_no_room(home, folder, session, monkeypatch):
    session.sync()
    home.account.events[Stream.VAULT].pop()
    with monkeypatch.context() as full:
        full.setattr(PrivateFolder, "write", refuse)
        with pytest.raises(RollbackError):
            session.sync()
    assert folder.read("rollback-evidence.json") is None
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()
    assert folder.read("rollback-evidence.json") is not None
