"""A history is complete or says what is missing; what was replaced can be read and restored."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from solekey import VersionState
from solekey.errors import (
    EpochKeyMissingError,
    ItemMissingError,
    LostObjectError,
    SwappedObjectError,
    VersionMissingError,
)
from solekey.rotation.rotation import rekey_data
from solekey.vault.history import _Edit, _find_state
from solekey.vault.history_limits import HistoryLimits
from solekey_protocol.change_list import encode_change_list, parse_change_list
from solekey_protocol.events import Stream
from solekey_protocol.ids import compute_digest
from solekey_protocol.limits import MIB
from tests.support.client.transfers import restart


@pytest.fixture
def vault(home):
    vault = home.unlock("laptop")
    vault.put("plan", "one", tags=["first"])
    vault.put("other", "x")
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("plan")
    phone.put("plan", "two")
    vault.get("plan")
    vault.describe("plan", tags=["second"])
    return vault


def shown(vault, name="plan"):
    return [(past.version, past.state.value) for past in vault.history(name)]


def lose_version(home, vault, version):
    """The server deletes or withholds the bytes of a version."""
    (past,) = [past for past in vault.history("plan") if past.version == version]
    for part in past.change.parts:
        del home.account.objects[part.digest]


def test_a_history_tells_who_edited_an_item_and_when(home, vault):
    history = vault.history("plan")
    assert shown(vault) == [(3, "live"), (2, "kept"), (1, "kept")]
    devices = {name: home.sessions[name].connection.profile.device_key.device_id for name in home.sessions}
    assert [past.device for past in history] == [devices[name] for name in ("laptop", "phone", "laptop")]
    assert [past.metadata.tags for past in history] == [("second",), ("first",), ("first",)]
    assert history[0].made > history[1].made > history[2].made
    assert "plan" not in repr(history)


def test_old_versions_can_be_read_in_every_way(vault, tmp_path):
    assert [vault.get("plan", version=number).content for number in (1, 2, 3)] == [b"one", b"two", b"two"]
    assert vault.get("plan", version=1).version == 1
    vault.get_file("plan", tmp_path / "plan", version=1)
    assert (tmp_path / "plan").read_bytes() == b"one"
    assert b"".join(vault.iter_content("plan", version=1)) == b"one"
    assert vault.open("plan", version=1).read() == b"one"
    assert vault.find("plan", version=1).size == 3


def test_a_large_old_version_comes_back(vault):
    film = os.urandom(3 * MIB)
    vault.put("film", film)
    vault.put("film", b"replaced")
    assert vault.get("film", version=1).content == film
    assert vault.restore("film", version=1).version == 3
    assert vault.get("film").content == film


def test_reading_an_old_version_is_no_read_of_the_item(home, vault):
    restart(home, "phone").get("plan", version=1)
    assert restart(home, "phone").put("plan", "from an old version").conflict


def test_a_restored_version_becomes_the_newest_and_nothing_is_lost(vault):
    stored = vault.restore("plan", version=1)
    item = vault.get("plan")
    assert (stored.version, item.content, item.info.tags) == (4, b"one", ("first",))
    assert shown(vault) == [(4, "live"), (3, "kept"), (2, "kept"), (1, "kept")]


def test_a_re_encryption_is_no_version_and_keeps_its_author(home, vault):
    device = vault.history("plan")[1].device
    rekey_data(vault)
    vault.get("plan")
    vault.put("plan", "three")
    assert shown(vault)[0] == (4, "live")
    assert [past.version for past in vault.history("plan")] == [4, 3, 2, 1]
    assert vault.history("plan")[2].device == device


def test_after_a_re_key_history_lasts_for_the_grace_time(home, vault):
    rekey_data(vault)
    assert shown(vault) == [(3, "live"), (2, "kept"), (1, "kept")]
    lose_version(home, vault, 1)
    assert shown(vault) == [(3, "live"), (2, "kept"), (1, "gone")]
    with pytest.raises(VersionMissingError, match="deleted since"):
        vault.get("plan", version=1)


def test_a_withheld_version_is_told_from_one_that_is_gone(home, vault):
    lose_version(home, vault, 1)
    assert shown(vault)[-1] == (1, "damaged")
    with pytest.raises(SwappedObjectError, match="lost the object"):
        vault.get("plan", version=1)
    with pytest.raises(SwappedObjectError):
        vault.restore("plan", version=1)
    assert vault.get("plan", version=2).content == b"two"


def test_a_withheld_change_list_is_no_shorter_history(home, vault):
    first = vault.unlocked.streams.events(Stream.VAULT)
    (changes,) = [event.body.changes for event in first if getattr(event.body, "commit", 0) == 1]
    del home.account.objects[changes]
    with pytest.raises(SwappedObjectError, match="commit 1 is damaged or withheld"):
        vault.history("plan")
    assert shown(vault, "other")[0] == (1, "live")


def forge_list(home, vault, commit, **changed):
    """The server answers a commit with another change list, as well made as the right one."""
    bodies = {
        getattr(each.body, "commit", 0): each.body for each in vault.unlocked.streams.events(Stream.VAULT)
    }
    (change,) = parse_change_list(home.account.objects[bodies[commit].changes])
    forged = replace(change, **changed)
    home.account.objects[bodies[commit].changes] = encode_change_list([forged])
    return forged


def test_another_change_list_is_not_believed(home, vault):
    forge_list(home, vault, 1, header=compute_digest(b"other"))
    with pytest.raises(SwappedObjectError, match="commit 1 is damaged or withheld"):
        vault.history("plan")


def test_of_a_removed_item_another_change_list_is_not_believed(home):
    vault = home.unlock("laptop")
    vault.put("plan", "one")
    vault.remove("plan")
    (honest,) = vault.list_removed()
    assert honest.error is None
    forged = forge_list(home, vault, 1, header=compute_digest(b"other"))
    (removed,) = vault.list_removed()
    assert removed.last != forged
    assert removed.last.removed
    assert isinstance(removed.error, SwappedObjectError)


def test_a_purge_covers_what_was_replaced_before_it_alone(home, vault):
    """Version 2 was made before the purge, and replaced by the commit that follows it."""
    through = vault.prune(older_than_days=0)
    vault.put("plan", "four")
    assert vault.history("plan")[0].commit == through + 1
    for version in (2, 3):
        lose_version(home, vault, version)
    assert shown(vault) == [(4, "live"), (3, "damaged"), (2, "gone"), (1, "kept")]


LOST, SWAPPED, KEY = LostObjectError("x"), SwappedObjectError("x"), EpochKeyMissingError(1)
LIMITS = HistoryLimits(datetime(2026, 1, 1, tzinfo=UTC), 1, 1, 1)


@pytest.mark.parametrize(
    ("error", "purged", "collected", "expected"),
    [
        (None, None, None, VersionState.LIVE),
        (None, False, None, VersionState.KEPT),
        (None, True, LIMITS, VersionState.KEPT),  # its grace time is not over
        (LOST, None, None, VersionState.DAMAGED),  # what nothing has replaced is never gone
        (LOST, False, None, VersionState.DAMAGED),
        (LOST, True, None, VersionState.GONE),
        (LOST, False, LIMITS, VersionState.GONE),
        (SWAPPED, True, LIMITS, VersionState.DAMAGED),  # whoever deletes sends no other bytes
        (KEY, None, None, VersionState.DAMAGED),
        (KEY, False, None, VersionState.GONE),  # a re-key has retired it
    ],
)
def test_only_what_may_be_deleted_is_gone(vault, error, purged, collected, expected):
    event = vault.unlocked.streams.events(Stream.VAULT)[-1]
    change = vault.history("plan")[0].change
    edit = _Edit(event, event.body, [change], [], error=error, collected=collected)
    assert _find_state(edit, purged) is expected


def test_a_removed_item_has_a_history_and_comes_back_in_any_version(vault):
    item = vault.find("plan").id
    vault.remove("plan")
    assert shown(vault)[:2] == [(3, "removed"), (3, "kept")]
    assert shown(vault, item) == shown(vault)
    assert vault.get("plan", version=1).content == b"one"
    vault.put("plan", "a new one of this name")
    stored = vault.restore(item, version=2)
    assert (stored.name, stored.version) == ("plan (restored)", 1)
    assert vault.restore(item).name == "plan (restored 2)"
    assert vault.get("plan").content == b"a new one of this name"


def test_what_never_was_is_said(vault):
    for version in (0, 4):
        with pytest.raises(VersionMissingError, match="newest is 3"):
            vault.get("plan", version=version)
    for name in ("nothing", "itm_aaaaaaaaaaaaaaaaaaaaaaaaaa"):
        with pytest.raises(ItemMissingError):
            vault.history(name)
    assert VersionState.LIVE == "live"


def test_what_is_old_is_pruned_and_the_live_version_stays(home, vault):
    assert vault.prune(older_than_days=1) is None
    through = vault.prune(older_than_days=0)
    assert through == vault.unlocked.streams.vault.last_commit
    assert vault.prune(older_than_days=0) is None
    lose_version(home, vault, 1)
    assert shown(vault)[0] == (3, "live")
    assert shown(vault)[-1] == (1, "gone")
    assert vault.get("plan").content == b"two"
    with pytest.raises(ValueError, match="0 or more"):
        vault.prune(older_than_days=-1)
