"""However much waits: adding one more, and sending all, look at each entry a fixed number of times."""

from collections import Counter
from pathlib import Path

import pytest

from solekey.crypto import DataKey, ItemMetadata
from solekey.files.private_folder import PrivateFolder
from solekey.offline import push as push_module
from solekey.offline.queue import Queue
from solekey.transfer.drafts import Put
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, DeviceId, ItemId
from tests.unit.client.offline.kept import open_account
from tests.unit.client.offline.test_offline_streams import stop
from tests.unit.client.offline.test_queue import push, queue_files, read_all, write

COUNT = 12


def make_queue(folder):
    """A process's view of the queue of one profile."""
    numbers = iter(range(1000))
    account, device = AccountId.from_raw(bytes(RAW_ID_BYTES)), DeviceId.from_raw(bytes(RAW_ID_BYTES))
    return Queue(PrivateFolder(folder), account, device, lambda size: next(numbers).to_bytes(size, "big"))


def add(queue, name="notes"):
    put = Put(ItemId.from_raw(bytes(RAW_ID_BYTES)), 0, ItemMetadata(name, "text/plain", 1, 1), b"content")
    with queue.lock():
        return queue.add(put, DataKey.make(1, bytes), commit=1, now_ms=1).number


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "profile"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def listings(monkeypatch):
    """How often folders were listed."""
    counted = Counter()
    real = Path.glob

    def glob(self, pattern):
        counted[self.name] += 1
        return real(self, pattern)

    monkeypatch.setattr(Path, "glob", glob)
    return counted


def test_adding_does_not_look_at_what_waits(folder, listings):
    queue = make_queue(folder)
    add(queue)
    listings.clear()
    assert [add(queue) for _ in range(3)] == [2, 3, 4]
    assert listings == {}


def test_control_another_process_that_has_added_is_looked_at(folder, listings):
    queue, other = make_queue(folder), make_queue(folder)
    add(queue)
    add(other)
    listings.clear()
    assert add(queue) == 3
    assert listings["queue"] > 0


def test_processes_that_take_turns_within_one_tick_of_the_clock_overwrite_nothing(folder, monkeypatch):
    monkeypatch.setattr(Queue, "_read_modified_ns", lambda _: 1)
    queue, other = make_queue(folder), make_queue(folder)
    assert [add(each) for each in (queue, other, other, queue, queue, other)] == [1, 2, 3, 4, 5, 6]


def test_what_a_crash_has_left_is_deleted_by_the_next_process(folder):
    add(make_queue(folder))
    left = folder / "queue" / f"00000009-{'0' * 16}.sealed"
    left.write_bytes(b"x")
    add(make_queue(folder))
    assert not left.exists()


@pytest.fixture
def opened(monkeypatch):
    """How often each entry's record was opened."""
    counted = Counter()
    real = Queue._open_entry

    def open_entry(self, number, find_key):
        counted[number] += 1
        return real(self, number, find_key)

    monkeypatch.setattr(Queue, "_open_entry", open_entry)
    return counted


def test_sending_opens_each_record_a_few_times(home, monkeypatch, opened):
    """In commits of one entry each: were all read for each commit, the last would be opened that often."""
    account = open_account(home)
    account.items.put("notes", "first")
    account.close()
    stop(home)
    write(home, *[(f"item {number}", "x") for number in range(COUNT)])
    monkeypatch.setattr(push_module, "BATCH_BYTES", 1)
    opened.clear()
    assert len(push(home).puts) == COUNT
    assert queue_files(home) == []
    assert len(read_all(home, "laptop")) == COUNT + 1
    assert max(opened.values()) <= 4


def test_entries_that_follow_conflict_copies_are_read_once_for_each_commit(home, opened):
    home.add_device("phone")
    account = open_account(home)
    account.items.put_many({f"item {number}": "first" for number in range(COUNT)})
    account.close()
    stop(home)
    write(home, *[(f"item {number}", text) for text in ("second", "third") for number in range(COUNT)])
    home.server.be_honest()
    phone = open_account(home, "phone")
    phone.items.put_many({f"item {number}": "theirs" for number in range(COUNT)})
    phone.close()
    opened.clear()
    push(home)
    contents = read_all(home)
    assert {contents[f"item {number} (conflict, laptop)"] for number in range(COUNT)} == {"third"}
    assert max(opened.values()) <= 6
