"""One bad object harms one item: everything else goes on, and says which item, which commit, which device."""

import json
import os
from dataclasses import dataclass

import pytest

from solekey import UserKey
from solekey.crypto import DataKey, ItemContext, ItemMetadata, seal_bytes
from solekey.errors import ChangeListError, ItemNameUncertainError, OpenError, SwappedObjectError
from solekey.rotation.leftovers import find_leftovers
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import rekey_data, resume_rotation
from solekey_protocol.change_list import Change, Part, encode_change_list
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import ItemId, compute_digest
from solekey_protocol.limits import MIB
from solekey_protocol.streams import DeviceStatus
from tests.support.client.world import World, build_world

CONTENTS = {"good": b"1", "other": b"2", "bad": b"3", "film": os.urandom(3 * MIB)}


def flip(objects, digest):
    data = objects[digest]
    objects[digest] = data[:200] + bytes([data[200] ^ 1]) + data[201:]


def flip_late(objects, digest):
    """The name stays readable, the content does not."""
    data = objects[digest]
    objects[digest] = data[:-200] + bytes([data[-200] ^ 1]) + data[-199:]


def flip_byte(objects, digest):
    data = objects[digest]
    objects[digest] = bytes([data[0] ^ 1]) + data[1:]


def cut(objects, digest):
    objects[digest] = objects[digest][:-1]


def cut_header(objects, digest):
    objects[digest] = objects[digest][:40]


def lose(objects, digest):
    del objects[digest]


def empty(objects, digest):
    objects[digest] = b""


def replace_all(objects, digest):
    objects[digest] = os.urandom(len(objects[digest]))


DAMAGES = [flip, cut_header, lose, empty, replace_all]


@dataclass
class Damaged:
    """A world with an item that does not open, seen by a device that has not opened it before."""

    world: World
    item: ItemId
    digest: str
    whole: bytes

    def restore(self) -> None:
        self.world.account.objects[self.digest] = self.whole


@pytest.fixture(scope="module")
def first_full(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("full"), first_home) as home:
        home.unlock("laptop").put_many(CONTENTS)
        home.add_device("phone")
    return home


@pytest.fixture
def full(home, first_full):
    home.move_in(first_full)
    return home


def damage(world, how, name="bad"):
    vault = world.unlock("laptop")
    info = vault.find(name)
    digest = vault.unlocked.index.items[info.id].parts[0].digest
    found = Damaged(world, info.id, digest, world.account.objects[digest])
    how(world.account.objects, digest)
    return found


@pytest.mark.parametrize("how", DAMAGES)
def test_everything_else_goes_on(full, how):
    bad = damage(full, how)
    vault = full.unlock("phone")
    listing = vault.list()
    assert [info.name for info in listing] == ["film", "good", "other"]
    (unreadable,) = listing.unreadable
    assert (unreadable.id, unreadable.version, unreadable.commit) == (bad.item, 1, 1)
    assert unreadable.device == full.sessions["laptop"].devices.own_id
    assert unreadable.id in unreadable.describe()
    assert "commit 1" in unreadable.describe()
    assert vault.get("good").content == b"1"
    assert vault.put("good", b"new").version == 2
    assert vault.put("fresh", b"new").version == 1
    vault.remove("other")
    assert vault.remove(bad.item).name is None
    assert vault.list().unreadable == ()
    assert {info.name for info in vault.list()} == {"film", "fresh", "good"}


@pytest.mark.parametrize("how", [*DAMAGES, cut])
def test_getting_the_bad_one_names_item_commit_and_device(full, how):
    bad = damage(full, how)
    with pytest.raises((OpenError, SwappedObjectError)) as refusal:
        full.unlock("phone").get(bad.item)
    (note,) = refusal.value.__notes__
    device = full.sessions["laptop"].devices.own_id
    assert bad.item in note
    assert "commit 1" in note
    assert device in note
    assert refusal.value.about["item"]["id"] == bad.item


def test_by_id_only_that_item_is_opened(full):
    bad, vault = damage(full, flip), full.unlock("phone")
    good = next(info for info in full.unlock("laptop").list() if info.name == "good")
    vault.refresh()
    full.server.requests.clear()
    assert vault.get(good.id).content == b"1"
    fetched = [path for _, path in full.server.requests if "objects" in path]
    assert len(fetched) == 2
    assert not any(bad.digest in path for path in fetched)


def test_removing_by_id_opens_nothing(full):
    bad, vault = damage(full, lose), full.unlock("phone")
    vault.refresh()
    full.server.requests.clear()
    vault.remove(bad.item)
    assert not [path for method, path in full.server.requests if "objects" in path and method != "PUT"]


