"""`make tamper`: no class slips through, honest logs are clean, and the harness is what it says."""

from collections import Counter

import pytest

from solekey.audit import Pin, Verdict, verify_log
from solekey.audit.catalogue import CHECKS
from tamper.classes import FAMILIES
from tamper.classes.bundles import make_bundle
from tamper.classes.bus import published
from tamper.classes.editing import recompute
from tamper.classes.last_audit import seen
from tamper.classes.stored import shelve
from tamper.judging import judge
from tamper.stories import BEN, HONEST, tell_whole
from tamper.tampering import BOUNDS, Exhibit, Outcome, Tampering, honest, vouch
from tamper.writing import write

CLASSES = [each for family in FAMILIES for each in family.classes]
MINIMA = {"A": 60, "B": 10, "C": 30, "D": 20, "E": 12, "F": 20, "G": 15, "H": 12}
UNTRIED = {"REC-03", "CHN-04", "PIN-02", "LOG-01"}
"""Checks that find nothing by themselves, or that this release does not run."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.letter)
def test_no_class_slips_through(family) -> None:
    slipped = [
        f"{each.tampering.id} {each.tampering.what}: {each.found}"
        for each in map(judge, family.classes)
        if not each.ok
    ]
    assert slipped == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.letter)
def test_the_first_class_of_each_family(family) -> None:
    assert judge(family.classes[0]).ok


@pytest.mark.parametrize("story", HONEST)
def test_an_honest_story_is_clean(story) -> None:
    written = write(HONEST[story]())
    report = verify_log(written.records, vouch(written), BOUNDS)
    assert report.findings == ()
    assert report.verdict is not Verdict.VIOLATIONS


def test_an_honest_store_and_an_honest_bundle_are_clean() -> None:
    shelf = shelve()
    pins = {BEN.account: Pin(BEN.user_key(0).public)}
    report = verify_log(shelf.log(shelf.rows), pins, BOUNDS)
    assert (report.findings, report.notices, report.verdict) == ((), (), Verdict.CLEAN)
    assert all(row.looked_at for row in report.coverage if row.check.id.startswith("OBJ"))
    exhibit = make_bundle()()
    assert callable(exhibit.log)
    report = verify_log(exhibit.log(), exhibit.pins, exhibit.bounds)
    exhibit.close()
    assert (report.findings, report.notices, report.verdict) == ((), (), Verdict.CLEAN)
    assert all(row.looked_at for row in report.coverage if row.check.id.startswith("BUN"))


def test_an_honest_log_is_clean_after_the_last_audit() -> None:
    report = verify_log(honest().records, vouch(honest()), BOUNDS, seen=seen())
    assert (report.findings, report.verdict) == ((), Verdict.CLEAN)


def test_an_honest_bus_is_clean() -> None:
    report = verify_log(published(), vouch(honest()), BOUNDS)
    assert (report.findings, report.verdict) == ((), Verdict.CLEAN)


def test_what_is_written_again_unchanged_is_the_same_bytes() -> None:
    assert write(tell_whole()).records == honest().records
    assert recompute([(event, event.raw) for event in honest().events]) == honest().records


def test_there_are_enough_classes_and_each_says_why_it_cannot_be_caught_or_named() -> None:
    assert len({each.id for each in CLASSES}) == len(CLASSES) >= 120
    counts = Counter(each.id[0] for each in CLASSES)
    assert {letter: counts[letter] >= least for letter, least in MINIMA.items()} == dict.fromkeys(
        MINIMA, True
    )
    impossible = [each for each in CLASSES if each.outcome is Outcome.IMPOSSIBLE]
    assert [each.id for each in impossible if not each.reason] == []
    assert len(impossible) < 20
    assert [each.id for each in CLASSES if not each.named and not each.reason] == []


def test_each_check_is_proven_by_a_class() -> None:
    proven = {check for each in CLASSES for check in each.expects}
    unreadable = {code for each in CLASSES if each.outcome is Outcome.UNREADABLE for code in each.expects}
    assert CHECKS.keys() - proven == UNTRIED
    assert proven <= CHECKS.keys() | unreadable


def test_positive_control_what_is_not_found_slips_through() -> None:
    untouched = Tampering("X01", "nothing", lambda: Exhibit(honest().records), ("SES-01",))
    assert not judge(untouched).ok
    elsewhere = next(each for each in CLASSES if each.what == "registered twice")
    exhibit = elsewhere.make()
    misnamed = Tampering("X02", "", lambda: Exhibit(exhibit.log, honest().places["ben.founded"]), ("SES-01",))
    assert judge(elsewhere).ok
    assert not judge(misnamed).ok
