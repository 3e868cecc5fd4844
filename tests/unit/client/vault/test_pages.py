"""A client reads a snapshot of many pages, and believes none that its signed list does not name."""

from functools import partial

import pytest

from solekey.errors import ChangeListError, ForgedEventError
from solekey.vault import commits
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import compute_digest
from solekey_protocol.page_list import encode_page_list, encode_pages, parse_page_list

NAMES = [f"item {number}" for number in range(5)]


@pytest.fixture
def paged(home, monkeypatch):
    """Five items, and a snapshot of them with a page each."""
    monkeypatch.setattr(commits, "encode_pages", partial(encode_pages, page_bytes=1))
    vault = home.unlock("laptop")
    vault.put_many({name: name.encode() for name in NAMES})
    vault.unlocked.committer.commit_snapshot()
    return home


def find_pages(home):
    body = home.account.events[Stream.VAULT][-1].body
    assert isinstance(body, ItemsCommitted)
    return parse_page_list(home.account.objects[body.changes])


def test_a_new_device_begins_at_a_snapshot_of_many_pages(paged):
    assert len(find_pages(paged)) == len(NAMES)
    with paged.add_device("tablet").unlock(paged.key()) as tablet:
        assert [info.name for info in tablet.list()] == NAMES
        tablet.put("one more", b"x")
        tablet.unlocked.committer.commit_snapshot()
    assert len(find_pages(paged)) == len(NAMES) + 1
    assert "one more" in [info.name for info in paged.unlock("laptop").list()]


def lose(objects, digest):
    del objects[digest]


def swap(objects, digest):
    objects[digest] = objects[digest][:-1] + bytes([objects[digest][-1] ^ 1])


@pytest.mark.parametrize("spoil", [lose, swap])
def test_a_page_that_is_not_what_the_list_names_is_told(paged, spoil):
    spoil(paged.account.objects, find_pages(paged)[2].digest)
    with (
        pytest.raises(ChangeListError, match="commit 2"),
        paged.add_device("tablet").unlock(paged.key()) as tablet,
    ):
        tablet.list()


def test_a_signed_list_whose_pages_are_out_of_order_is_forged(paged, monkeypatch):
    def encode_reversed(changes):
        encoded, pages = encode_pages(changes, page_bytes=1)
        return encode_page_list(parse_page_list(encoded)[::-1]), pages[::-1]

    monkeypatch.setattr(commits, "encode_pages", encode_reversed)
    with pytest.raises(ForgedEventError, match="out of order"):
        paged.unlock("laptop").unlocked.committer.commit_snapshot()


def test_what_this_device_has_made_is_not_fetched_again(paged, monkeypatch):
    vault = paged.unlock("laptop")
    monkeypatch.setattr(type(vault.unlocked.objects), "fetch_many", lambda *_: iter(()))
    vault.unlocked.committer.commit_snapshot()
    assert {compute_digest(paged.account.objects[page.digest]) for page in find_pages(paged)}
