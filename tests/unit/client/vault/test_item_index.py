"""The sealed index: spares work, is believed in nothing, and opens only while the account is unlocked."""

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from solekey.audit import find_leaks
from solekey.crypto import DataKey
from solekey.crypto.index_key import IndexKey
from solekey.errors import ChangeListError, DiskFullError, OpenError, WipedSecretError
from solekey.rotation.rotation import rekey_data
from solekey.vault import directory
from solekey.vault.index import commit_follower, index_file, index_keeping
from solekey.vault.index.item_index import INDEX_FILE
from solekey_protocol.events import Stream
from tests.unit.client.vault.index_files import NAME, TAG, end, index_path, open_database, read_names, reopen

CONTENTS = {NAME: b"1", "c": b"333", "d": b"4444"}


def count_fetched(home, run):
    """Run something; returns how many change lists and beginnings of items were asked for."""
    home.server.requests.clear()
    result = run()
    asked = [request for request in home.server.requests if "objects" in str(request)]
    return result, len(asked)


def test_a_new_session_fetches_nothing_but_the_content(full):
    end(full)
    vault, fetched = count_fetched(full, lambda: reopen(full))
    assert fetched == 0
    assert count_fetched(full, vault.list)[1] == 0
    assert count_fetched(full, lambda: vault.get("c").content) == (b"333", 1)


def test_a_new_device_writes_each_row_once_with_what_it_is_called(home, monkeypatch):
    home.unlock("laptop").put_many({f"item {number}": "x" for number in range(20)})
    home.add_device("phone")
    written, real = [], index_file.IndexFile.seal
    monkeypatch.setattr(
        index_file.IndexFile, "seal", lambda file, row: written.append(row) or real(file, row)
    )
    vault, fetched = count_fetched(home, lambda: reopen(home, "phone"))
    assert (fetched, written) == (0, [])  # it waits for the first look
    assert len(vault.list()) == len(written) == 20
    assert all(row.metadata for row in written)


def test_the_first_list_is_that_of_every_later_one_and_opens_no_row_again(home, monkeypatch):
    vault = home.unlock("laptop")
    vault.put_many({f"item {number}": "x" * number for number in range(20)})
    vault.put("item 3", "edited", tags=(TAG,))
    vault.remove("item 4")
    home.add_device("phone")
    phone = reopen(home, "phone")
    with monkeypatch.context() as patched:
        patched.setattr(index_file, "parse_index_row", None)  # whoever opens a row fails
        first = phone.list()
    assert [(info, info.size) for info in first] == [(info, info.size) for info in phone.list()]
    end(home, "phone")
    assert [(info, info.size) for info in first] == [(i, i.size) for i in reopen(home, "phone").list()]
    assert [info.name for info in first] == sorted(f"item {n}" for n in range(20) if n != 4)


@pytest.mark.parametrize("at_once", [1, 4, 2048])
def test_a_first_list_from_a_snapshot_describes_no_row_again(home, monkeypatch, at_once):
    """What the snapshot states is written first, then opened in groups, and listed as it was opened."""
    vault = home.unlock("laptop")
    vault.put_many({f"item {number}": "x" * number for number in range(9)})
    vault.put("item 3", "edited", tags=(TAG,))
    vault.unlocked.committer.commit_snapshot()
    vault.put("item 5", "edited after it")
    home.add_device("phone")
    phone = reopen(home, "phone")
    monkeypatch.setattr(directory, "_OPENED_AT_ONCE", at_once)
    with monkeypatch.context() as patched:
        patched.setattr(directory.Directory, "describe", None)  # whoever describes a row fails
        first = phone.list()
    assert [(info, info.size) for info in first] == [(info, info.size) for info in phone.list()]
    assert [info.name for info in first] == [f"item {number}" for number in range(9)]
    assert [info.size for info in first if info.name == "item 5"] == [len("edited after it")]


def test_the_first_list_notices_a_row_that_was_put_back_or_taken_out(home, monkeypatch):
    home.unlock("laptop").put_many({f"item {number}": "x" for number in range(20)})
    home.add_device("phone")
    phone, real = reopen(home, "phone"), index_file.IndexFile.read_all
    lost, folded = [], phone.unlocked.index.folded

    def lose_one(file, *arguments):
        if not lost:
            with closing(sqlite3.connect(index_path(home, "phone"))) as database, database:
                lost.append(database.execute("SELECT min(id) FROM items").fetchone())
                database.execute("DELETE FROM items WHERE id = ?", lost[0])
        return real(file, *arguments)

    monkeypatch.setattr(index_file.IndexFile, "read_all", lose_one)
    assert len(phone.list()) == 20
    assert lost
    assert phone.unlocked.index.folded == folded + 1  # it was dropped, and folded anew


