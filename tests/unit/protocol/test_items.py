"""The fold of change lists: what follows is taken whole, what does not is refused whole."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solekey_protocol.change_list import Change, Part
from solekey_protocol.errors import TransitionError
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.items import Items

ONE, TWO = (ItemId.from_raw(bytes([n] * 16)) for n in (1, 2))
HEADER = compute_digest(b"header")
SMALL, LARGE = 346, 1106
"""Sizes of envelopes: 256 and 1,016 bytes inside."""


def put(item, version, *, epoch=1, size=SMALL, what=b"x"):
    return Change(item, version, epoch, (Part(compute_digest(what), size),), HEADER)


def removal(item, version):
    return Change(item, version, 0, ())


def body(commit, kind, /, *changes, **said):
    size = sum(change.size for change in changes)
    epoch = 2 if kind is REKEY else 1
    made = ItemsCommitted(commit, kind, epoch, compute_digest(b"list"), len(changes), size)
    return replace(made, **said)


def fold(*commits):
    items = Items()
    for number, (kind, changes) in enumerate(commits, 1):
        items.follow(body(number, kind, *changes), changes)
    return items


DELTA, REKEY, SNAPSHOT = CommitKind.DELTA, CommitKind.REKEY, CommitKind.SNAPSHOT
BEFORE = ((DELTA, [put(ONE, 1), put(TWO, 1)]), (DELTA, [removal(TWO, 2)]))

TAKEN = {
    "the next version": (DELTA, [put(ONE, 2)]),
    "a removal": (DELTA, [removal(ONE, 2)]),
    "a removed item comes back, one version later": (DELTA, [put(TWO, 3)]),
    "a rekey": (REKEY, [put(ONE, 2, epoch=2, what=b"y")]),
    "a snapshot": (SNAPSHOT, [put(ONE, 1), removal(TWO, 2)]),
    "nothing": (DELTA, []),
}
REFUSED = {
    "a version again": (DELTA, [put(ONE, 1)]),
    "a version skipped": (DELTA, [put(ONE, 3)]),
    "a removed item starts again": (DELTA, [put(TWO, 1)]),
    "a removed item at its removal": (DELTA, [put(TWO, 2)]),
    "a new item at version 2": (DELTA, [put(ItemId.from_raw(bytes(16)), 2)]),
    "a removal of what is removed": (DELTA, [removal(TWO, 3)]),
    "a removal of what never was": (DELTA, [removal(ItemId.from_raw(bytes(16)), 1)]),
    "another epoch": (DELTA, [put(ONE, 2, epoch=2)]),
    "a rekey that removes": (REKEY, [removal(ONE, 2)]),
    "a rekey of what is removed": (REKEY, [put(TWO, 3, epoch=2)]),
    "a rekey of something new": (REKEY, [put(ItemId.from_raw(bytes(16)), 1, epoch=2)]),
    "a rekey of another size": (REKEY, [put(ONE, 2, epoch=2, size=LARGE)]),
    "a snapshot that forgets a removal": (SNAPSHOT, [put(ONE, 1)]),
    "a snapshot that revives": (SNAPSHOT, [put(ONE, 1), put(TWO, 1)]),
    "a snapshot with other bytes": (SNAPSHOT, [put(ONE, 1, what=b"y"), removal(TWO, 2)]),
    "a snapshot with another header": (
        SNAPSHOT,
        [replace(put(ONE, 1), header=compute_digest(b"other")), removal(TWO, 2)],
    ),
    "the first change is right, the second is not": (DELTA, [put(ONE, 2), put(TWO, 1)]),
}


@pytest.mark.parametrize("what", TAKEN)
def test_taken(what):
    kind, changes = TAKEN[what]
    items = fold(*BEFORE)
    items.follow(body(3, kind, *changes), changes)
    assert items.commit == 3
    assert all(items.newest[change.item] == change for change in changes)


@pytest.mark.parametrize("what", REFUSED)
def test_refused_and_nothing_changed(what):
    kind, changes = REFUSED[what]
    items = fold(*BEFORE)
    before = dict(items.newest), dict(items.live), items.commit
    with pytest.raises(TransitionError):
        items.follow(body(3, kind, *changes), changes)
    assert (items.newest, items.live, items.commit) == before


@pytest.mark.parametrize("said", [{"count": 2}, {"bytes": 1}, {"commit": 2}, {"commit": 4}])
@pytest.mark.parametrize("kind", [DELTA, SNAPSHOT])
def test_what_the_commit_says_is_checked(kind, said):
    changes = [put(ONE, 2)] if kind is DELTA else [put(ONE, 1), removal(TWO, 2)]
    said = {"count": len(changes) + 1} if "count" in said else said
    with pytest.raises(TransitionError):
        fold(*BEFORE).follow(body(3, kind, *changes, **said), changes)


def test_a_rekey_may_cut_into_other_chunks():
    """1 MiB inside, in chunks of 64 KiB and of 1 MiB: other sizes outside."""
    inner, header, tag = 2**20, 74, 16
    coarse, fine = header + inner + tag, header + inner + 16 * tag
    changes = [put(ONE, 2, epoch=2, size=fine)]
    items = fold((DELTA, [put(ONE, 1, size=coarse)]))
    items.follow(body(2, REKEY, *changes), changes)
    assert items.live[ONE].size == fine


def test_nothing_is_rekeyed_twice_under_one_epoch():
    items = fold(*BEFORE)
    for version, again in ((2, False), (3, True)):
        changes = [put(ONE, version, epoch=2)]
        with pytest.raises(TransitionError, match="nothing to do") if again else nullcontext():
            items.follow(body(version + 1, REKEY, *changes), changes)
    assert items.live[ONE].version == 2


def test_who_begins_at_a_snapshot_believes_it_and_checks_from_there_on():
    items = Items()
    stated = [put(ONE, 7), removal(TWO, 9)]
    items.follow(body(40, SNAPSHOT, *stated), stated)
    assert (items.live, items.commit) == ({ONE: stated[0]}, 40)
    with pytest.raises(TransitionError):
        items.follow(body(41, DELTA, put(TWO, 1)), [put(TWO, 1)])
    with pytest.raises(TransitionError):
        Items().follow(body(40, DELTA, put(ONE, 1)), [put(ONE, 1)])


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.booleans()), max_size=30))
def test_versions_of_an_item_only_grow(steps):
    items, seen = Items(), {ONE: 0, TWO: 0}
    for item, remove in steps:
        version = seen[item] + 1
        change = removal(item, version) if remove and item in items.live else put(item, version)
        items.follow(body(items.commit + 1, DELTA, change), [change])
        seen[item] = version
        snapshot = list(items.newest.values())
        begun = Items()
        begun.follow(body(items.commit + 1, SNAPSHOT, *snapshot), snapshot)
        assert (begun.newest, begun.live) == (items.newest, items.live)
        assert {item: change.version for item, change in items.newest.items()} == {
            item: version for item, version in seen.items() if version
        }
