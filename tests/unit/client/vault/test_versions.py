"""An edit replaces nothing that its author has not seen, and keeps what it does not give."""

import dataclasses
import os

import pytest

from solekey import NewContent
from solekey.errors import (
    AmbiguousNameError,
    DiskFullError,
    ItemChangedError,
    ItemMissingError,
    MetadataError,
    NameTakenError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.rotation.rotation import rekey_data
from solekey.vault.seen import JOURNAL
from solekey_protocol.limits import MIB
from tests.support.client.transfers import restart
from tests.support.client.world import build_world

DESCRIBED = {"type": "text/x-recipe", "tags": ("kitchen", "old"), "attributes": {"serves": "4"}}


def describe(info):
    return {"type": info.type, "tags": info.tags, "attributes": dict(info.attributes)}


@pytest.fixture(scope="module")
def first_two(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("two"), first_home) as home:
        home.unlock("laptop").put("plan", "one")
        home.add_device("phone")
    return home


@pytest.fixture
def two(home, first_two):
    """A laptop and a phone that know the same item."""
    home.move_in(first_two)
    return home


def put_file(vault, folder, content):
    path = folder / "recipe"
    path.write_bytes(content)
    return vault.put_file(path)


PUTS = {
    "put": lambda vault, _: vault.put("recipe", b"new"),
    "put_many": lambda vault, _: vault.put_many({"recipe": b"new"})[0],
    "put_many, described": lambda vault, _: vault.put_many({"recipe": NewContent(b"new")})[0],
    "put_file": lambda vault, folder: put_file(vault, folder, b"new"),
    "put_file, large": lambda vault, folder: put_file(vault, folder, bytes(2 * MIB)),
    "put_stream": lambda vault, _: vault.put_stream("recipe", feed(b"new")),
    "save": lambda vault, _: vault.get("recipe").save(b"new"),
    "describe": lambda vault, _: vault.describe("recipe", name="recipe"),
}


def feed(content):
    pieces = [content]
    return lambda _: pieces.pop() if pieces else b""


@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS.keys())
def test_what_is_not_given_is_kept(home, tmp_path, put):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour", **DESCRIBED)
    assert put(vault, tmp_path).version == 2
    info = vault.find("recipe")
    assert describe(info) == DESCRIBED
    assert (info.version, info.sealed_version) == (2, 2)


def test_what_is_given_replaces_and_nothing_clears(home):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour", **DESCRIBED)
    vault.put("recipe", "flour", tags=["new"])
    assert describe(vault.find("recipe")) == {**DESCRIBED, "tags": ("new",)}
    vault.put("recipe", "flour", tags=(), attributes={}, type="text/plain")
    assert describe(vault.find("recipe")) == {"type": "text/plain", "tags": (), "attributes": {}}


def test_only_what_describes_an_item_can_be_changed(home):
    vault = home.unlock("laptop")
    content = os.urandom(2 * MIB)
    vault.put("film", content, **DESCRIBED)
    vault.put("other", "x")
    stored = vault.describe("film", name="film 2", tags=["seen"])
    item = vault.get("film 2")
    assert (stored.id, stored.version, item.content) == (item.info.id, 2, content)
    assert describe(item.info) == {**DESCRIBED, "tags": ("seen",)}
    with pytest.raises(NameTakenError):
        vault.describe("film 2", name="other")
    with pytest.raises(NameTakenError):
        vault.describe("film 2", name=stored.id)
    with pytest.raises(ItemChangedError):
        vault.describe("film 2", tags=["x"], base_version=1)
    assert vault.find("film 2").version == 2


