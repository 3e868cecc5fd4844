"""What was removed comes back while the server keeps it; what no wrap opens is wrapped anew."""

import os

import pytest

from solekey import UserKey
from solekey.errors import ItemMissingError, RepairFailedError, SwappedObjectError, TamperedWrapError
from solekey.rotation.repair import find_missing_epochs, repair_wraps
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey_protocol.events import Stream


def test_a_removed_item_comes_back_under_its_name(home):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour, water", tags=["kitchen"], attributes={"from": "grandma"})
    vault.put("other", "stays")
    vault.remove("recipe")
    (removed,) = vault.list_removed()
    assert removed.metadata.name == "recipe"
    stored = vault.restore("recipe")
    item = vault.get("recipe")
    assert item.content == b"flour, water"
    assert (item.info.metadata.tags, item.info.metadata.attributes) == (("kitchen",), {"from": "grandma"})
    assert stored.id != removed.id  # versions of a removed item never start again


def test_a_large_item_comes_back_after_a_re_key_and_a_purge(home):
    vault = home.unlock("laptop")
    content = os.urandom(3 * 1024 * 1024)
    vault.put("film", content)
    vault.remove("film")
    rekey_data(vault)
    vault.restore(vault.list_removed()[0].id)
    assert vault.get("film").content == content


def test_what_is_not_removed_or_gone_is_said(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    with pytest.raises(ItemMissingError):
        vault.restore("a")
    vault.remove("a")
    home.account.objects.clear()
    (removed,) = vault.list_removed()
    assert removed.metadata is None
    with pytest.raises(ItemMissingError):
        vault.restore("a")


@pytest.mark.parametrize("withheld", [True, False])
def test_an_older_version_is_never_restored_as_the_last_one(home, withheld):
    """A server withholds the change list of the last version, or shows an older one in its place."""
    vault = home.unlock("laptop")
    vault.put("plan", "one")
    item = vault.put("plan", "two").id
    vault.remove("plan")
    first, second, _ = [event.body.changes for event in commits(vault)]
    objects = home.account.objects
    if withheld:
        del objects[second]
    else:
        objects[second] = objects[first]
    (removed,) = vault.list_removed()
    assert (removed.metadata, removed.removed_in) == (None, 3)
    with pytest.raises(SwappedObjectError, match="damaged or withheld"):
        vault.restore(item)


def commits(vault):
    return [event for event in vault.unlocked.streams.events(Stream.VAULT) if hasattr(event.body, "commit")]


def test_a_key_whose_wrap_was_lost_is_wrapped_anew_with_older_words(home):
    old = home.phrase
    vault = home.unlock("laptop")
    vault.put("a", "1")
    home.phrase = UserKey.make().to_phrase()
    change_user_key(vault, home.key())
    (live,) = home.account.states[Stream.VAULT].live_wraps()
    del home.account.wraps[live.wrapped.wrap]  # the server has lost what it must have
    session = home.reopen("laptop")
    with pytest.raises(TamperedWrapError), session.unlock(home.key()):
        pass
    with session.unlock(home.key(), repairing=True) as repaired:
        with pytest.raises(RepairFailedError):
            repair_wraps(repaired, UserKey.make())
        assert repair_wraps(repaired, UserKey.from_phrase(old)) == (1,)
        assert repaired.get("a").content == b"1"
        assert find_missing_epochs(repaired.unlocked) == []
    with home.reopen("laptop").unlock(home.key()) as vault:
        assert vault.get("a").content == b"1"
        home.phrase = UserKey.make().to_phrase()
        change_user_key(vault, home.key())  # and the account goes on
        rekey_data(vault)
