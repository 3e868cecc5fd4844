"""What a profile has seen: kept in its journal, found without taking all rows apart, counted now and then."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from solekey.crypto import DataKey
from solekey.files.private_folder import PrivateFolder
from solekey.vault import seen as module
from solekey.vault.seen import JOURNAL, Seen, SeenVersions, StoredRows
from solekey_protocol.ids import AccountId, ItemId

ACCOUNT = AccountId.from_raw(bytes(16))


def make_item(number: int) -> ItemId:
    return ItemId.from_raw(number.to_bytes(16, "big"))


@pytest.fixture(name="open_seen")
def fixture_open_seen(tmp_path: Path) -> Any:
    """Opens what one profile has seen, as the next process does."""
    key = DataKey.make(1, os.urandom)
    keyring: Any = Mock(**{"data_key.return_value": key, "any_data_key.return_value": key})
    streams: Any = SimpleNamespace(vault=SimpleNamespace(epoch=1))

    def open_seen() -> SeenVersions:
        return SeenVersions(ACCOUNT, PrivateFolder(tmp_path), keyring, streams, os.urandom)

    return open_seen


def test_the_last_note_of_an_item_counts_for_the_next_process(open_seen: Any) -> None:
    open_seen().note({make_item(n): Seen(1, 1) for n in range(100)})
    open_seen().note({make_item(7): Seen(2, 3), make_item(100): Seen(1, 1)})
    reopened = open_seen()
    assert reopened.find(make_item(7)) == Seen(2, 3)
    assert reopened.find(make_item(8)) == Seen(1, 1)
    assert reopened.find(make_item(101)) is None
    found = [reopened.find(make_item(n)) for n in range(101)]  # more than are looked up one by one
    assert found == [Seen(2, 3) if n == 7 else Seen(1, 1) for n in range(101)]


def test_bytes_that_look_like_an_id_across_two_rows_are_none() -> None:
    item = bytes([1] * 16)
    rows = bytes(20) + item + bytes(12)  # its bytes begin in the first row's numbers
    assert len(rows) == 48
    assert item in rows
    assert StoredRows(rows).find(item) is None
    found = StoredRows(rows + item + bytes([0, 0, 0, 5, 0, 0, 0, 6]) + rows)
    assert found.find(item) == found.read_all()[item] == Seen(5, 6)


def test_what_is_noted_already_is_not_written_again(open_seen: Any, tmp_path: Path) -> None:
    open_seen().note({make_item(1): Seen(1, 1)})
    before = (tmp_path / JOURNAL).read_bytes()
    open_seen().note({make_item(1): Seen(1, 1)})
    assert (tmp_path / JOURNAL).read_bytes() == before


def test_a_journal_of_many_notes_of_few_items_is_written_anew(
    open_seen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SPARE_ROWS", 8)
    for number in range(60):
        open_seen().note({make_item(number % 3): Seen(number + 1, number + 1)})
    reopened = open_seen()
    assert [reopened.find(make_item(n)) for n in range(3)] == [Seen(58 + n, 58 + n) for n in range(3)]
    assert (tmp_path / JOURNAL).stat().st_size < 72 + (3 + 2 * 8) * (24 + 32)