def test_a_re_encryption_counts_no_version(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    vault.put("a", "2")
    rekey_data(vault)
    info = vault.find("a")
    assert (info.version, info.sealed_version) == (2, 3)
    assert vault.put("a", "3", base_version=2).version == 3


def test_an_edit_of_what_was_read_in_an_earlier_session_is_no_overwrite(two):
    restart(two, "phone").get("plan")
    restart(two, "laptop").put("plan", "two")
    phone = restart(two, "phone")
    stored = phone.put("plan", "three")
    assert (stored.conflict, stored.name) == (True, "plan (conflict, phone)")
    assert phone.get("plan").content == b"two"
    copy = phone.find(stored.id)
    assert copy.conflict.item == phone.find("plan").id
    assert copy.conflict.device == two.sessions["phone"].connection.profile.device_key.device_id
    assert (copy.version, copy.created) == (1, copy.modified)
    assert not phone.put("plan", "merged").conflict  # it has read the newer version


def test_what_was_read_is_known_after_a_re_encryption_by_another_device(two):
    restart(two, "phone").get("plan")
    laptop = restart(two, "laptop")
    rekey_data(laptop)
    assert not restart(two, "phone").put("plan", "mine").conflict  # only re-encrypted
    laptop = restart(two, "laptop")
    laptop.get("plan")
    assert not laptop.put("plan", "two").conflict
    rekey_data(laptop)
    assert restart(two, "phone").put("plan", "three").conflict


def test_a_removal_of_what_was_edited_since_it_was_read_is_refused(two):
    restart(two, "phone").get("plan")
    restart(two, "laptop").put("plan", "two")
    phone = restart(two, "phone")
    with pytest.raises(ItemChangedError, match="version 2, not 1"):
        phone.remove("plan")
    assert phone.remove("plan", base_version=2).version == 2


@pytest.mark.parametrize("based", [0, 1, 3])
@pytest.mark.parametrize("put", ["put", "put_many", "put_file", "put_stream", "remove"])
def test_a_base_version_that_is_not_the_items_is_refused(two, tmp_path, put, based):
    laptop = two.unlock("laptop")
    laptop.put("plan", "two")
    path = tmp_path / "plan"
    path.write_bytes(b"three")
    phone = two.unlock("phone")
    acts = {
        "put": lambda: phone.put("plan", "three", base_version=based),
        "put_many": lambda: phone.put_many({"a": "1", "plan": NewContent("three", base_version=based)}),
        "put_file": lambda: phone.put_file(path, base_version=based),
        "put_stream": lambda: phone.put_stream("plan", feed(b"three"), base_version=based),
        "remove": lambda: phone.remove("plan", base_version=based),
    }
    with pytest.raises(ItemChangedError):
        acts[put]()
    assert [(info.name, info.version) for info in laptop.list()] == [("plan", 2)]


def test_a_base_version_counts_when_the_commit_is_signed(two):
    """Between the look and the commit another device is faster."""
    laptop, phone = two.unlock("laptop"), two.unlock("phone")
    item = phone.get("plan")
    race = [lambda: laptop.put("plan", "two")]

    def let_the_other_be_faster(request):
        if request.method == "PUT" and "/objects/" in request.url.path and race:
            race.pop()()

    two.server.before = let_the_other_be_faster
    with pytest.raises(ItemChangedError):
        item.save("three")
    two.server.before = lambda _: None
    assert [info.name for info in phone.list()] == ["plan"]
    assert phone.get("plan").content == b"two"


def test_saving_goes_on_from_what_was_saved(home):
    vault = home.unlock("laptop")
    vault.put("plan", "one", tags=["a"])
    item = vault.get("plan").save("two").save("three")
    assert (item.version, item.content, item.info.tags) == (3, b"three", ("a",))
    stale = vault.get("plan")
    vault.remove("plan")
    with pytest.raises(ItemChangedError):
        stale.save("four")
    assert vault.list() == []


def test_a_new_item_can_be_asked_for(home):
    vault = home.unlock("laptop")
    assert vault.put("a", "1", base_version=0).version == 1
    with pytest.raises(ItemChangedError, match="was to be new"):
        vault.put("a", "2", base_version=0)


def test_bad_input_is_named(home):
    vault = home.unlock("laptop")
    stored = vault.put("a", "1")
    for wrong, error in ((-1, ValueError), (True, TypeError), ("1", TypeError)):
        with pytest.raises(error, match="base_version"):
            vault.put("a", "1", base_version=wrong)
        with pytest.raises(error, match="base_version"):
            vault.remove("a", base_version=wrong)
    vault.remove("a")
    with pytest.raises(ItemMissingError):
        vault.put(stored.id, "an id is no name of a new item")
    stored = vault.put("a", "1")
    with pytest.raises(MetadataError, match="twice"):
        vault.put_many({"a": "1", stored.id: "2"})
    assert not issubclass(AmbiguousNameError, ItemChangedError)


def test_a_lost_or_damaged_journal_counts_as_nothing_read(two):
    restart(two, "phone").get("plan")
    journal = two.folder / "phone" / JOURNAL
    whole = journal.read_bytes()
    for damaged in (b"", whole[:50], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), os.urandom(200)):
        journal.write_bytes(damaged)
        phone = restart(two, "phone")
        assert phone.unlocked.seen.find(phone.find("plan").id) is None
        phone.get("plan")
        assert phone.unlocked.seen.find(phone.find("plan").id) is not None
        assert restart(two, "phone").unlocked.seen.find(phone.find("plan").id).revision == 1


def test_what_was_read_is_given_out_on_a_full_disk(two, monkeypatch):
    def fail(*_args, **_named):
        raise DiskFullError("no room")

    phone = two.unlock("phone")
    monkeypatch.setattr(PrivateFolder, "append", fail)
    monkeypatch.setattr(PrivateFolder, "write", fail)
    assert phone.get("plan").content == b"one"


def test_the_journal_tells_nobody_which_items_were_read(two):
    phone = restart(two, "phone")
    phone.get("plan")
    stored = (two.folder / "phone" / JOURNAL).read_bytes()
    item = phone.find("plan").id
    assert item.raw not in stored
    assert item.encode() not in stored


def test_an_item_cannot_be_changed_by_its_class(home):
    vault = home.unlock("laptop")
    vault.put("a", "1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        vault.get("a").content = b"2"
