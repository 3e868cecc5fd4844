"""What the operator collects by stated limits is gone; within the limits, what is missing is withheld."""

from datetime import UTC, datetime, timedelta

import pytest

from solekey.errors import BadAnswerError, SwappedObjectError, VersionMissingError
from solekey.vault.history_limits import HistoryLimits, find_collected, parse_history_limits
from solekey_protocol.ids import Timestamp

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def limits(versions=0, days=0, grace_days=30, since=START):
    return HistoryLimits(since, versions, days, grace_days)


def is_collected(stated, recorded_days, now_day, removed_day=None):
    recorded = [START + day * DAY for day in recorded_days]
    removed = None if removed_day is None else START + removed_day * DAY
    return find_collected(stated, recorded, removed=removed, now=START + now_day * DAY) is not None


@pytest.mark.parametrize(
    ("stated", "recorded", "now", "expected"),
    [
        ([limits(versions=2)], [1, 2], 900, False),  # two newer replaced ones at most
        ([limits(versions=2)], [1, 2, 3], 33, True),
        ([limits(versions=2)], [1, 2, 3], 32.9, False),  # for the grace time
        ([limits(days=10)], [1], 41, True),
        ([limits(days=10)], [1], 40.9, False),
        ([limits(days=10)], [], 900, False),  # live
        ([limits()], [1, 2, 3], 9000, False),
        ([limits(versions=5, days=10)], [1, 2], 41, True),  # either limit
        ([limits(days=10, since=START + 100 * DAY)], [1], 129.9, False),  # not before they were in force
        ([limits(days=10, since=START + 100 * DAY)], [1], 130, True),
        ([limits(days=10), limits(days=99, since=START + 20 * DAY)], [1], 41, True),  # collected before
        ([limits(days=10), limits(days=99, since=START + 5 * DAY)], [1], 41, False),  # not any more
        ([limits(days=10), limits(days=10, grace_days=1, since=START + 12 * DAY)], [1], 13, True),
        ([limits(days=10), limits(grace_days=1, since=START + 12 * DAY)], [1], 12, True),  # the least grace
        ([limits(days=10), limits(grace_days=1, since=START + 12 * DAY)], [1], 11.9, False),
        ([limits(days=10, grace_days=1), limits(since=START + 12 * DAY)], [1], 12, True),
    ],
)
def test_a_version_is_collected_when_the_limits_say_so(stated, recorded, now, expected):
    assert is_collected(stated, recorded, now) is expected


def test_nothing_of_a_removed_item_is_collected():
    stated = [limits(days=10)]
    assert is_collected(stated, [1], 900, removed_day=12)  # before the removal
    assert not is_collected(stated, [1], 900, removed_day=11)
    assert not is_collected(stated, [], 900, removed_day=1)


def test_clocks_may_differ_by_an_hour():
    now = START + 41 * DAY
    for behind, expected in ((HOUR, True), (2 * HOUR, False)):
        found = find_collected([limits(days=10)], [START + DAY], removed=None, now=now - behind)
        assert (found is not None) is expected


ROW = {"since": "2026-01-01T00:00:00.000Z", "versions": 1, "days": 2, "grace_days": 3}


def test_an_answer_that_states_no_limits_is_refused():
    assert parse_history_limits({"history": [ROW]}) == [limits(1, 2, 3)]
    for rows in (
        None,
        [],
        [ROW] * 101,
        [ROW, ROW],
        [[]],
        [{**ROW, "days": -1}],
        [{**ROW, "days": True}],
        [{**ROW, "versions": 2**31}],
        [{**ROW, "since": "soon"}],
        [{**ROW, "grace_days": None}],
    ):
        with pytest.raises(BadAnswerError):
            parse_history_limits({"history": rows})


@pytest.fixture
def vault(home):
    vault = home.unlock("laptop")
    for text in ("one", "two", "three", "four"):
        vault.put("plan", text)
    for past in vault.history("plan")[2:]:  # the server deletes versions 1 and 2
        del home.account.objects[past.change.parts[0].digest]
    return vault


def state(home, **stated):
    row = {"since": Timestamp.from_datetime(START), "versions": 0, "days": 0, "grace_days": 0, **stated}
    home.server.history_limits = [row]


def shown(vault):
    return [(past.version, past.state.value) for past in vault.history("plan")]


def test_within_the_limits_what_is_missing_is_withheld(home, vault):
    for stated in ({}, {"versions": 3}, {"days": 1}, {"versions": 1, "grace_days": 1}):
        state(home, **stated)
        assert shown(vault) == [(4, "live"), (3, "kept"), (2, "damaged"), (1, "damaged")]
    state(home, versions=2)
    assert shown(vault) == [(4, "live"), (3, "kept"), (2, "damaged"), (1, "gone")]
    state(home, versions=1)
    assert shown(vault) == [(4, "live"), (3, "kept"), (2, "gone"), (1, "gone")]
    with pytest.raises(VersionMissingError, match="the operator keeps 1 replaced version of"):
        vault.get("plan", version=1)


def test_the_live_version_is_never_gone(home, vault):
    state(home, versions=1, days=1)
    (live, *_) = vault.history("plan")
    del home.account.objects[live.change.parts[0].digest]
    assert shown(vault)[0] == (4, "damaged")
    with pytest.raises(SwappedObjectError):
        vault.get("plan")


def test_other_bytes_are_no_collection(home, vault):
    state(home, versions=1)
    for past in vault.history("plan")[2:]:
        home.account.objects[past.change.parts[0].digest] = bytes(past.change.size)
    assert shown(vault)[2:] == [(2, "damaged"), (1, "damaged")]


def test_the_limits_are_asked_only_where_a_version_is_missing(home):
    vault = home.unlock("laptop")
    vault.put("plan", "one")
    vault.put("plan", "two")
    home.server.history_limits = None
    assert shown(vault) == [(2, "live"), (1, "kept")]
    (past,) = vault.history("plan")[1:]
    del home.account.objects[past.change.parts[0].digest]
    assert shown(vault) == [(2, "live"), (1, "damaged")]  # who states none has none to delete by
    home.server.history_limits = [{**ROW, "versions": 0, "days": 1, "grace_days": 0}]
    assert shown(vault) == [(2, "live"), (1, "damaged")]


def test_limits_are_said_in_words():
    assert (
        limits(100, 365).describe()
        == "the operator keeps 100 replaced versions of an item, each for 365 days"
    )
    assert limits(100).describe() == "the operator keeps 100 replaced versions of an item"
    assert limits(1, 1).describe() == "the operator keeps 1 replaced version of an item, each for 1 day"
    assert limits(0, 9).describe() == "the operator keeps replaced versions for 9 days"
    assert limits().describe() == "the operator keeps every version"
