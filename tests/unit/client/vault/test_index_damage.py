"""The sealed index is believed in nothing: damaged, swapped, put back, or of another history or key."""

import os

import pytest

from solekey.rotation.rotation import rekey_data
from solekey.vault.index import index_file, index_writer, item_index
from solekey_protocol.ids import AccountId
from tests.unit.client.vault.index_files import NAME, end, index_path, open_database, read_names, reopen
from tests.unit.client.vault.test_item_index import CONTENTS


def damage_with(change):
    def damage(home):
        path = index_path(home)
        with open_database(path) as database:
            change(database)

    return damage


def cut(home):
    path = index_path(home)
    path.write_bytes(path.read_bytes()[:5000])


def overwrite(home):
    path = index_path(home)
    data = bytearray(path.read_bytes())
    data[4096:12288] = os.urandom(8192)
    path.write_bytes(data)


DAMAGES = {
    "gone": lambda home: index_path(home).unlink(),
    "empty": lambda home: index_path(home).write_bytes(b""),
    "cut": cut,
    "overwritten": overwrite,
    "no database": lambda home: index_path(home).write_bytes(b"{}" * 4000),
    "no tables": damage_with(lambda database: database.execute("DROP TABLE items")),
    "no key": damage_with(lambda database: database.execute("DELETE FROM state")),
    "another commitment": damage_with(
        lambda database: database.execute("UPDATE state SET commitment = ?", (bytes(32),))
    ),
    "another head": damage_with(lambda database: database.execute("UPDATE state SET head = ?", (bytes(99),))),
    "another format": damage_with(lambda database: database.execute("PRAGMA user_version = 9")),
    "a row is gone": damage_with(
        lambda database: database.execute("DELETE FROM items WHERE rowid = (SELECT max(rowid) FROM items)")
    ),
    "rows are swapped": damage_with(
        lambda database: database.execute("UPDATE items SET sealed = (SELECT max(sealed) FROM items)")
    ),
    "all are called removed": damage_with(lambda database: database.execute("UPDATE items SET epoch = 0")),
    "all have lost their names": damage_with(
        lambda database: database.execute("UPDATE items SET name = NULL")
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_made_anew(full, kind):
    end(full)
    DAMAGES[kind](full)
    vault = reopen(full)
    assert read_names(vault) == CONTENTS
    assert vault.put("c", "again").version == 2


SWAPS = {  # what changes places; the tags still add up, and as many rows are there
    "the ids of two items": "id",
    "the rows of two items": "sealed",
    "the names of two items": "name",
    "the epoch of one": "epoch",
    "the commit of its content": "content_in",
}


def swap(home, column):
    columns = ("id", "name", "epoch", "content_in", "sealed")
    at = columns.index(column)
    with open_database(index_path(home)) as database:
        rows = database.execute("SELECT id, name, epoch, content_in, sealed FROM items ORDER BY content_in")
        first, second = (list(row) for row in rows.fetchall())
        if column in {"epoch", "content_in"}:
            first[at] = 0
        else:
            first[at], second[at] = second[at], first[at]
        database.execute("DELETE FROM items")
        database.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", (first, second))


def find_whether_noticed(home, column):
    """Look for one item by its name, which reads no other row; whether the file was made anew."""
    vault = home.unlock("laptop")
    vault.put("c", "333")
    vault.put("d", "4444")
    home.stack.close()
    swap(home, column)
    vault = reopen(home)
    assert vault.get("c").content == b"333"
    return vault.unlocked.index.folded == 1


@pytest.mark.parametrize("kind", SWAPS)
def test_what_stands_beside_a_row_is_bound_to_it(home, kind):
    assert find_whether_noticed(home, SWAPS[kind])


PLACES = {  # a place that lacks one of its parts
    "epoch": lambda raw, name, _, content_in: raw + bytes([content_in]) + (name or b""),
    "content_in": lambda raw, name, epoch, _: raw + bytes([epoch]) + (name or b""),
}


@pytest.mark.parametrize("column", PLACES)
def test_without_the_place_what_stands_beside_a_row_is_believed(home, monkeypatch, column):
    """The positive control of the test above."""
    monkeypatch.setattr(index_file, "_place_row", PLACES[column])
    assert not find_whether_noticed(home, column)


def test_a_row_that_was_put_back_is_noticed(full):
    with open_database(index_path(full)) as database:
        old = database.execute("SELECT id, name, epoch, content_in, sealed FROM items").fetchall()
    full.unlock("laptop").put("c", "new")
    end(full)
    with open_database(index_path(full)) as database:
        database.executemany(
            "UPDATE items SET name = ?2, epoch = ?3, content_in = ?4, sealed = ?5 WHERE id = ?1", old
        )
    assert read_names(reopen(full)) == {**CONTENTS, "c": b"new"}


def test_without_the_sum_a_row_that_was_put_back_is_believed(full, monkeypatch):
    """The positive control of the test above."""
    for module in (index_file, index_writer):
        monkeypatch.setattr(module, "TAG_MODULUS", 1)
    with pytest.raises(AssertionError, match="new"):
        test_a_row_that_was_put_back_is_noticed(full)


@pytest.mark.parametrize("by_name", [True, False])
def test_an_older_file_is_followed_on(full, by_name):
    end(full)
    older = index_path(full).read_bytes()
    vault = reopen(full)
    vault.put("c", "new")
    vault.remove("d")
    rekey_data(vault)
    vault.put("e", "5")
    full.stack.close()
    index_path(full).write_bytes(older)
    vault = reopen(full)
    if by_name:
        assert vault.get("c").content == b"new"
    assert read_names(vault) == {NAME: b"1", "c": b"new", "e": b"5"}


def test_an_index_of_another_history_is_dropped(full):
    vault = full.unlock("laptop")
    file = vault.unlocked.index._file
    with file.writing() as writer:
        writer.digest = bytes(32)
    assert read_names(vault) == CONTENTS
    assert vault.unlocked.index.head.digest != bytes(32)


def test_an_index_of_another_account_is_dropped(full, monkeypatch):
    end(full)
    real = item_index.ItemIndex._derive_key

    def derive(self, data_key, salt):
        self._account = AccountId.from_raw(bytes(16))
        return real(self, data_key, salt)

    with monkeypatch.context() as patched:
        patched.setattr(item_index.ItemIndex, "_derive_key", derive)
        with full.reopen("laptop").unlock(full.key()) as vault:
            vault.list()
    assert read_names(reopen(full)) == CONTENTS


def test_a_file_of_another_commitment_is_dropped(full):
    end(full)
    DAMAGES["another commitment"](full)
    vault = reopen(full)
    assert vault.get("c").content == b"333"
    assert vault.unlocked.index.folded == 1
