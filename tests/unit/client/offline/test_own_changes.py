"""What this device has written itself is no other device's edit: queued, sent, and not answered."""

import httpx
import pytest

from solekey.errors import UnreachableError
from solekey.offline.queue import Queue
from solekey.offline.queued_drafts import QueuedDrafts
from solekey.vault.index.item_index import ItemIndex
from solekey.vault.seen import SeenVersions
from tests.support.client.fake_parts import problem
from tests.support.client.world import build_world
from tests.unit.client.offline.kept import open_account
from tests.unit.client.offline.test_offline_streams import stop
from tests.unit.client.offline.test_queue import push, queue_files, read_all, write
from tests.unit.client.offline.test_queue_killed import POINTS, KilledError, kill


@pytest.fixture(scope="module")
def first_laptop(first_home, tmp_path_factory):
    with build_world(tmp_path_factory.mktemp("laptop"), first_home) as home:
        home.add_device("phone")
        account = open_account(home)
        account.items.put("notes", "first", tags=("a",))
        account.items.put("other", "untouched")
        account.kept.keep("notes")
    return home


def queue_and_die(home, monkeypatch):
    """Queue an edit, and die before it is noted as seen."""

    def die(*_):
        raise KilledError

    account = open_account(home, offline="always")
    with monkeypatch.context() as patched:
        patched.setattr(SeenVersions, "note", die)
        with pytest.raises(KilledError):
            account.items.put("notes", "second")
    assert len(account.queue) == 1
    account.close()


def test_an_edit_goes_on_from_a_queued_one_that_was_never_noted(laptop, monkeypatch):
    queue_and_die(laptop, monkeypatch)
    account = open_account(laptop, offline="always")
    assert not account.items.put("notes", "third").conflict
    account.close()
    assert [put.conflict for put in push(laptop).puts] == [False, False]
    assert read_all(laptop) == {"notes": "third", "other": "untouched"}


def test_a_removal_is_queued_behind_an_edit_that_was_never_noted(laptop, monkeypatch):
    queue_and_die(laptop, monkeypatch)
    account = open_account(laptop, offline="always")
    account.items.remove("notes")
    account.close()
    push(laptop)
    assert read_all(laptop) == {"other": "untouched"}


def test_control_without_the_rule_a_queued_edit_is_another_devices(laptop, monkeypatch):
    queue_and_die(laptop, monkeypatch)
    monkeypatch.setattr(ItemIndex, "find_editor", lambda *_: None)
    account = open_account(laptop, offline="always")
    assert account.items.put("notes", "third").conflict


def test_a_put_goes_on_from_a_push_that_was_not_answered(laptop, monkeypatch):
    write(laptop, ("notes", "second"), ("new", "one"))
    laptop.server.be_honest()
    kill(laptop, monkeypatch, "answer")
    with pytest.raises(KilledError):
        open_account(laptop)
    laptop.server.be_honest()
    account = open_account(laptop)
    assert [account.items.put(name, "last").conflict for name in ("notes", "new")] == [False, False]
    account.close()
    assert read_all(laptop) == {"notes": "last", "new": "last", "other": "untouched"}


def lose_answer(home, act):
    """Do something with the server, which takes it; the answer is lost, and from then on so is the server."""

    def lose(request, response):
        if request.url.path == "/v1/vault/statements":
            raise httpx.ReadError("the answer is lost")
        return response

    home.server.be_honest()
    account = open_account(home)
    home.server.tamper = lose
    with pytest.raises(UnreachableError):
        act(account.items)
    account.close()
    home.server.be_honest()
    stop(home)


def read_versions(home, name):
    account = open_account(home, "phone")
    versions = [past.version for past in account.items.history(name)]
    account.close()
    return versions


def find(home, name):
    account = open_account(home, "phone")
    info = account.items.find(name)
    account.close()
    return info


def test_a_queued_edit_goes_on_from_a_put_that_was_not_answered(laptop):
    lose_answer(laptop, lambda items: items.put("notes", "second"))
    write(laptop, ("notes", "third"), ("other", "touched"), ("notes", "fourth"))
    assert [put.conflict for put in push(laptop).puts] == [False, False, False]
    assert read_all(laptop) == {"notes": "fourth", "other": "touched"}
    assert read_versions(laptop, "notes") == [4, 3, 2, 1]


def test_a_queued_edit_of_a_new_item_goes_on_from_it(laptop):
    lose_answer(laptop, lambda items: items.put("new", "one", tags=("b",)))
    write(laptop, ("new", "two"), ("new", "three"))
    assert [put.conflict for put in push(laptop).puts] == [False, False]
    assert read_all(laptop) == {"new": "three", "notes": "first", "other": "untouched"}
    assert read_versions(laptop, "new") == [3, 2, 1]
    assert find(laptop, "new").tags == ("b",)


def test_what_describes_the_item_is_kept_unless_the_queued_edit_says_otherwise(laptop):
    lose_answer(laptop, lambda items: items.describe("notes", tags=("b",), attributes={"room": "kitchen"}))
    account = open_account(laptop, offline="always")
    account.items.put("notes", "second")
    account.items.put("notes", "third", tags=("c",))
    account.items.put("notes", "fourth")
    account.close()
    sent = push(laptop).puts
    assert [put.conflict for put in sent] == [False, False, False]
    info = find(laptop, "notes")
    assert (info.tags, dict(info.attributes)) == (("c",), {"room": "kitchen"})
    phone = open_account(laptop, "phone")
    assert phone.items.find("notes", version=3).tags == ("b",)