def test_a_name_is_not_said_to_be_missing_while_it_may_be_the_unreadable_one(full):
    bad = damage(full, flip)
    with pytest.raises(ItemNameUncertainError, match=f"may be one of the unreadable ones: {bad.item}"):
        full.unlock("phone").get("bad")


def test_an_item_whose_object_comes_back_is_readable_again(full):
    bad, vault = damage(full, lose), full.unlock("phone")
    assert len(vault.list().unreadable) == 1
    bad.restore()
    assert vault.list().unreadable == ()
    assert vault.get("bad").content == b"3"


@pytest.mark.parametrize("name", ["bad", "film"])
@pytest.mark.parametrize("how", [*DAMAGES, flip_late])
def test_a_rekey_goes_on_and_is_finished_once_the_item_is_removed(full, how, name):
    bad, vault = damage(full, how, name), full.unlock("phone")
    rekey_data(vault)
    assert [item.id for item in find_leftovers(vault.unlocked)] == [bad.item]
    assert epochs(full) == [1, 2]
    assert {change.epoch for change in live(vault) if change.item != bad.item} == {2}
    assert full.account.states[Stream.ROTATION].open is None
    vault.remove(bad.item)
    resume_rotation(vault)
    assert epochs(full) == [2]
    assert find_leftovers(vault.unlocked) == ()


@pytest.mark.parametrize("name", ["bad", "film"])
def test_a_rekey_is_finished_once_the_item_is_restored(full, name):
    bad, vault = damage(full, lose, name), full.unlock("phone")
    rekey_data(vault)
    bad.restore()
    resume_rotation(vault)
    assert epochs(full) == [2]
    assert {change.epoch for change in live(vault)} == {2}
    assert vault.get(name).content == CONTENTS[name]
    state = full.account.states[Stream.VAULT]
    assert state.purged_through == state.last_snapshot


def test_the_next_rekey_takes_a_restored_item_along(full):
    bad, vault = damage(full, lose), full.unlock("phone")
    rekey_data(vault)
    bad.restore()
    rekey_data(vault)
    assert epochs(full) == [3]
    assert vault.get("bad").content == b"3"


@pytest.mark.parametrize("how", [*DAMAGES, flip_late])
def test_a_revocation_finishes(full, how):
    full.add_device("lost")
    bad, vault = damage(full, how, "film"), full.unlock("phone")
    lost = full.sessions["lost"].devices.own_id
    new = UserKey.make().to_phrase()
    revocation = revoke_device(vault, lost, UserKey.from_phrase(new))
    assert [item.id for item in revocation.left] == [bad.item]
    assert "except 1 items that could not be re-encrypted" in revocation.describe()
    assert full.account.states[Stream.DEVICES].devices[lost].status is DeviceStatus.REVOKED
    assert len(full.account.states[Stream.ROTATION].completed) == 2
    with full.reopen("laptop").unlock(UserKey.from_phrase(new)) as laptop:
        assert {change.epoch for change in live(laptop) if change.item != bad.item} == {2}
        bad.restore()
        assert laptop.get("film").content == CONTENTS["film"]


def test_a_garbage_item_of_a_thief_harms_nobody(full):
    """Who holds a device's key may commit what no key opens."""
    garbage, item = os.urandom(400), ItemId.from_raw(os.urandom(16))
    commit_raw(
        full,
        "laptop",
        Change(item, 1, 1, (Part(compute_digest(garbage), 400),), compute_digest(garbage[:74])),
        garbage,
    )
    vault = full.unlock("phone")
    listing = vault.list()
    assert len(listing) == 4
    assert [(found.id, found.commit) for found in listing.unreadable] == [(item, 2)]
    rekey_data(vault)
    assert epochs(full) == [1, 2]
    vault.remove(item)
    resume_rotation(vault)
    assert epochs(full) == [2]
    assert len(vault.list()) == 4


def test_an_item_under_a_key_that_nobody_has_harms_nobody(full):
    item = ItemId.from_raw(os.urandom(16))
    metadata = ItemMetadata("x", "text/plain", 0, 0)
    context = ItemContext(full.account.account, item, 1)
    envelope = seal_bytes(
        b"x", metadata=metadata, data_key=DataKey.make(1, os.urandom), context=context, random=os.urandom
    )
    commit_raw(
        full,
        "laptop",
        Change(item, 1, 1, (Part(compute_digest(envelope), len(envelope)),), compute_digest(envelope[:74])),
        envelope,
    )
    listing = full.unlock("phone").list()
    assert len(listing) == 4
    assert [found.error.code for found in listing.unreadable] == ["open_failed"]


