"""What transfers stand on: locks, full disks, files that appear when they are whole, two parts at a time."""

import errno
import resource
import subprocess
import sys
import threading

import pytest

from solekey.errors import DiskFullError, TransferBusyError
from solekey.files import locks
from solekey.files.disk_room import naming_full_disk
from solekey.files.whole_file import WholeFile
from solekey.transfer.lock import hold_transfer
from solekey.transfer.parallel import begin, chain_ahead, map_ahead, use_ahead
from tests.support.client.transfers import list_files


def test_the_lock_is_for_one_holder_also_while_its_file_comes_and_goes(tmp_path):
    holders = most = 0
    guard = threading.Lock()

    def contend() -> None:
        nonlocal holders, most
        for _ in range(200):
            try:
                with hold_transfer(tmp_path / "x.lock"):
                    with guard:
                        holders += 1
                        most = max(most, holders)
                    with guard:
                        holders -= 1
            except TransferBusyError:
                continue

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list_files(tmp_path) == []


def test_a_lock_whose_file_was_replaced_before_it_was_locked_is_taken_anew(tmp_path, monkeypatch):
    """Its holder ends between our opening and our locking, and somebody else makes the file again."""
    path, real, calls = tmp_path / "x.lock", locks.lock_descriptor, []

    def lock_late(descriptor: int, *, wait: bool) -> bool:
        if not calls:
            path.unlink()
            path.touch()
        calls.append(descriptor)
        return real(descriptor, wait=wait)

    monkeypatch.setattr(locks, "lock_descriptor", lock_late)
    with hold_transfer(path), pytest.raises(TransferBusyError), hold_transfer(path):
        pass


def test_a_disk_that_fills_up_while_writing_is_named(tmp_path):
    """A real limit of the operating system, in a process of its own."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from solekey.files.whole_file import WholeFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "with WholeFile.make(Path(sys.argv[1])) as target:\n"
        "    target.file.write(bytes(200_000))\n"
        "    target.publish()\n"
    )
    path = tmp_path / "back.bin"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "DiskFullError" in done.stderr.splitlines()[-1]
    assert path.read_bytes() == b"old"
    assert list_files(tmp_path) == ["back.bin"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_is_a_full_disk(tmp_path, number):
    with pytest.raises(DiskFullError), naming_full_disk(tmp_path):
        raise OSError(number, "no room")
    with pytest.raises(PermissionError), naming_full_disk(tmp_path):
        raise OSError(errno.EACCES, "not allowed")


def test_two_parts_are_on_their_way_and_errors_come_in_their_place():
    under_way = most = 0
    guard, second = threading.Lock(), threading.Event()

    def work(number: int) -> int:
        nonlocal under_way, most
        with guard:
            under_way += 1
            most = max(most, under_way)
        if number == 1:
            assert second.wait(30)  # the first ends only when the second has begun
        if number == 2:
            second.set()
        with guard:
            under_way -= 1
        if number == 5:
            raise ValueError(number)
        return number

    results = map_ahead(work, range(1, 100))
    assert [next(results) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="5"):
        next(results)
    assert most == 2


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def write_half() -> None:
        with WholeFile.make(tmp_path / "x") as target:
            target.file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("total", [0, 1, 2, 7])
def test_a_list_is_fetched_piece_by_piece_in_order(total):
    asked = []

    def fetch(done):
        asked.append(done)
        return list(range(done, min(done + 2, total)))

    assert list(chain_ahead(fetch, total)) == list(range(total))
    assert asked == list(range(0, total, 2))


def test_while_a_piece_is_used_the_next_is_on_its_way():
    begun = threading.Event()

    def fetch(done):
        if done:
            begun.set()
        return [done]

    pieces = chain_ahead(fetch, 2)
    assert next(pieces) == 0
    assert begun.wait(10)
    assert list(pieces) == [1]


def test_an_error_of_a_later_piece_comes_in_its_turn():
    def fetch(done):
        if done:
            raise ValueError("the second")
        return [done]

    pieces = chain_ahead(fetch, 2)
    assert next(pieces) == 0
    with pytest.raises(ValueError, match="the second"):
        next(pieces)


def test_inputs_are_prepared_in_turns_while_one_is_used():
    begun = [threading.Event() for _ in range(5)]
    prepared, used = [], []

    def prepare(value):
        prepared.append(value)
        begun[value].set()
        return -value

    def use(value, ahead):
        assert begun[min(value + 2, 4)].wait(10)  # two ahead
        used.append((value, ahead))
        return value

    assert list(use_ahead(prepare, use, range(5))) == list(range(5))
    assert prepared == list(range(5))
    assert used == [(value, -value) for value in range(5)]


def test_after_one_that_cannot_be_prepared_none_is_prepared_or_used():
    prepared, used = [], []

    def prepare(value):
        prepared.append(value)
        if value == 1:
            raise ValueError("the second")

    with pytest.raises(ValueError, match="the second"):
        list(use_ahead(prepare, lambda value, _: used.append(value), range(5)))
    assert (prepared, used) == ([0, 1], [0])


def test_what_is_begun_is_on_its_way_before_it_is_asked_for():
    begun = threading.Event()

    def values():
        begun.set()
        yield from range(3)

    started = begin(values())
    assert begun.wait(10)
    assert list(started) == [0, 1, 2]
    assert list(begin(iter(()))) == []


def test_an_error_of_what_is_begun_comes_when_it_is_asked_for():
    def values():
        raise ValueError("the first")
        yield

    started = begin(values())
    with pytest.raises(ValueError, match="the first"):
        next(started)