def test_a_queued_removal_removes_what_was_put_and_not_answered(laptop):
    lose_answer(laptop, lambda items: items.put("notes", "second"))
    write(laptop, remove=("notes",))
    pushed = push(laptop)
    assert (len(pushed.removed), pushed.dropped) == (1, [])
    assert read_all(laptop) == {"other": "untouched"}


def test_a_queued_removal_of_what_is_removed_already_is_done(laptop):
    lose_answer(laptop, lambda items: items.remove("notes"))
    write(laptop, remove=("notes",))
    pushed = push(laptop)
    assert (len(pushed.removed), pushed.dropped) == (1, [])
    assert read_all(laptop) == {"other": "untouched"}


def test_a_queued_edit_of_what_this_device_has_removed_is_a_new_item(laptop):
    lose_answer(laptop, lambda items: items.remove("notes"))
    write(laptop, ("notes", "second"), ("notes", "third"))
    assert [put.conflict for put in push(laptop).puts] == [False, False]
    assert read_all(laptop) == {"notes": "third", "other": "untouched"}
    assert read_versions(laptop, "notes") == [2, 1]


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_another_device_that_has_edited_it_too_makes_a_conflict(laptop, is_first):
    def edit():
        laptop.server.be_honest()
        phone = open_account(laptop, "phone")
        phone.items.get("notes")
        phone.items.put("notes", "theirs")
        phone.close()

    if is_first:
        edit()
        stop(laptop)
    lose_answer(laptop, lambda items: (items.get("notes"), items.put("notes", "second")))
    write(laptop, ("notes", "third"))
    if not is_first:
        edit()
    (sent,) = push(laptop).puts
    assert sent.conflict is not is_first  # before: this device had read it when it put
    assert read_all(laptop)["notes"] == ("third" if is_first else "theirs")


def refuse_objects(request, response):
    return (
        problem(507, "quota_exceeded")
        if request.method in {"PUT", "POST"} and is_object(request)
        else response
    )


def is_object(request):
    return request.url.path.startswith("/v1/vault/objects") and not request.url.path.endswith("fetch")


def edit_while_one_waits(home):
    """Queue an edit that the server refuses at first, and make a later one directly."""
    write(home, ("notes", "queued"), ("new", "queued"))
    home.server.be_honest()
    home.server.tamper = refuse_objects
    account = open_account(home)
    assert len(account.queue) == 2
    home.server.be_honest()
    account.items.put("notes", "later")
    account.items.put("new", "later")
    pushed = account.queue.push()
    account.close()
    assert queue_files(home) == []
    return pushed


def test_what_waits_replaces_nothing_that_this_device_commits_later(laptop):
    assert [put.conflict for put in edit_while_one_waits(laptop).puts] == [True, True]
    contents = read_all(laptop)
    assert (contents["notes"], contents["notes (conflict, laptop)"]) == ("later", "queued")
    assert (contents["new"], contents["new (conflict, laptop)"]) == ("later", "queued")


def test_control_without_the_note_it_replaces_the_later_one(laptop, monkeypatch):
    monkeypatch.setattr(Queue, "note_commit", lambda _: None)
    assert [put.conflict for put in edit_while_one_waits(laptop).puts] == [False, False]
    assert read_all(laptop)["notes"] == "queued"


def test_a_note_of_an_entry_that_is_gone_is_deleted(laptop):
    write(laptop, ("notes", "second"))
    folder = laptop.folder / "laptop" / "queue"
    (folder / "00000007.older").write_bytes(b"")
    (folder / "00000001.older").write_bytes(b"")
    push(laptop)
    assert queue_files(laptop) == []


def hold_statement(home, act):
    """Do something whose statement is held back; from then on the server is away."""
    held = []

    def hold(request):
        if request.url.path == "/v1/vault/statements":
            held.append(request)
            raise httpx.ReadError("the answer is lost")

    home.server.be_honest()
    account = open_account(home)
    home.server.before = hold
    with pytest.raises(UnreachableError):
        act(account.items)
    account.close()
    stop(home)
    return held[:1]


def test_a_put_that_arrives_while_the_queue_is_sent_is_no_conflict_either(laptop):
    held = hold_statement(laptop, lambda items: items.put_many({"notes": "second", "new": "one"}))
    write(laptop, ("notes", "third"), ("new", "two"))

    def let_in(request):
        if request.url.path == "/v1/vault/statements" and held:
            laptop.server._route(held.pop())

    laptop.server.be_honest()
    laptop.server.before = let_in
    open_account(laptop).close()
    assert held == []
    assert queue_files(laptop) == []
    assert read_all(laptop) == {"notes": "third", "new": "two", "other": "untouched"}


def test_control_without_the_rule_a_queued_edit_is_in_conflict_with_its_own_device(laptop, monkeypatch):
    lose_answer(laptop, lambda items: items.put("notes", "second"))
    write(laptop, ("notes", "third"))
    monkeypatch.setattr(QueuedDrafts, "_is_edited_here", lambda *_: False)
    assert [put.conflict for put in push(laptop).puts] == [True]


@pytest.mark.parametrize("point", POINTS)
def test_a_push_that_was_killed_anywhere_goes_on_from_it_too(laptop, monkeypatch, point):
    lose_answer(laptop, lambda items: items.put_many({"notes": "second", "new": "one"}))
    write(laptop, ("notes", "third"), ("new", "two"), ("notes", "fourth"), ("new", "three"))
    laptop.server.be_honest()
    kill(laptop, monkeypatch, point)
    with pytest.raises(KilledError):
        open_account(laptop)
    push(laptop)
    assert queue_files(laptop) == []
    assert read_all(laptop) == {"notes": "fourth", "new": "three", "other": "untouched"}
    assert read_versions(laptop, "notes") == [4, 3, 2, 1]