@pytest.mark.parametrize("at_once", [1, 4000])
def test_what_comes_before_a_lost_change_list_is_followed(home, monkeypatch, at_once):
    """While a group of commits is opened and written, the lists of the next are read."""
    monkeypatch.setattr(commit_follower, "_CHANGES_AT_ONCE", at_once)
    vault = home.unlock("laptop")
    for name in "abcd":
        vault.put(name, name)
    lists = [event.body.changes for event in home.account.events[Stream.VAULT][-4:]]
    home.add_device("phone")
    kept = home.account.objects.pop(lists[2])
    phone = reopen(home, "phone")
    with pytest.raises(ChangeListError, match="commit 3"):
        phone.list()
    assert phone.unlocked.index._file.read_head().commit == 2
    home.account.objects[lists[2]] = kept
    assert [info.name for info in phone.list()] == list("abcd")


def test_a_new_device_that_looks_for_one_item_by_its_id_opens_no_other(home):
    vault = home.unlock("laptop")
    vault.put_many({f"item {number}": "x" for number in range(20)})
    wanted = vault.find("item 7").id
    home.add_device("phone")
    phone = reopen(home, "phone")
    assert phone.get(wanted).content == b"x"
    assert len(phone.unlocked.index.find_unopened()) == 19
    assert len(phone.list()) == 20


