"""Lists that are filtered, contents of many items at once, and what has changed since an app looked last."""

import json
import os
from datetime import timedelta, timezone

import pytest

from solekey.errors import ItemMissingError, SwappedObjectError, SyncTokenError
from solekey.rotation.rotation import rekey_data
from solekey.runtime import Runtime
from solekey_protocol.limits import MIB


@pytest.fixture
def vault(home):
    vault = home.unlock("laptop")
    vault.put("Report.PDF", b"%PDF", type="application/pdf", tags=("work", "2026"))
    vault.put("re\u0301sume\u0301.txt", "me", tags=("work",), attributes={"place": "Lisbon"})
    vault.put("notes", "hello")
    return vault


FILTERS = [
    ({}, {"Report.PDF", "re\u0301sume\u0301.txt", "notes"}),
    ({"tags": ("work",)}, {"Report.PDF", "re\u0301sume\u0301.txt"}),
    ({"tags": ("work", "2026")}, {"Report.PDF"}),
    ({"tags": ("none",)}, set()),
    ({"name": "*.pdf"}, {"Report.PDF"}),
    ({"name": "re"}, {"Report.PDF"}),
    ({"name": "r\u00e9sum"}, {"re\u0301sume\u0301.txt"}),
    ({"name": "n?tes"}, {"notes"}),
    ({"name": "[", "tags": ("work",)}, set()),
    ({"search": "lisbon txt"}, {"re\u0301sume\u0301.txt"}),
    ({"search": "pdf 2026"}, {"Report.PDF"}),
    ({"search": "pdf lisbon"}, set()),
    ({"type": "application/pdf"}, {"Report.PDF"}),
    ({"type": "Application/*"}, {"Report.PDF"}),
    ({"type": "application"}, set()),
    ({"type": "application/pdf", "tags": ("none",)}, set()),
]


@pytest.mark.parametrize(("given", "expected"), FILTERS)
def test_lists_are_filtered(vault, given, expected):
    assert {info.name for info in vault.list(**given)} == expected
    assert {info.name for info in vault.iter_items(**given)} == expected


def test_a_time_that_no_date_can_say_hides_no_other_item(home, vault, run_cli, monkeypatch):
    """The format allows it: a program of one's own wrote microseconds, or somebody wants lists to fail."""
    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "now_ms", lambda _: 1_700_000_000_000_000)
        vault.put("micro", "seconds")
    listed = {info.name: info for info in vault.list()}
    assert listed.keys() == {"Report.PDF", "re\u0301sume\u0301.txt", "notes", "micro"}
    assert listed["micro"].metadata.modified_ms > 10**15  # control: it was written so
    late, early = listed["micro"].modified, listed["notes"].modified
    assert early < late
    assert late.astimezone(timezone(timedelta(hours=14))).year == 9999
    words = home.folder / "words"
    words.write_text(home.phrase)
    code, out, _ = run_cli("laptop", "list", "--user-key", f"@{words}")
    assert code == 0
    assert "micro" in out
    assert "notes" in out


COMMANDS = [
    (("--tag", "work"), ["Report.PDF", "re\u0301sume\u0301.txt"]),
    (("--name", "*.pdf"), ["Report.PDF"]),
    (("--search", "lisbon"), ["re\u0301sume\u0301.txt"]),
    (("--sort", "modified", "--limit", "1"), ["notes"]),
    (("--limit", "2"), ["Report.PDF", "notes"]),
]


@pytest.mark.parametrize(("options", "expected"), COMMANDS)
def test_the_command_filters_sorts_and_cuts(home, vault, run_cli, options, expected):
    home.server.now += timedelta(seconds=1)
    vault.put("notes", "later")
    words = home.folder / "words"
    words.write_text(home.phrase)
    code, out, _ = run_cli("laptop", "list", "--json", *options, "--user-key", f"@{words}")
    assert code == 0
    assert [row["name"] for row in json.loads(out)["items"]] == expected


def test_tags_are_several(vault):
    with pytest.raises(TypeError, match="sequence of texts"):
        vault.list(tags="work")


def test_many_contents_need_few_requests(home):
    vault = home.unlock("laptop")
    contents = {f"item {number}": os.urandom(50) for number in range(300)}
    vault.put_many(contents)
    vault.put("large", os.urandom(9 * MIB))
    home.server.requests.clear()
    names = ["item 7", "large", *contents]
    got = list(vault.get_many(names))
    assert [item.info.name for item in got] == names
    assert {item.info.name: item.content for item in got if item.info.name != "large"} == contents
    assert len(home.server.requests) <= 10
    assert got[0].save("again").version == 2


def test_one_that_is_missing_is_told_before_anything_is_fetched(home, vault):
    home.server.requests.clear()
    with pytest.raises(ItemMissingError):
        next(vault.get_many(["notes", "nothing"]))
    assert not [path for _, path in home.server.requests if "objects" in path]


def test_one_that_is_damaged_is_named(home, vault):
    bad = vault.find("notes")
    objects = home.account.objects
    digest = vault.unlocked.index.items[bad.id].parts[0].digest
    objects[digest] = objects[digest][:-1] + bytes([objects[digest][-1] ^ 1])
    got = vault.get_many(["Report.PDF", "notes"])
    assert next(got).content == b"%PDF"
    with pytest.raises(SwappedObjectError) as refusal:
        next(got)
    assert refusal.value.about["item"]["id"] == bad.id


def tell(changes):
    names = [[info.name for info in infos] for infos in (changes.added, changes.changed)]
    return (*map(sorted, names), list(changes.removed))


def test_what_has_changed_is_told_once(home, vault):
    first = vault.changes()
    assert tell(first)[1:] == ([], [])
    assert len(first.added) == 3
    assert tell(vault.changes(first.token)) == ([], [], [])
    vault.put("notes", "again")
    vault.put("new", "1")
    vault.put("short-lived", "1")
    vault.remove("short-lived")
    removed = vault.remove("Report.PDF")
    rekey_data(vault)
    second = vault.changes(first.token)
    assert tell(second) == (["new"], ["notes"], [removed.id])
    assert tell(vault.changes(second.token)) == ([], [], [])


def test_a_token_is_good_in_later_sessions_and_on_other_devices(home, vault):
    token = vault.changes().token
    home.add_device("phone")
    phone = home.unlock("phone")
    assert tell(phone.changes(token)) == ([], [], [])
    phone.put("from the phone", "1")
    with home.reopen("laptop").unlock(home.key()) as again:
        assert tell(again.changes(token)) == (["from the phone"], [], [])


def test_a_device_that_began_later_tells_the_same(home, vault):
    token = vault.changes().token
    vault.put("notes", "again")
    vault.put("new", "1")
    removed = vault.remove("Report.PDF")
    rekey_data(vault)
    vault.unlocked.committer.commit_snapshot()
    vault.put("newer", "1")
    told = tell(vault.changes(token))
    assert told == (["new", "newer"], ["notes"], [removed.id])
    home.add_device("phone")
    phone = home.unlock("phone")
    assert phone.unlocked.index.head.begun > 0
    assert tell(phone.changes(token)) == told


@pytest.mark.parametrize(
    "token", ["", "x", "AQ", "AQ==", "\u00e9", "Ag" + "A" * 42, "AQ" + "A" * 21 + "E" + "A" * 20]
)
def test_what_is_no_token_is_refused(vault, token):
    with pytest.raises(SyncTokenError):
        vault.changes(token)


def test_a_token_of_another_history_is_refused(home, vault):
    token = vault.changes().token
    other = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    with pytest.raises(SyncTokenError):
        vault.changes(other)