def test_the_commit_of_an_old_item_is_found_by_a_new_device(full):
    """It begins at a snapshot, which does not say who made an item."""
    full.unlock("laptop").unlocked.committer.commit_snapshot()
    bad = damage(full, flip)
    with full.add_device("tablet").unlock(full.key()) as vault:
        (unreadable,) = vault.list().unreadable
    assert (unreadable.id, unreadable.commit) == (bad.item, 1)
    assert unreadable.device == full.sessions["laptop"].devices.own_id


def test_a_list_that_is_not_as_committed_blames_no_other_commit(full):
    """The server answers an earlier commit's change list with the one that has the item."""
    laptop = full.unlock("laptop")
    laptop.put("later", "x")
    first, second = (
        event.body.changes
        for event in full.account.events[Stream.VAULT]
        if isinstance(event.body, ItemsCommitted)
    )
    laptop.unlocked.committer.commit_snapshot()
    bad = damage(full, flip, "later")
    full.account.objects[first] = full.account.objects[second]
    with full.add_device("tablet").unlock(full.key()) as vault:
        (unreadable,) = vault.list().unreadable
    assert (unreadable.id, unreadable.commit) == (bad.item, 2)


@pytest.mark.parametrize("how", [flip_byte, lose])
def test_a_damaged_change_list_is_told_for_what_it_is(full, how):
    body = full.account.events[Stream.VAULT][-1].body
    assert isinstance(body, ItemsCommitted)
    how(full.account.objects, body.changes)
    device = full.sessions["laptop"].devices.own_id
    with pytest.raises(ChangeListError, match=f"change list of commit 1 by {device}"):
        full.unlock("phone").list()
    with full.reopen("laptop").unlock(full.key()) as follower:
        assert len(follower.list()) == 4


def test_a_lost_object_of_a_version_that_was_just_replaced_is_no_finding(full):
    phone, laptop = full.unlock("phone"), full.unlock("laptop")
    digest = next(c.parts[0].digest for c in live(laptop) if c.item == laptop.find("good").id)

    def before(request):
        if request.url.path.endswith("/objects/fetch") and digest in request.content.decode():
            full.server.be_honest()
            laptop.put("good", b"newer")
            full.account.objects.pop(digest, None)

    full.server.before = before
    listing = phone.list()
    assert listing.unreadable == ()
    assert len(listing) == 4


def test_the_commands_say_it_and_have_an_exit_code_of_their_own(full, run_cli):
    bad = damage(full, flip)
    key = full.phrase
    code, out, err = run_cli("phone", "list", "--user-key", key)
    assert code == 10
    assert "good" in out
    assert bad.item in err
    assert "commit 1" in err
    code, out, err = run_cli("phone", "list", "--json", "--user-key", key)
    document = json.loads(out)
    assert (code, len(document["items"])) == (10, 3)
    assert [item["id"] for item in document["unreadable"]] == [bad.item]
    assert run_cli("phone", "get", "good", "--user-key", key)[:2] == (0, "1")
    assert run_cli("phone", "put", "--text", "4", "--name", "four", "--user-key", key)[0] == 0
    assert run_cli("phone", "remove", "other", "--user-key", key)[0] == 0
    code, _, err = run_cli("phone", "get", bad.item, "--json", "--user-key", key)
    assert code == 6
    assert json.loads(err)["error"]["item"]["commit"] == 1
    code, out, err = run_cli("phone", "rotate", "data-key", "--user-key", key)
    assert code == 10
    assert bad.item in out
    assert "solekey rotate resume" in out
    assert run_cli("phone", "remove", bad.item, "--user-key", key)[0] == 0
    assert run_cli("phone", "rotate", "resume", "--user-key", key)[0] == 0
    assert run_cli("phone", "list", "--user-key", key)[0] == 0
    assert epochs(full) == [2]


def epochs(world):
    return sorted(wrap.wrapped.epoch for wrap in world.account.states[Stream.VAULT].live_wraps())


def live(vault):
    vault.refresh()
    return list(vault.unlocked.index.items.values())


def make_change(item, envelope):
    part = Part(compute_digest(envelope), len(envelope))
    return Change(item, 1, 1, (part,), compute_digest(envelope[:74]))


def commit_raw(world, name, change, data):
    """Commit what an unlocked device can sign, whatever the client's own code would refuse."""
    session = world.reopen(name)
    session.sync()
    encoded = encode_change_list([change])
    world.account.objects.update({compute_digest(each): each for each in (data, encoded)})
    commit = session.streams.vault.last_commit + 1
    body = ItemsCommitted(commit, CommitKind.DELTA, 1, compute_digest(encoded), 1, change.size)
    with session.unlock(world.key()) as vault:
        vault.unlocked.say(lambda: body)
