"""A commit whose answer is lost was made by this device: its next edit goes on from there, in no conflict."""

import httpx
import pytest

from solekey import NewContent
from solekey.errors import ItemChangedError, ItemMissingError, UnreachableError
from solekey.rotation.rotation import rekey_data
from solekey.vault.edits import Edits
from solekey.vault.index.commit_search import CommitSearch
from solekey.vault.index.item_index import ItemIndex
from solekey_protocol.events import Stream
from solekey_protocol.limits import MIB
from tests.support.client.transfers import restart
from tests.support.client.world import build_world

TAGS = ("kitchen",)
LARGE = 2 * MIB


def put_file(vault, folder, content):
    path = folder / "recipe"
    path.write_bytes(content)
    return vault.put_file(path)


def feed(content):
    pieces = [content]
    return lambda _: pieces.pop() if pieces else b""


PUTS = {
    "put": lambda vault, _, content: vault.put("recipe", content),
    "put_many": lambda vault, _, content: vault.put_many({"other": b"x", "recipe": content})[1],
    "put_many, described": lambda vault, _, content: vault.put_many({"recipe": NewContent(content)})[0],
    "put_file": put_file,
    "put_file, large": lambda vault, folder, content: put_file(vault, folder, content * LARGE),
    "put_stream": lambda vault, _, content: vault.put_stream("recipe", feed(content)),
    "put_stream, large": lambda vault, _, content: vault.put_stream("recipe", feed(content * LARGE)),
}


def lose_answer(home, act):
    """Do something whose statement the server takes, and answers to nobody."""

    def lose(request, response):
        if request.url.path == "/v1/vault/statements":
            raise httpx.ReadError("the answer is lost")
        return response

    before = len(home.account.events[Stream.VAULT])
    home.server.tamper = lose
    with pytest.raises(UnreachableError):
        act()
    home.server.be_honest()
    assert len(home.account.events[Stream.VAULT]) == before + 1


def read_contents(vault):
    return {info.name: vault.get(info.id).content for info in vault.list()}


@pytest.fixture(scope="module")
def first_two(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("two"), first_home) as home:
        laptop = home.unlock("laptop")
        laptop.put("recipe", "flour", tags=TAGS)
        home.add_device("phone")
        restart(home, "phone").get("recipe")
        lose_answer(home, lambda: laptop.put("recipe", "water"))
    return home


@pytest.fixture
def two(home, first_two):
    """A laptop and a phone that have both read the first version, and a commit of the laptop unanswered."""
    home.move_in(first_two)
    return home


@pytest.mark.parametrize("again", [False, True], ids=["go on", "restart"])
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS.keys())
def test_the_next_put_goes_on_from_it(home, tmp_path, put, again):
    vault = home.unlock("laptop")
    vault.put_many({"recipe": NewContent("flour", tags=TAGS), "other": "x"})
    lose_answer(home, lambda: put(vault, tmp_path, b"a"))
    vault = restart(home) if again else vault
    stored = put(vault, tmp_path, b"b")
    assert (stored.conflict, stored.name, stored.version) == (False, "recipe", 3)
    assert {info.name: info.conflict for info in vault.list()} == {"other": None, "recipe": None}
    assert set(vault.get("recipe").content) == {ord("b")}
    assert vault.find("recipe").tags == TAGS


def test_what_it_said_of_the_item_is_kept(home):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour", tags=TAGS)
    lose_answer(home, lambda: vault.describe("recipe", tags=["new"]))
    vault.put("recipe", "water")
    assert vault.find("recipe").tags == ("new",)


def test_a_new_item_is_not_made_twice(home):
    vault = home.unlock("laptop")
    lose_answer(home, lambda: vault.put("recipe", "flour"))
    stored = vault.put("recipe", "water")
    assert (stored.conflict, stored.version) == (False, 2)
    assert read_contents(vault) == {"recipe": b"water"}


def test_the_same_put_again_is_an_edit_like_any_other(two):
    laptop = restart(two)
    assert laptop.put("recipe", "water").version == 3
    assert read_contents(laptop) == {"recipe": b"water"}


@pytest.mark.parametrize("again", [False, True], ids=["go on", "restart"])
def test_a_removal_is_not_refused(home, again):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour")
    lose_answer(home, lambda: vault.put("recipe", "water"))
    vault = restart(home) if again else vault
    assert vault.remove("recipe").version == 2
    assert vault.list() == []


def test_after_a_removal_a_put_makes_a_new_item(home):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour")
    lose_answer(home, lambda: vault.remove("recipe"))
    stored = vault.put("recipe", "water")
    assert (stored.conflict, stored.version) == (False, 1)
    lose_answer(home, lambda: vault.remove("recipe"))
    with pytest.raises(ItemMissingError):
        vault.remove("recipe")


def test_a_version_that_the_caller_names_counts_as_it_stands(two, tmp_path):
    laptop = restart(two)
    acts = [
        lambda: laptop.put("recipe", "salt", base_version=1),
        lambda: laptop.put_many({"recipe": NewContent("salt", base_version=1)}),
        lambda: laptop.put_stream("recipe", feed(b"salt"), base_version=1),
        lambda: laptop.put_file(write(tmp_path / "recipe"), base_version=1),
        lambda: laptop.remove("recipe", base_version=1),
    ]
    for act in acts:
        with pytest.raises(ItemChangedError, match="version 2, not 1"):
            act()
    assert laptop.put("recipe", "salt", base_version=2).version == 3


