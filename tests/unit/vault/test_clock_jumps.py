"""A clock that jumps ends no grace time: what is deleted does not come back when the clock is set right."""

from datetime import timedelta

import pytest

from solekey_protocol.events.vault import ObjectsPurged
from solekey_protocol.ids import ItemId
from solekey_service.clock_watch import SETTLE_S
from solekey_vault.definition import DEFINITION
from tests.support.content import change_of, content_of
from tests.unit.vault.vault_rig import GRACE_S, ITEM

OTHER = ItemId.from_raw(bytes([7]) * 16)
YEARS = timedelta(days=800)


@pytest.fixture
def purged(vault):
    """A vault in which an item was replaced and purged, and another replaced, just now."""
    vault.commit(change_of(ITEM, 1))
    vault.commit(change_of(ITEM, 2))
    vault.say(ObjectsPurged(2))
    vault.commit(change_of(OTHER, 1))
    vault.commit(change_of(OTHER, 2))
    return vault


def run_jobs(api):
    """Do what the vault does at intervals."""
    for job in DEFINITION.jobs:
        job.run(api)


def is_left(vault):
    """Whether the purged version is there, and the one that was replaced."""
    return vault.has(content_of(ITEM, 1), content_of(OTHER, 1))


def test_a_clock_that_is_ahead_for_a_while_deletes_nothing(purged):
    run_jobs(purged.api)
    right, history = purged.rig.clock.now(), purged.dump()
    purged.rig.clock.set_wall(right + YEARS)
    for _ in range(5):
        run_jobs(purged.api)
        purged.rig.clock.advance(600)
    assert is_left(purged) == [True, True]
    assert purged.dump() == history  # and nothing is collected
    purged.rig.clock.set_wall(right + timedelta(seconds=3000))
    run_jobs(purged.api)
    purged.rig.clock.advance(SETTLE_S)
    run_jobs(purged.api)
    assert is_left(purged) == [True, True]
    purged.rig.clock.advance(GRACE_S)  # control: the grace time ends, by a clock that runs evenly
    run_jobs(purged.api)
    assert is_left(purged) == [False, True]


def test_nor_does_one_that_is_ahead_when_the_service_starts(purged):
    right = purged.rig.clock.now()
    purged.rig.clock.set_wall(right + YEARS)
    started = purged.rig.start(DEFINITION, purged.kernel.config)
    run_jobs(started)
    purged.rig.clock.set_wall(right + timedelta(seconds=1))
    run_jobs(started)
    purged.rig.clock.advance(SETTLE_S)
    run_jobs(started)
    assert is_left(purged) == [True, True]
    started.kernel.engine.dispose()


def test_a_clock_that_stays_where_it_jumped_to_is_right_after_an_hour(purged):
    run_jobs(purged.api)
    purged.rig.clock.set_wall(purged.rig.clock.now() + YEARS)
    run_jobs(purged.api)
    purged.rig.clock.advance(SETTLE_S)
    run_jobs(purged.api)
    assert is_left(purged)[0] is False
