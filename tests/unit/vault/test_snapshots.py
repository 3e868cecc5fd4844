"""A snapshot is compared with what there is byte by byte, whatever it says and however it is cut."""

from dataclasses import replace

import pytest

from solekey_protocol.change_list import Part, encode_change, encode_change_list, join_changes
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.page_list import Page, encode_page_list, encode_pages, join_pages, parse_page_list
from solekey_vault.item_repository import StoredChange
from solekey_vault.refusals import CommitMismatch, PartsMissing
from solekey_vault.snapshots import find_difference
from tests.support.content import change_of, commit_of, content_of
from tests.support.keys import derive_raw
from tests.unit.vault.vault_rig import LAPTOP, Vault

ITEMS = sorted(
    (ItemId.from_raw(derive_raw(f"item {number}")) for number in range(6)), key=lambda item: item.raw
)
LIVE = [change_of(item, 1) for item in ITEMS[:4]]
REMOVED = change_of(ITEMS[4], 2, epoch=0, size=0)
STORED = [*LIVE, REMOVED]
NEW = change_of(ITEMS[5], 1)
SMALL_PAGE = 210  # bytes: two changes


def compare(stated, page_bytes=SMALL_PAGE, stored=STORED, spoil=None, **lies):
    encoded, bodies = encode_pages(stated, page_bytes)
    pages = list(parse_page_list(encoded))
    if spoil:
        spoil(pages, bodies)
    body = commit_of(*stated, kind=CommitKind.SNAPSHOT, **lies)
    rows = (StoredChange(change.item.raw, change.size, encode_change(change)) for change in stored)
    return find_difference(body, pages, iter(bodies), rows)


@pytest.mark.parametrize("page_bytes", [1, SMALL_PAGE, 350, 1 << 20])
def test_what_there_is_is_taken_however_it_is_cut(page_bytes):
    assert compare(STORED, page_bytes) is None
    assert compare([], page_bytes, []) is None


def lose(pages, bodies):
    bodies[1] = None


def lengthen(pages, bodies):
    bodies[0] += b"\x00"
    pages[0] = Page(compute_digest(bodies[0]), len(bodies[0]), pages[0].count)


def miscount(pages, bodies):
    pages[0] = Page(pages[0].digest, pages[0].size, 1)


def swap(pages, bodies):
    pages.reverse()
    bodies.reverse()


def respell(pages, bodies):
    """Another encoding of the same change: a version in two bytes."""
    rows = [encode_change(change) for change in LIVE[:2]]
    rows[0] = rows[0][:18] + b"\x18" + rows[0][18:]
    bodies[0] = join_changes(rows)
    pages[0] = Page(compute_digest(bodies[0]), len(bodies[0]), 2)


REFUSED = {
    "omits an item": {"stated": [*LIVE[1:], REMOVED]},
    "omits the last item": {"stated": LIVE},
    "invents an item": {"stated": [*STORED, NEW]},
    "rolls a version back": {"stated": STORED, "stored": [change_of(ITEMS[0], 2), *STORED[1:]]},
    "names other ciphertext": {"stated": [change_of(ITEMS[0], 1, size=99), *STORED[1:]]},
    "keeps what was removed": {"stated": [*LIVE, change_of(ITEMS[4], 1)]},
    "removes what is there": {"stated": [change_of(ITEMS[0], 2, epoch=0, size=0), *STORED[1:]]},
    "has lost a page": {"stated": STORED, "spoil": lose},
    "has a page that is longer": {"stated": STORED, "spoil": lengthen},
    "has a page of another count": {"stated": STORED, "spoil": miscount},
    "has pages in another order": {"stated": STORED, "spoil": swap},
    "is encoded in another way": {"stated": STORED, "spoil": respell},
    "says another count": {"stated": STORED, "count": 4},
    "says another size": {"stated": STORED, "bytes": 1},
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_snapshot_is_refused_that(what):
    assert compare(**REFUSED[what]) is not None


@pytest.mark.parametrize(("member", "by"), [("size", 1), ("count", -1), ("count", 1)])
def test_a_list_that_says_another_size_or_count_of_a_page_is_refused(member, by):
    """No client could read such a snapshot. (The control is above: the same pages as they are.)"""

    def lie(pages, _):
        pages[0] = replace(pages[0], **{member: getattr(pages[0], member) + by})

    assert "is not as its list says" in compare(STORED, spoil=lie)


@pytest.fixture
def vault(rig, tmp_path):
    vault = Vault(rig, tmp_path / "objects")
    vault.change_devices((LAPTOP, LAPTOP.founded(), {}))
    vault.add_wrap()
    vault.commit(*LIVE, change_of(ITEMS[4], 1))
    vault.commit(REMOVED)
    return vault


def test_pages_of_a_snapshot_are_kept_as_long_as_it(vault):
    encoded, bodies = encode_pages(STORED, SMALL_PAGE)
    assert len(bodies) == 3
    body = commit_of(*STORED, kind=CommitKind.SNAPSHOT, commit=3, changes=compute_digest(encoded))
    vault.put(encoded, bodies[0], bodies[2])
    with pytest.raises(PartsMissing, match="pages: 1 were not uploaded") as refused:
        vault.say(body)
    assert refused.value.extras == {"missing": [compute_digest(bodies[1])]}
    vault.put(bodies[1])
    assert vault.say(body).status == 201
    vault.rig.clock.advance(2 * 86400)
    vault.rig.log_in(LAPTOP)
    vault.api.purge_unclaimed()
    assert vault.has(encoded, *bodies) == [True] * 4
    before = vault.dump()
    assert len(before["commit_pages"]) == 3
    vault.api.rebuild_items()
    assert vault.dump() == before


def test_a_page_that_poses_as_ciphertext_is_not_purged_with_it(vault):
    encoded, bodies = encode_pages(STORED)
    vault.commit(*STORED, kind=CommitKind.SNAPSHOT)
    item = change_of(NEW.item, 1)
    posing = replace(item, parts=(Part(compute_digest(bodies[0]), len(bodies[0])),))
    vault.put(encode_change_list([posing]))
    assert vault.say(commit_of(posing, commit=4)).status == 201
    vault.commit(change_of(NEW.item, 2))
    vault.purge(5)
    vault.rig.clock.advance(40 * 86400)
    vault.rig.log_in(LAPTOP)
    vault.api.purge_unclaimed()
    assert vault.has(encoded, *bodies, content_of(NEW.item, 2)) == [True, True, True]


def test_a_change_list_is_no_page_list(vault):
    listed = encode_change_list(STORED)
    vault.put(listed)
    with pytest.raises(CommitMismatch, match="page list"):
        vault.say(commit_of(*STORED, kind=CommitKind.SNAPSHOT, commit=3, changes=compute_digest(listed)))


def test_pages_come_back_as_they_were_cut():
    encoded, bodies = encode_pages(STORED, SMALL_PAGE)
    pages = parse_page_list(encoded)
    assert [page.count for page in pages] == [2, 2, 1]
    assert join_pages(pages, bodies) == STORED
    assert encode_page_list(pages) == encoded