def write(path):
    path.write_bytes(b"salt")
    return path


def test_saving_again_is_refused_and_a_fresh_look_saves(home):
    vault = home.unlock("laptop")
    vault.put("recipe", "flour")
    item = vault.get("recipe")
    lose_answer(home, lambda: item.save("water"))
    with pytest.raises(ItemChangedError):
        item.save("water")
    assert vault.get("recipe").save("salt").version == 3


def test_a_re_encryption_of_it_changes_nothing(two):
    rekey_data(restart(two, "phone"))
    assert not restart(two).put("recipe", "salt").conflict


def test_an_edit_of_another_device_since_is_a_conflict(two):
    phone = restart(two, "phone")
    phone.get("recipe")
    assert not phone.put("recipe", "rye").conflict
    laptop = restart(two)
    with pytest.raises(ItemChangedError, match="version 3, not 1"):
        laptop.remove("recipe")
    assert laptop.put("recipe", "salt").conflict
    assert read_contents(laptop) == {"recipe": b"rye", "recipe (conflict, laptop)": b"salt"}


def test_an_edit_of_another_device_that_this_one_has_re_encrypted_is_a_conflict(home):
    laptop = home.unlock("laptop")
    laptop.put("recipe", "flour")
    home.add_device("phone")
    home.unlock("phone").put("recipe", "rye")
    rekey_data(laptop)  # signs a commit that has the item, and a snapshot
    laptop = restart(home)
    with pytest.raises(ItemChangedError):
        laptop.remove("recipe")
    assert laptop.put("recipe", "salt").conflict
    home.sessions["laptop"] = home.reopen_without_index("laptop")
    laptop = home.unlock("laptop")
    assert laptop.unlocked.index.items
    assert laptop.unlocked.index.head.begun
    assert laptop.put("recipe", "salt").conflict


def begin_at_a_snapshot(home):
    """The laptop without its index: which commits made the versions is in older change lists alone."""
    phone = restart(home, "phone")
    rekey_data(phone)
    home.sessions["laptop"] = home.reopen_without_index("laptop")
    laptop = home.unlock("laptop")
    laptop.list()
    assert laptop.unlocked.index.head.begun
    return laptop


def find_list(home, commit):
    """The digest of a commit's change list."""
    bodies = [event.body for event in home.account.events[Stream.VAULT]]
    (found,) = [body.changes for body in bodies if getattr(body, "commit", 0) == commit]
    return found


def test_it_is_found_in_older_change_lists(two):
    laptop = begin_at_a_snapshot(two)
    stored = laptop.put("recipe", "salt")
    assert (stored.conflict, stored.version) == (False, 3)


def test_an_edit_whose_change_list_is_withheld_is_a_conflict(two):
    """The newest list that has the item would be this device's own."""
    phone = restart(two, "phone")
    phone.get("recipe")
    phone.put("recipe", "rye")
    laptop = begin_at_a_snapshot(two)
    del two.account.objects[find_list(two, 3)]
    assert laptop.unlocked.index.find_editor(laptop.find("recipe").id) is None
    assert laptop.put("recipe", "salt").conflict
    assert laptop.get("recipe").content == b"rye"


def test_no_commit_is_looked_up_without_a_suspicion(two, monkeypatch):
    laptop = restart(two)
    laptop.get("recipe")

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(ItemIndex, "find_editor", fail)
    laptop.put("recipe", "salt")
    laptop.put("other", "x")
    two.server.requests.clear()
    laptop.put("recipe", "yeast")
    laptop.remove("recipe")
    assert ("POST", "/v1/vault/objects/fetch") not in two.server.requests
    looked = [path for method, path in two.server.requests if method == "GET"]
    assert looked == ["/v1/devices/events", "/v1/vault/events"]  # the removal


def test_of_what_was_followed_nothing_is_fetched_on_a_suspicion(two, monkeypatch):
    laptop = restart(two)
    laptop.find("recipe")
    monkeypatch.setattr(CommitSearch, "_iter_lists", None)
    two.server.requests.clear()
    assert not laptop.put("recipe", "salt").conflict
    assert ("POST", "/v1/vault/objects/fetch") not in two.server.requests


@pytest.mark.parametrize("is_own", [False, True])
def test_control_who_made_the_version_decides(two, monkeypatch, is_own):
    """Without the rule the first edit is a conflict; with it for everybody, the second overwrites unseen."""
    monkeypatch.setattr(Edits, "_is_own", lambda *_: is_own)
    assert restart(two).put("recipe", "salt").conflict is not is_own
    phone = restart(two, "phone")
    assert phone.put("recipe", "rye").conflict is not is_own


def test_control_a_device_that_does_not_look_makes_a_conflict(home):
    """It drafts from what it knew before the commit that was not answered."""
    vault = home.unlock("laptop")
    vault.put("recipe", "flour")
    lose_answer(home, lambda: vault.put("recipe", "water"))
    vault.unlocked.author.is_unanswered = False
    assert vault.put("recipe", "salt").conflict
