"""A log of any size is gone through in parts; the answer does not depend on how."""

import json
from functools import partial

import pytest

from bench.audit_log import read_original
from solekey.audit import LogError, Pin, Verdict, verify_log
from solekey.audit.engine import processes
from solekey.audit.engine.branches import choose_branch
from solekey.audit.engine.collecting import Stage
from solekey.audit.engine.parts import find_subject
from solekey.audit.engine.spill import Spill
from solekey.audit.sources.log import BusPlace, Record
from solekey_protocol.events import Stream
from solekey_protocol.ids import ZERO_DIGEST, compute_digest
from tests.support.protocol.story import tell, tell_whole

ACCOUNTS = 5


@pytest.fixture(scope="module")
def cloned():
    """Some accounts with everything that an account can have, and what their users pin."""
    original, system = read_original(event.raw for event in tell_whole())
    clones = [original.clone(number) for number in range(ACCOUNTS)]
    pins = {original.account(number): Pin(original.first_key(number)) for number in range(ACCOUNTS)}
    return [*system, *(raw for raws in zip(*clones, strict=True) for raw in raws)], pins


@pytest.fixture
def spilled(monkeypatch):
    """Everything goes to disk."""
    monkeypatch.setattr("solekey.audit.verify.Spill", partial(Spill, memory_bytes=1000))


def summarise(report):
    summary = report.summary()
    del summary["provenance"]["made_at"]
    return json.dumps(summary, default=str)


def test_clones_are_clean_and_share_nothing(cloned):
    records, pins = cloned
    report = verify_log(records, pins)
    assert (report.verdict, len(report.users)) == (Verdict.CLEAN, ACCOUNTS)
    assert {account.verified for account in report.users} == {len(tell())}
    assert len({compute_digest(raw) for raw in records}) == len(records)
    signatures = [s for raw in records for s in json.loads(raw)["data"].get("signatures", {}).values()]
    assert (
        len(set(signatures))
        == len(signatures)
        == ACCOUNTS * sum(len(e.signed.signatures) for e in tell() if e.signed)
    )


def tamper(records):
    """Drop, flip, repeat and cut records of several accounts."""
    flipped = records[30].replace(b'"count":', b'"count":1')
    return [*records[:10], *records[11:30], flipped, *records[31:], records[50], records[60][:-1], b"", b"{}"]


def test_a_log_on_disk_gets_the_same_answer(cloned, spilled, monkeypatch):
    records, pins = cloned
    on_disk = [verify_log(each, pins, processes=1) for each in (records, tamper(records))]
    monkeypatch.undo()
    in_memory = [verify_log(each, pins) for each in (records, tamper(records))]
    assert in_memory[0].verdict is Verdict.CLEAN
    assert len(in_memory[1].findings) >= 4
    assert list(map(summarise, on_disk)) == list(map(summarise, in_memory))


@pytest.mark.slow
def test_processes_get_the_same_answer(cloned, spilled, tmp_path):
    records, pins = cloned
    for each in (records, tamper(records)):
        alone, together = (verify_log(each, pins, processes=count) for count in (1, 2))
        assert summarise(alone) == summarise(together)


@pytest.mark.slow
def test_a_process_that_dies_is_no_verdict(cloned, spilled, monkeypatch):
    monkeypatch.setattr(processes, "_COMMAND", ("-c", "import sys; sys.stdin.buffer.read(100)"))
    with pytest.raises(LogError, match="ended before it was done"):
        verify_log(*cloned, processes=2)


def test_the_progress_is_told_to_the_end(cloned):
    told = []
    verify_log(*cloned, progress=lambda *each: told.append(each))
    count = len(cloned[0])
    assert (Stage.READ, count, count) in told
    assert told[-1] == (Stage.VERIFY, count, count)
    done = [at for stage, at, _ in told if stage is Stage.VERIFY]
    assert done == sorted(done)


def test_the_digest_is_that_of_the_exported_file(cloned):
    records, _ = cloned
    provenance = verify_log(records).provenance
    assert provenance.digest == compute_digest(b"".join(raw + b"\n" for raw in records))
    assert provenance.first == min(json.loads(raw)["time"] for raw in records)


def test_records_come_back_from_a_spill_as_they_were():
    records = [
        Record(raw, None if number % 2 else BusPlace("a topic", number, number * 2**33))
        for number, raw in enumerate((b"first\n", b"", b"\x00" * 500, b"last"))
    ]
    for memory_bytes in (1, 10**6):
        with Spill(memory_bytes) as spill:
            for number, record in enumerate(records):
                spill.add(b"subject", number, record)
            [part] = spill.parts()
            assert (part.path is None) == (memory_bytes > 1)
            assert list(part.records()) == list(enumerate(records))
            folder = spill.folder
        assert not folder.exists()


def test_the_subject_of_a_canonical_record_is_found_without_parsing_it():
    for event in tell_whole():
        assert find_subject(event.raw) == event.account.encode()
    assert find_subject(b"{}") == find_subject(b"") == b""


def places(*events):
    found = {}
    for event in events:
        found.setdefault(event.seq, []).append(event)
    return found


def test_a_head_is_held_only_with_everything_before_it():
    vault = [event for event in tell() if event.stream is Stream.VAULT]
    branch = choose_branch(places(*vault), ())
    assert all(branch.holds(event.head) for event in vault)
    assert not branch.holds(vault[-1].head.__class__(vault[-1].seq, ZERO_DIGEST))
    for left_out in vault[:-1]:
        cut = choose_branch(places(*(each for each in vault if each is not left_out)), ())
        assert not cut.holds(vault[-1].head)