def test_what_was_edited_again_is_opened_in_its_last_version(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    vault.put("a", "2", tags=("new",))
    vault.put("b", "1")
    vault.remove("b")
    home.add_device("phone")
    assert [(info.name, info.tags, info.version) for info in reopen(home, "phone").list()] == [
        ("a", ("new",), 2)
    ]


def test_what_other_devices_changed_is_followed(full):
    full.add_device("phone")
    phone = reopen(full, "phone")
    assert read_names(phone) == CONTENTS
    laptop = full.unlock("laptop")
    laptop.put("c", "3+")
    laptop.put("e", "5")
    laptop.remove("d")
    assert read_names(phone) == {NAME: b"1", "c": b"3+", "e": b"5"}
    heads = [replace(vault.unlocked.index.head, total=0) for vault in (phone, laptop)]
    assert heads[0] == heads[1]


def test_two_programs_of_a_profile_share_the_file(full):
    first, second = full.unlock("laptop"), reopen(full)
    second.put("e", "5")
    first.put("f", "6")
    rekey_data(second)
    assert read_names(first) == read_names(second) == {**CONTENTS, "e": b"5", "f": b"6"}
    first.put("g", "7")
    assert second.get("g").content == b"7"


def test_nothing_in_the_file_opens_without_the_key(full):
    end(full)
    names = {"name": NAME.encode(), "tag": TAG.encode(), "type": b"text/plain"}
    assert find_leaks(names, [("index", index_path(full).read_bytes())]) == []
    assert index_path(full).stat().st_mode & 0o077 == 0


def test_positive_control_a_file_that_is_not_sealed_is_found(full, monkeypatch):
    monkeypatch.setattr(IndexKey, "seal", lambda _, plaintext, __: bytes(12) + plaintext + os.urandom(16))
    monkeypatch.setattr(IndexKey, "open", lambda _, sealed, __: sealed[12:-16])
    with full.reopen_without_index("laptop").unlock(full.key()) as vault:
        vault.list()
    data = b"".join(path.read_bytes() for path in index_path(full).parent.glob(f"{INDEX_FILE}*"))
    assert find_leaks({"name": NAME.encode()}, [("index", data)])


def test_a_rekey_makes_the_old_key_useless(full):
    vault = full.unlock("laptop")
    old = vault.unlocked.keyring.data_key(1)
    old = DataKey(1, bytes(old.expose()))
    before = index_path(full)
    assert opens(before, vault.unlocked.account, old)
    rekey_data(vault)
    assert {change.epoch for change in vault.unlocked.index.items.values()} == {2}
    assert not opens(before, vault.unlocked.account, old)
    account = vault.unlocked.account
    end(full)
    assert not opens(before, account, old)
    assert not (before.with_name(f"{INDEX_FILE}-wal")).exists()


def read_raw(home):
    """The bytes of the file, and of what SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in index_path(home).parent.glob(f"{INDEX_FILE}*"))


def test_no_row_of_the_old_key_is_left_in_the_bytes_of_the_file(full):
    """While the program still runs, too: neither in free pages nor in the write-ahead log."""
    vault = full.unlock("laptop")
    with open_database(index_path(full)) as database:
        rows = database.execute("SELECT name, sealed FROM items").fetchall()
    old = [part for row in rows for part in row if part is not None]
    assert [part in read_raw(full) for part in old] == [True] * len(old)
    rekey_data(vault)
    assert [part in read_raw(full) for part in old] == [False] * len(old)


def test_what_was_opened_of_an_older_version_is_not_kept(full):
    vault = full.unlock("laptop")
    index = vault.unlocked.index
    item = vault.find("c").id
    before = index.get(item).change
    vault.put("c", "new", tags=("new",))
    now = index.get(item)
    for change, expected in ((before, ("new",)), (now.change, (TAG,))):  # the second is the control
        of_another = index.get(vault.find(NAME).id).open_metadata()
        index.note_opened([(change, of_another, None)])
        assert index.get(item).open_metadata().tags == expected


def opens(path, account, data_key):
    """Whether any row of a file opens under a data key, whatever the file says of its key."""
    with open_database(path) as database:
        (salt,) = database.execute("SELECT salt FROM state").fetchone()
        rows = database.execute("SELECT id, name, epoch, content_in, sealed FROM items").fetchall()
    key = IndexKey(data_key, account, salt, os.urandom)
    for raw, name, epoch, content_in, sealed in rows:
        try:
            key.open(sealed, index_file._place_row(raw, name, epoch, content_in))
        except OpenError:
            continue
        return True
    return False


def test_a_locked_account_shows_no_names(home):
    with home.sessions["laptop"].unlock(home.key()) as vault:
        vault.put("notes", "hello")
    for use in (vault.list, lambda: vault.find("notes"), lambda: vault.unlocked.directory.list()):
        with pytest.raises(WipedSecretError):
            use()
    with pytest.raises(WipedSecretError):
        vault.unlocked.index._file.key.derive_name_tag("notes")


def test_on_a_full_disk_the_index_is_followed_in_memory(full, monkeypatch):
    vault = full.unlock("laptop")
    database = vault.unlocked.index._file._connection
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with monkeypatch.context() as filled:
        filled.setattr(index_keeping, "verify_writable", refuse_to_write)
        vault.put_many({f"more {number}": "x" * 50 for number in range(200)})
        assert len(vault.list()) == 203  # what was acknowledged is listed
        assert read_names(vault).items() >= CONTENTS.items()
    with open_database(index_path(full)) as file:
        assert file.execute("SELECT count(*) FROM items").fetchone() == (4,)  # nothing is half written
    vault.refresh()  # the file can be written again: nothing limits a new connection
    assert len(vault.list()) == 203
    with open_database(index_path(full)) as file:
        assert file.execute("SELECT count(*) FROM items WHERE name IS NOT NULL").fetchone() == (203,)


def test_on_a_full_disk_a_rekey_leaves_no_file_of_the_old_key(full, monkeypatch):
    vault = full.unlock("laptop")
    monkeypatch.setattr(index_keeping, "verify_writable", refuse_to_write)
    monkeypatch.setattr(
        index_file.IndexFile, "_transaction", refuse_to_begin(index_file.IndexFile._transaction)
    )
    rekey_data(vault)
    assert not index_path(full).exists()
    assert read_names(vault) == CONTENTS
    monkeypatch.undo()
    assert read_names(vault) == CONTENTS
    end(full)
    assert read_names(reopen(full)) == CONTENTS
    assert index_path(full).exists()


def refuse_to_write(folder, size):
    raise DiskFullError("full")


def refuse_to_begin(real):
    @contextmanager
    def begin(file, kind):
        if not file.is_in_memory and kind == "IMMEDIATE":
            raise DiskFullError("full")
        with real(file, kind):
            yield

    return begin


def test_an_account_whose_newest_key_does_not_open_keeps_nothing(full):
    end(full)
    before = index_path(full).read_bytes()
    damage_wraps(full)
    with full.reopen("laptop").unlock(full.key(), repairing=True) as vault:
        assert len(vault.unlocked.index.items) == 3
        assert vault.unlocked.index._file._path is None
    assert index_path(full).read_bytes() == before


def damage_wraps(home):
    for digest, wrap in home.account.wraps.items():
        home.account.wraps[digest] = wrap[:-1] + bytes([wrap[-1] ^ 1])
