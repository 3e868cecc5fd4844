"""Replaced versions of live items are collected by the operator's limits, and nothing else is."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import AbortReason, RotationAborted
from solekey_protocol.events.vault import CommitKind, ObjectsPurged
from solekey_protocol.ids import ItemId
from solekey_service.config import ConfigError
from solekey_vault import history_collector, history_repository
from solekey_vault.history_collector import HistoryCollector
from solekey_vault.history_limits import HistoryLimits
from solekey_vault.tables import item_versions
from tests.support.actors import derive_rotation_id
from tests.support.content import change_of, commit_of, content_of, list_objects_of
from tests.unit.vault.test_quotas import make_vault, usage_of
from tests.unit.vault.vault_rig import LAPTOP

DAY_S = 86400
DAY = timedelta(days=1)
FIRST, SECOND = (ItemId.from_raw(bytes([number]) * 16) for number in (1, 2))


@pytest.fixture
def make(rig, tmp_path, monkeypatch):
    def make(**settings):
        return make_vault(rig, tmp_path / "objects", monkeypatch, **settings)

    return make


def put(vault, item, *versions, size=100):
    for version in versions:
        vault.commit(change_of(item, version, size=size))


def has(vault, item, *versions):
    return vault.has(*(content_of(item, version) for version in versions))


def collect(vault, days=0.0):
    """Let days pass; the jobs run, first that which collects."""
    vault.rig.clock.advance(days * DAY_S)
    collected = vault.api.collect_history()
    vault.api.purge_unclaimed()
    return collected


def limit(vault, versions=0, days=0, grace_days=30):
    """Restart with other settings."""
    api = vault.api
    limits = HistoryLimits(versions, days, grace_days)
    api._collector = HistoryCollector(api.kernel.store, api.kernel.streams, api.objects, limits)


def told(vault):
    answer = vault.api.get_limits(LAPTOP.request(method="GET"))
    assert answer.status == 200
    return [(row["versions"], row["days"], row["grace_days"]) for row in json.loads(answer.body)["history"]]


def test_so_many_replaced_versions_are_kept_and_then_the_grace_time(make):
    vault = make(history_versions=2, history_days=0)
    put(vault, FIRST, 1, 2, 3, 4, 5)
    put(vault, SECOND, 1, 2, 3)
    before = usage_of(vault)
    assert collect(vault) == 2
    assert usage_of(vault).objects == before.objects - 2  # they count no longer
    assert has(vault, FIRST, 1, 2, 3, 4, 5) == [True] * 5  # they are there for the grace time
    assert collect(vault, 30) == 0
    assert has(vault, FIRST, 1, 2) == [True] * 2
    assert collect(vault, 0.01) == 0
    assert has(vault, FIRST, 1, 2, 3, 4, 5) == [False, False, True, True, True]
    assert has(vault, SECOND, 1, 2, 3) == [True] * 3


def test_a_replaced_version_gets_so_old_and_not_older(make):
    vault = make(history_versions=0, history_days=10)
    put(vault, FIRST, 1)
    vault.rig.clock.advance(300 * DAY_S)  # a version that is live has no age
    put(vault, FIRST, 2)
    vault.rig.clock.advance(DAY_S)
    put(vault, FIRST, 3)
    assert collect(vault, 9) == 0
    assert collect(vault, 0.01) == 1
    assert collect(vault, 1) == 1
    collect(vault, 31)
    assert has(vault, FIRST, 1, 2, 3) == [False, False, True]
    assert collect(vault, 1000) == 0


def test_a_clock_that_jumps_while_it_is_collected_makes_nothing_older(make, monkeypatch):
    monkeypatch.setattr(history_collector, "_VERSIONS_AT_ONCE", 1)
    vault = make(history_versions=0, history_days=10)
    put(vault, FIRST, 1, 2)
    vault.rig.clock.advance(9 * DAY_S)
    put(vault, SECOND, 1, 2)
    vault.api.collect_history()
    vault.rig.clock.advance(2 * DAY_S)
    right = vault.rig.clock.now()
    monkeypatch.setattr(vault.api.objects, "pause", lambda: vault.rig.clock.set_wall(right + 400 * DAY))
    assert vault.api.collect_history() == 1
    assert len(vault.dump()["item_versions"]) == 3
    assert vault.rig.clock.now() == right + 400 * DAY  # control: it has jumped


def test_without_limits_nothing_is_collected(make):
    vault = make(history_versions=0, history_days=0)
    put(vault, FIRST, 1, 2, 3)
    assert collect(vault, 10_000) == 0
    assert has(vault, FIRST, 1, 2, 3) == [True] * 3


def test_live_versions_lists_pages_and_removed_items_stay(make):
    vault = make(history_versions=1, history_days=1)
    put(vault, FIRST, 1, 2, 3)
    put(vault, SECOND, 1, 2, 3)
    vault.commit(change_of(SECOND, 4, epoch=0, size=0))
    stated = [change_of(FIRST, 3), change_of(SECOND, 4, epoch=0, size=0)]
    vault.commit(*stated, kind=CommitKind.SNAPSHOT)
    lists = [body for n in (1, 2, 3) for body in list_objects_of(CommitKind.DELTA, change_of(FIRST, n))]
    lists += list_objects_of(CommitKind.SNAPSHOT, *stated)
    assert collect(vault, 2) == 2
    assert collect(vault, 100) == 0
    assert vault.has(*lists) == [True] * len(lists)
    assert has(vault, FIRST, 1, 2, 3) == [False, False, True]
    assert has(vault, SECOND, 1, 2, 3) == [True] * 3  # a removed one can be brought back until it is purged
    assert vault.commit(*stated, kind=CommitKind.SNAPSHOT).status == 201
    put(vault, FIRST, 4)


def test_what_another_version_names_stays_and_what_is_named_again_comes_back(make):
    vault = make(history_versions=1, history_days=0)
    first = change_of(FIRST, 1)
    vault.commit(first)
    vault.commit(change_of(FIRST, 2))
    shared = change_of(SECOND, 1, parts=first.parts)
    vault.put(*list_objects_of(CommitKind.DELTA, shared))
    put(vault, FIRST, 3)
    assert vault.say(commit_of(shared, commit=4)).status == 201
    before = usage_of(vault)
    assert collect(vault) == 1
    assert usage_of(vault) == before
    collect(vault, 31)
    assert has(vault, FIRST, 1, 2, 3) == [True] * 3


def test_an_open_rotation_keeps_everything_until_it_has_ended(make):
    vault = make(history_versions=1, history_days=0)
    put(vault, FIRST, 1, 2, 3)
    rotation = derive_rotation_id(RotationKind.DATA_KEY)
    vault.rotate(RotationKind.DATA_KEY, to_epoch=2)
    assert collect(vault) == 0
    heads = vault.rig.heads(LAPTOP.account, Stream.DEVICES)
    head = vault.rig.head(Stream.ROTATION, LAPTOP.account)
    vault.rig.append(LAPTOP.sign(RotationAborted(rotation, AbortReason.USER_REQUEST), head, heads))
    vault.rig.deliver()
    assert collect(vault) == 1


def test_much_is_collected_some_at_a_time_and_then_nothing_is_read(make, monkeypatch):
    monkeypatch.setattr(history_collector, "_VERSIONS_AT_ONCE", 2)
    monkeypatch.setattr(history_repository, "_ITEMS_AT_ONCE", 1)
    vault = make(history_versions=1, history_days=0)
    put(vault, FIRST, 1, 2, 3, 4, 5)
    put(vault, SECOND, 1, 2, 3)
    assert len(vault.dump()["item_versions"]) == 8
    counts = []
    monkeypatch.setattr(vault.api.objects, "pause", lambda: counts.append(len(vault.dump()["item_versions"])))
    assert collect(vault) == 4
    assert len(counts) == 3  # others write in between
    assert {before - after for before, after in zip([8, *counts], counts, strict=False)} == {2, 1}
    assert collect(vault) == 0
    with vault.kernel.store.read() as uow:
        rows = uow.connection.execute(
            select(item_versions.c.version, item_versions.c.replaced).where(
                item_versions.c.superseded_by.is_(None)
            )
        )
        assert sorted(tuple(row) for row in rows) == [(3, 1), (5, 1)]


def test_a_rebuilt_read_model_is_collected_to_the_same(make):
    vault = make(history_versions=2, history_days=0)
    put(vault, FIRST, 1, 2, 3, 4, 5)
    vault.say(ObjectsPurged(2))
    assert collect(vault) == 1
    before, used = vault.dump(), usage_of(vault)
    collect(vault, 31)
    vault.api.rebuild_items()
    assert vault.dump() != before  # positive control
    assert vault.commit(change_of(SECOND, 1)).status == 201
    assert collect(vault) == 1
    assert [row for row in vault.dump()["item_versions"] if row[1] == FIRST.raw] == before["item_versions"]
    assert usage_of(vault).objects == used.objects + 2  # the item of another commit, and its list
    assert has(vault, FIRST, 2, 3, 4, 5) == [False, True, True, True]


def test_the_limits_are_told_with_those_of_before(make):
    vault = make(history_versions=7, history_days=0)
    assert told(vault) == [(7, 0, 30)]
    collect(vault)
    vault.rig.clock.advance(DAY_S)
    limit(vault, versions=9, days=5, grace_days=1)
    assert told(vault) == [(7, 0, 30), (9, 5, 1)]  # though no job has run since
    collect(vault)
    collect(vault, 1)
    assert told(vault) == [(7, 0, 30), (9, 5, 1)]
    vault.rig.clock.set_wall(
        vault.rig.clock.now() - timedelta(days=9)
    )  # it is set back: the newest limits are still the last
    limit(vault, versions=1)
    collect(vault)
    assert told(vault) == [(7, 0, 30), (9, 5, 1), (1, 0, 30)]


def test_a_limit_that_is_none_is_refused(make):
    config = make().kernel.config
    for setting in ("history_versions", "history_days", "grace_days"):
        assert getattr(replace(config, **{setting: 0}), setting) == 0  # positive control
        with pytest.raises(ConfigError, match=setting):
            replace(config, **{setting: -1})
