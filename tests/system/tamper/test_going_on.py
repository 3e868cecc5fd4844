"""An audit that goes on from an archive says of each lie what an audit of the whole log says."""

from dataclasses import replace

import pytest

from solekey.audit import Pin
from tamper.classes import FAMILIES
from tamper.classes.bus import published
from tamper.classes.stored import shelve
from tamper.going_on import FORKS, go_on, summarise
from tamper.judging import find_pins
from tamper.stories import BEN
from tamper.tampering import Exhibit, Outcome, honest, vouch
from tests.support.durability import sign_without_waiting


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nothing waits for the disk."""
    sign_without_waiting(monkeypatch)


CLASSES = {each.id: each for family in FAMILIES for each in family.classes}
SAMPLE = 7
"""One class in so many is tried here: `make tamper` tries all."""


def list_sample():
    named = [each for each in CLASSES.values() if set(each.expects) & {"WRP-01", "WRP-02", "KEY-01"}]
    return sorted({each.id for each in [*list(CLASSES.values())[::SAMPLE], *named] if each.what not in FORKS})


@pytest.mark.parametrize("at", [0.0, 0.4])
def test_an_honest_log_is_as_clean_in_two_audits_as_in_one(at):
    honest_ones = [
        Exhibit(honest().records, None, vouch(honest())),
        Exhibit(published(), None, vouch(honest())),
        Exhibit(shelve().log(shelve().rows), None, {BEN.account: Pin(BEN.user_key(0).public)}),
    ]
    for each in honest_ones:
        whole, continued = map(summarise, go_on(each, at))
        assert continued == whole
        assert continued["findings"] == ()


@pytest.mark.slow
def test_a_lie_is_found_in_two_audits_as_in_one():
    differ = []
    for name in list_sample():
        exhibit = CLASSES[name].make()
        exhibit.close()
        if callable(exhibit.log) or CLASSES[name].outcome is Outcome.UNREADABLE:
            continue  # a bundle on disk: family H has what becomes of these beside an archive
        exhibit = replace(exhibit, pins=find_pins(exhibit), seen=None)
        whole, continued = map(summarise, go_on(exhibit, 0.5))
        differ += [name] if whole != continued else []
    assert differ == []


def test_positive_control_a_lie_in_the_new_part_alone_makes_the_answers_differ():
    exhibit = next(each for each in CLASSES.values() if each.what == "registered twice").make()
    whole, _ = map(summarise, go_on(replace(exhibit, pins=vouch(honest())), 0.5))
    _, honest_one = map(summarise, go_on(Exhibit(honest().records, None, vouch(honest())), 0.5))
    assert whole != honest_one


@pytest.mark.parametrize("what", sorted(FORKS))
def test_of_two_histories_the_archive_has_one(what):
    exhibit = next(each for each in CLASSES.values() if each.what == what).make()
    whole, continued = map(summarise, go_on(replace(exhibit, pins=find_pins(exhibit)), 0.5))
    assert {each.code for each in whole["findings"]} == {each.code for each in continued["findings"]}
    assert whole["verdict"] == continued["verdict"]
