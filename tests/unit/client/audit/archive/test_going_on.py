"""An audit that goes on from an archive gives the answer of the whole log, and looks at what is new."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from unittest import mock

import pytest

from bench.audit_log import read_original
from solekey.audit import Bounds, Pin, Verdict, verify_log
from solekey.audit.archive import going_on
from solekey.audit.archive.archive import Archive
from solekey.audit.archive.chunks import decode_chunk, encode_chunk
from solekey.audit.archive.errors import ArchiveContinuesError, ArchiveError
from solekey.audit.archive.verdict import read_point
from solekey.audit.checks.signing_keys import find_loss
from solekey.audit.checks.spans import NEVER
from solekey.audit.seen import read_seen
from solekey.audit.sources.log import BusPlace, Record
from solekey_protocol import statements
from solekey_protocol.event import parse_event
from solekey_protocol.events import auth
from solekey_protocol.ids import SYSTEM_ACCOUNT, Timestamp
from tamper.classes.facts import FACTS
from tamper.classes.stored import shelve
from tamper.going_on import summarise
from tamper.tampering import BOUNDS as TAMPER_BOUNDS
from tamper.tampering import Outcome
from tests.support.audit.auditor import AUDITOR, make_key
from tests.support.durability import sign_without_waiting
from tests.support.protocol.keyring import record
from tests.support.protocol.story import tell_whole


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nothing waits for the disk."""
    sign_without_waiting(monkeypatch)


ACCOUNTS = 4
NOW = max(event.time.datetime for event in tell_whole()) + timedelta(days=1)
BOUNDS = Bounds(now=NOW)


@pytest.fixture(scope="module")
def cloned():
    """Some accounts, what their users pin, and the platform's own records before them."""
    original, system = read_original(event.raw for event in tell_whole())
    clones = [original.clone(number) for number in range(ACCOUNTS)]
    pins = {original.account(number): Pin(original.first_key(number)) for number in range(ACCOUNTS)}
    return system, clones, pins


@pytest.fixture
def scene(cloned, tmp_path):
    """All but the end of one account was verified; ``go_on`` verifies more."""
    system, clones, pins = cloned
    first, last = [*system, *(raw for clone in clones[1:] for raw in clone), *clones[0][:-3]], clones[0][-3:]

    def go_on(records, with_pins=pins, bounds=BOUNDS, **named):
        with Archive(tmp_path / "archive", AUDITOR) as archive:
            return verify_log(records, with_pins, bounds, archive=archive, **named)

    report = go_on(first)
    assert report.findings == ()
    return go_on, first, last, pins


def test_only_the_account_with_something_new_is_gone_through_and_no_signature_twice(scene):
    go_on, first, last, pins = scene
    with mock.patch.object(statements, "verify_signature", wraps=statements.verify_signature) as spy:
        report = go_on(last)
    events = map(parse_event, last)
    assert spy.call_count == sum(len(each.signed.signatures) for each in events if each.signed)
    assert summarise(report) == summarise(verify_log([*first, *last], pins, BOUNDS))
    assert (report.verdict, report.provenance.folded, report.records) == (
        Verdict.CLEAN,
        1,
        len(first) + len(last),
    )
    again = go_on([])
    assert (again.provenance.folded, summarise(again)) == (0, summarise(report))


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ({}, 1),
        ({"bounds": replace(BOUNDS, now=NOW + timedelta(days=400))}, 1),
        ({"bounds": replace(BOUNDS, now=NOW - timedelta(seconds=1))}, ACCOUNTS),
        ({"bounds": replace(BOUNDS, session=timedelta(hours=13))}, ACCOUNTS),
        ({"tables": "tables"}, ACCOUNTS),
    ],
)
def test_whatever_could_change_the_answer_has_all_accounts_gone_through(scene, tmp_path, what, count):
    go_on, first, last, pins = scene
    named = {**what, "tables": tmp_path / what["tables"]} if "tables" in what else what
    report = go_on(last, **named)
    assert report.provenance.folded == count
    whole = verify_log([*first, *last], pins, what.get("bounds", BOUNDS))
    assert summarise(report) == summarise(whole)


def test_another_program_or_catalogue_goes_through_all(scene, monkeypatch):
    go_on, _, last, _ = scene
    monkeypatch.setattr(going_on, "CATALOGUE", "another")
    assert go_on(last).provenance.folded == ACCOUNTS


def test_a_pin_that_is_another_is_looked_at(scene, cloned):
    go_on, first, last, pins = scene
    account = parse_event(cloned[1][2][0]).account
    other = {**pins, account: Pin(pins[parse_event(last[0]).account].first_key)}
    report = go_on(last, other)
    assert report.provenance.folded == 2
    assert [(each.code, each.account) for each in report.findings] == [("pin_mismatch", account)]
    assert summarise(report) == summarise(verify_log([*first, *last], other, BOUNDS))
    missing = {each: pin for each, pin in pins.items() if each != account}
    assert go_on([], missing).verdict is Verdict.CANNOT_TELL
    assert go_on([]).verdict is Verdict.CLEAN


