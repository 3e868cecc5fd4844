"""What a statement makes the vault read is bounded before it is read, and long lists are read elsewhere."""

import itertools

import pytest

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.change_list import encode_change_list, parse_change_list, read_change_count
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.limits import KIB, MAX_CHANGES
from solekey_protocol.streams import VaultStream
from solekey_service.worker_process import WorkerProcess
from solekey_vault import change_lists, long_lists
from solekey_vault.refusals import CommitMismatch
from tests.support.content import change_of, commit_of
from tests.support.keys import derive_raw
from tests.unit.vault.vault_rig import LAPTOP, Vault

MANY = [change_of(ItemId.from_raw(derive_raw(f"item {number}")), 1) for number in range(700)]
"""Their list is long: it goes to the process."""


class Counting(WorkerProcess):
    """The real process; counts its calls."""

    calls = 0

    def call(self, function: int, argument: bytes) -> bytes:
        self.calls += 1
        return super().call(function, argument)


@pytest.fixture
def worker():
    worker = Counting("solekey_vault.long_lists", deadline_s=60)
    yield worker
    worker.close()


@pytest.fixture
def vault(rig, tmp_path, worker, monkeypatch):
    monkeypatch.setattr("solekey_vault.api._make_worker", lambda: worker)
    monkeypatch.setattr(change_lists, "SHORT_BYTES", 32 * KIB)
    vault = Vault(rig, tmp_path / "objects")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    assert vault.add_wrap().status == 201
    return vault


def forbid_parsing(monkeypatch):
    def parse(_):
        raise AssertionError("the list was parsed")

    monkeypatch.setattr(change_lists, "iter_change_list", parse)
    monkeypatch.setattr(WorkerProcess, "call", lambda *_: parse(b""))


def test_a_commit_that_says_too_many_changes_is_refused_unread(vault, monkeypatch):
    vault.put(encode_change_list(MANY))
    forbid_parsing(monkeypatch)
    with pytest.raises(CommitMismatch, match="limit"):
        vault.say(commit_of(*MANY, count=MAX_CHANGES + 1))


@pytest.mark.parametrize("count", [699, 701, 1000])
def test_a_list_that_claims_another_count_is_refused_unread(vault, monkeypatch, count):
    vault.put(encode_change_list(MANY))
    forbid_parsing(monkeypatch)
    with pytest.raises(CommitMismatch, match="begin"):
        vault.say(commit_of(*MANY, count=count))


def test_a_list_that_is_too_short_for_its_count_is_refused_unread(vault, monkeypatch):
    vault.put(b"\x82\x02\x99\x03\xe8")
    forbid_parsing(monkeypatch)
    with pytest.raises(CommitMismatch, match="cannot hold"):
        vault.say(commit_of(*MANY, count=1000, changes=compute_digest(b"\x82\x02\x99\x03\xe8")))


@pytest.mark.slow
def test_others_go_on_while_a_list_is_parsed_here(vault, worker, monkeypatch):
    monkeypatch.setattr(change_lists, "SHORT_BYTES", 128 * KIB)
    pauses = []
    monkeypatch.setattr(vault.api.lists, "_pause", lambda: pauses.append(True))
    assert vault.commit(*MANY).status == 201
    assert (len(pauses), worker.calls) == (2, 0)


@pytest.mark.slow
def test_a_long_list_is_read_by_the_process_and_once(vault, worker):
    vault.put(encode_change_list(MANY))
    for _ in range(3):  # the parts are missing: the client may say the same again after it has sent them
        with pytest.raises(Exception, match="were not uploaded"):
            vault.say(commit_of(*MANY))
    assert worker.calls == 1
    assert vault.commit(*MANY).status == 201
    assert worker.calls == 1
    with vault.kernel.store.read() as uow:
        assert vault.kernel.streams.fold(uow, LAPTOP.account, VaultStream).last_commit == 1


def test_the_list_of_a_commit_that_was_taken_is_forgotten_and_not_read_again(vault, monkeypatch):
    few = MANY[:3]
    vault.put(encode_change_list(few))
    with pytest.raises(Exception, match="were not uploaded"):
        vault.say(commit_of(*few))
    assert len(vault.api.lists._read) == 1
    vault.upload(*few)
    heads = vault.rig.heads(LAPTOP.account, Stream.DEVICES, Stream.ROTATION)
    signed = LAPTOP.sign(commit_of(*few), vault.head(), heads)
    assert vault.post(signed).status == 201
    assert not vault.api.lists._read
    forbid_parsing(monkeypatch)
    assert vault.post(signed).status == 200
    assert not vault.api.lists._read


@pytest.mark.slow
def test_a_snapshot_is_compared_without_the_process(vault, worker):
    vault.commit(*MANY)
    calls = worker.calls
    with pytest.raises(CommitMismatch, match="differs from what there is"):
        vault.commit(*MANY[:-1], kind=CommitKind.SNAPSHOT)
    assert vault.commit(*MANY, kind=CommitKind.SNAPSHOT).status == 201
    vault.commit(change_of(MANY[0].item, 2))
    with pytest.raises(CommitMismatch, match="differs"):
        vault.commit(*MANY, kind=CommitKind.SNAPSHOT)
    assert worker.calls == calls


def test_a_long_list_that_is_malformed_is_refused_and_remembered(vault, worker):
    broken = encode_change_list(MANY)[:-1] + b"\x00"
    vault.put(broken)
    for _ in range(2):
        with pytest.raises(CommitMismatch):
            vault.say(commit_of(*MANY, changes=compute_digest(broken)))
    assert worker.calls == 1


def test_a_process_that_takes_too_long_is_ended_and_started_anew():
    worker = WorkerProcess("solekey_vault.long_lists", deadline_s=0.001)
    try:
        with pytest.raises(UnavailableError):
            worker.call(long_lists.PARSE_ROWS, encode_change_list(MANY))
        worker._deadline_s = 60
        assert worker.call(long_lists.PARSE_ROWS, encode_change_list(MANY))
        with pytest.raises(MalformedError):
            worker.call(long_lists.PARSE_ROWS, b"\xc4\x82")
    finally:
        worker.close()


def test_the_count_is_read_from_the_first_bytes():
    for count in (0, 1, 23, 24, 255, 256, 300):
        encoded = encode_change_list(MANY[:count])
        assert read_change_count(encoded) == count == len(parse_change_list(encoded))
    good = encode_change_list(MANY[:300])
    for size in range(5):
        with pytest.raises(MalformedError):
            read_change_count(good[:size])
    for bad in (b"\x82\x01\x80", b"\x82\x02\x9f", b"\x82\x02\xa0", b"\x82\x02\x60"):
        with pytest.raises(MalformedError):
            read_change_count(bad)
    assert list(itertools.islice(good, 3)) == [0x82, 0x02, 0x99]
