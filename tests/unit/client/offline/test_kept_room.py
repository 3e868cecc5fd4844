"""What is kept has a limit, and a disk that may be full: what was kept stays, the oldest copy goes first."""

import pytest

import solekey
from solekey.errors import DiskFullError, ItemMissingError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.kept_store import KeptStore
from solekey_protocol.ids import compute_digest
from tests.unit.client.offline.kept import open_account, parts_of
from tests.unit.client.offline.test_offline_streams import stop


def test_no_longer_kept_is_deleted(kept):
    account = open_account(kept, offline="always")
    before = parts_of(kept)
    account.kept.remove("notes")
    assert parts_of(kept) < before
    with pytest.raises(ItemMissingError, match="not kept"):
        account.kept.remove("notes")


def test_a_full_disk_keeps_what_was_kept(home, monkeypatch):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.items.put("more", "of it")
    account.kept.keep("notes")
    before = parts_of(home)

    def full(*_):
        raise DiskFullError("full")

    monkeypatch.setattr("solekey.offline.keeping.verify_room", full)
    with pytest.raises(DiskFullError):
        account.kept.keep("more")
    monkeypatch.undo()
    assert parts_of(home) == before
    assert [item.name for item in account.kept.list()] == ["notes"]
    monkeypatch.setattr(KeptStore, "keep", full)
    with pytest.raises(DiskFullError):
        account.kept.keep("more")
    assert [item.name for item in account.kept.list()] == ["notes"]


def test_a_full_disk_keeps_nobody_from_reading(home, monkeypatch):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.limit_cache(1_000_000)
    account.close()

    def full(self, name, data):
        raise DiskFullError("full")

    again = open_account(home)
    monkeypatch.setattr(PrivateFolder, "write", full)
    assert again.items.get("notes").content == b"hello"
    monkeypatch.undo()


def test_outdated_wraps_do_not_stay_on_a_full_disk(home, monkeypatch):
    path = home.folder / "laptop" / "wraps.cbor"
    with home.sessions["laptop"].unlock(home.key()) as vault:
        assert path.exists()

        def full(self, name, data):
            raise DiskFullError("full")

        with monkeypatch.context() as filled:
            filled.setattr(PrivateFolder, "write", full)
            home.sessions["laptop"].kept.wraps.erase()
        assert not path.exists()
        vault.put("notes", "hello")


def test_what_was_read_is_kept_within_the_limit_and_the_oldest_goes_first(tmp_path):
    import os

    store = KeptStore(PrivateFolder(tmp_path))
    parts = [bytes([number]) * 100 for number in range(5)]
    digests = [compute_digest(part) for part in parts]
    for number, (digest, part) in enumerate(zip(digests, parts, strict=True)):
        store.cache(digest, part, 300)
        os.utime(tmp_path / "kept" / "cache" / digest, (1000 + number, 1000 + number))
    assert [store.has(digest) for digest in digests] == [False, False, True, True, True]
    assert store.read(digests[2]) == parts[2]  # read now: it is the newest
    store.cache(digests[0], parts[0], 300)
    assert [store.has(digest) for digest in digests] == [True, False, True, False, True]
    store.cache(digests[1], parts[1], 99)  # does not fit at all
    assert not store.has(digests[1])
    store.shrink_cache(0)
    assert not any(store.has(digest) for digest in digests)


def test_a_cached_item_is_read_without_the_server(home):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.limit_cache(10_000_000)
    account.close()
    open_account(home).items.get("notes")
    stop(home)
    assert open_account(home, offline="always").items.get("notes").content == b"hello"
    limited = solekey.open(home.folder / "laptop", runtime=home.runtime)
    limited.kept.limit_cache(0)
    assert not list((home.folder / "laptop" / "kept" / "cache").glob("*"))
    with pytest.raises(ValueError, match="0 bytes or more"):
        limited.kept.limit_cache(-1)