def test_what_was_found_stays_found_and_what_was_missing_may_come(cloned, tmp_path):
    system, clones, pins = cloned
    records = [*system, *(raw for clone in clones for raw in clone)]
    at = len(system) + 5

    def go_on(given):
        with Archive(tmp_path / "archive", AUDITOR) as archive:
            return verify_log(given, pins, BOUNDS, archive=archive)

    gap = go_on([*records[:at], *records[at + 1 :]])
    assert gap.verdict is Verdict.VIOLATIONS
    assert go_on([]).findings == gap.findings
    whole = go_on([records[at]])
    assert (whole.findings, whole.verdict) == ((), Verdict.CLEAN)
    forged = records[-1][:-1] + b" }"
    assert [each.check for each in go_on([forged]).findings] == ["REC-01"]
    assert [each.check for each in go_on([]).findings] == ["REC-01"]


def test_other_bounds_of_the_bus_are_refused(scene):
    go_on, _, last, _ = scene
    with pytest.raises(ArchiveContinuesError, match="clocks: 60 s, not 61 s"):
        go_on(last, bounds=replace(BOUNDS, clocks=timedelta(seconds=61)))


def withdraw(system):
    """The platform withdraws its key, and says that it was long ago."""
    published = parse_event(system[-1])
    at = Timestamp("2026-11-23T11:58:30.000Z")
    return record(auth.SigningKeyWithdrawn(published.body.key_id), published.head, SYSTEM_ACCOUNT, at)


def test_a_key_that_covered_a_session_and_does_no_longer_has_it_looked_at_again(scene, cloned):
    go_on, first, last, pins = scene
    system = [parse_event(raw) for raw in cloned[0]]
    withdrawn = withdraw(cloned[0])
    assert find_loss(system, system, BOUNDS) is None
    assert find_loss([], [], BOUNDS) is None
    assert find_loss([], system, BOUNDS) == find_loss(system, [], BOUNDS) == NEVER
    assert find_loss(system, [*system, withdrawn], BOUNDS) == withdrawn.time.datetime + BOUNDS.clocks
    report = go_on([*last, withdrawn.raw])
    assert report.provenance.folded == ACCOUNTS
    assert len({each.account for each in report.findings if each.check == "KEY-01"}) == ACCOUNTS
    assert summarise(report) == summarise(verify_log([*first, *last, withdrawn.raw], pins, BOUNDS))


def test_an_archive_is_used_by_one_audit_at_a_time_and_unchanged_by_one_that_fails(scene, tmp_path):
    go_on, _, last, pins = scene
    path = tmp_path / "archive"
    before = read_point(path)
    with Archive(path, AUDITOR), pytest.raises(ArchiveError, match="locked"):
        Archive(path, AUDITOR)

    def stop(*_):
        raise RuntimeError("enough")

    with Archive(path, AUDITOR) as archive, pytest.raises(RuntimeError, match="enough"):
        verify_log(last, pins, BOUNDS, archive=archive, progress=stop)
    assert read_point(path) == read_point(tmp_path / "archive.verdict.json") == before
    assert go_on(last).verdict is Verdict.CLEAN


def test_an_archive_that_was_begun_in_vain_leaves_no_file(tmp_path):
    path = tmp_path / "archive"
    with Archive(path, AUDITOR):
        pass
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"no archive")
    with pytest.raises(ArchiveError, match="file is not a database"):
        Archive(path, make_key("auditor"))


def test_records_come_back_from_a_chunk_as_they_were():
    records = [
        (number, Record(raw, None if number % 2 else BusPlace("a topic", number, number * 2**33)))
        for number, raw in enumerate((b"first\n", b"", b"\x00" * 500, b"last"))
    ]
    assert list(decode_chunk(encode_chunk(records))) == records


def change(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        assert database.execute(statement).rowcount


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE chunks SET data = x'00'", "records of .* are missing or changed"),
        ("DELETE FROM subjects WHERE rowid = 2", "subjects: not what the verdict has signed"),
        ("UPDATE state SET data = x'00' WHERE name = 'bus'", "bus: not what the verdict has signed"),
        ("DELETE FROM state WHERE name = 'verdict'", "it has records, and no verdict"),
    ],
)
def test_what_the_auditor_has_not_signed_is_refused(scene, tmp_path, statement, why):
    go_on, _, last, _ = scene
    change(tmp_path / "archive", statement)
    with pytest.raises(ArchiveError, match=why):
        go_on(last)


def test_a_notice_stays_to_be_read(tmp_path):
    noticed = next(each for each in FACTS.classes if each.outcome is Outcome.NOTICED).make()
    for given in (noticed.log, []):
        with Archive(tmp_path / "archive", AUDITOR) as archive:
            report = verify_log(given, noticed.pins, noticed.bounds, archive=archive)
        assert report.notices == verify_log(noticed.log, noticed.pins, noticed.bounds).notices != ()


def test_heads_of_an_account_with_findings_stay_where_they_were(scene, tmp_path):
    go_on, _, last, _ = scene
    before = read_seen(tmp_path / "archive", AUDITOR.public).heads
    assert go_on([last[-1]]).verdict is Verdict.VIOLATIONS
    assert read_seen(tmp_path / "archive", AUDITOR.public).heads == before
    assert go_on(last[:-1]).verdict is Verdict.CLEAN
    assert read_seen(tmp_path / "archive", AUDITOR.public).heads != before


def test_a_list_of_what_is_stored_goes_through_all_accounts(tmp_path):
    shelf = shelve()
    log = shelf.log(shelf.rows)
    for given in (list(log.events), replace(log, events=())):
        with Archive(tmp_path / "archive", AUDITOR) as archive:
            report = verify_log(given, bounds=TAMPER_BOUNDS, archive=archive)
    assert report.provenance.folded == 1
    assert summarise(report) == summarise(verify_log(log, bounds=TAMPER_BOUNDS))
