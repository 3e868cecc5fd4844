"""Many items in several commits: in order, sealed ahead, rebased where need be, and honest after an error."""

import pytest

from solekey.errors import ContentionError
from solekey.rotation.rotation import rekey_data
from solekey.vault import edits
from solekey.vault.commits import Committer

AT_ONCE = 5
NAMES = [f"item {number}" for number in range(23)]


@pytest.fixture(autouse=True)
def small_commits(monkeypatch):
    monkeypatch.setattr(edits, "MAX_DRAFTS", AT_ONCE)


@pytest.fixture
def before_commit(monkeypatch):
    """What happens before the commit of a number, from 1; the drafts have been sealed by then."""
    planned, real, begun = {}, Committer.commit, []

    def commit(self, drafts, **options):
        begun.append(drafts)
        if action := planned.pop(len(begun), None):
            action()
        return real(self, drafts, **options)

    monkeypatch.setattr(Committer, "commit", commit)
    return planned


def read_all(vault):
    return {info.name: vault.get(info.id).content.decode() for info in vault.list()}


def test_they_are_stored_in_order_in_as_many_commits_as_they_need(home):
    vault = home.unlock("laptop")
    stored = vault.put_many({name: name for name in NAMES})
    assert [each.name for each in stored] == NAMES
    assert vault.unlocked.streams.vault.last_commit == 5
    assert read_all(vault) == {name: name for name in NAMES}


def test_each_item_is_sealed_once(home, monkeypatch):
    vault, sealed = home.unlock("laptop"), []
    uploader = type(vault.unlocked.committer.uploader)
    real = uploader.seal_small
    monkeypatch.setattr(
        uploader, "seal_small", lambda self, put, *rest: sealed.append(put.item) or real(self, put, *rest)
    )
    stored = vault.put_many({name: name for name in NAMES})
    assert sealed == [each.id for each in stored]


def test_what_another_device_edits_meanwhile_becomes_a_conflict_copy(home, before_commit):
    vault = home.unlock("laptop")
    vault.put("item 12", "of before")
    home.add_device("phone")
    phone = home.unlock("phone")
    before_commit[3] = lambda: phone.put("item 12", "the phone's")  # the 2nd commit of these: 1 was the put
    stored = vault.put_many({name: name for name in NAMES})
    assert [each.name for each in stored if each.conflict] == ["item 12 (conflict, laptop)"]
    found = read_all(vault)
    assert found["item 12"] == "the phone's"
    assert found["item 12 (conflict, laptop)"] == "item 12"
    assert len(found) == len(NAMES) + 1


def test_what_was_sealed_for_an_epoch_that_was_replaced_is_sealed_again(home, before_commit):
    vault = home.unlock("laptop")
    home.add_device("phone")
    phone = home.unlock("phone")
    before_commit[3] = lambda: rekey_data(phone)
    vault.put_many({name: name for name in NAMES})
    assert read_all(vault) == {name: name for name in NAMES}
    assert {info.epoch for info in vault.list() if info.name in NAMES[10:]} == {2}


def test_an_error_says_how_many_were_stored_before_it(home, before_commit):
    def fail():
        raise ContentionError("too busy")

    vault = home.unlock("laptop")
    before_commit[3] = fail
    with pytest.raises(ContentionError) as refusal:
        vault.put_many({name: name for name in NAMES})
    assert refusal.value.__notes__ == ["The first 10 of 23 items are stored; put the others again."]
    assert read_all(vault) == {name: name for name in NAMES[:10]}
