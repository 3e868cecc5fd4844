"""What is written without the server: sealed, in order, sent once, whatever happens in between."""

import io
import json

import pytest

from solekey.crypto import DataKey, UserKey
from solekey.errors import AccountLockedError, DiskFullError, OfflineForbiddenError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.queue_entry import QueueEntry, open_record, read_epoch, seal_record
from solekey.rotation.rotation import change_user_key, rekey_data
from solekey_protocol.errors import MalformedError
from solekey_protocol.events.vault import ItemsCommitted
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, DeviceId, ItemId
from tests.support.client.fake_parts import problem
from tests.unit.client.offline.kept import open_account, parts_of, words, wraps_of
from tests.unit.client.offline.test_offline_streams import stop


def write(home, *puts, remove=()):
    account = open_account(home, offline="if_needed")
    for name, content in puts:
        account.items.put(name, content)
    for name in remove:
        account.items.remove(name)
    count = len(account.queue)
    account.close()
    return count


def read_all(home, name="phone"):
    account = open_account(home, name)
    contents = {item.name: account.items.get(item.id).content.decode() for item in account.items.list()}
    account.close()
    return contents


def push(home, **more):
    home.server.be_honest()
    account = open_account(home)
    pushed = account.queue.push(**more)
    account.close()
    return pushed


def queue_files(home, name="laptop"):
    return sorted(path.name for path in (home.folder / name / "queue").glob("*"))


def test_writes_are_queued_shown_and_sent_in_their_order(laptop):
    assert write(laptop, ("new", "one"), ("notes", "second"), ("new", "two"), remove=("other",)) == 4
    account = open_account(laptop, offline="always")  # another process: it survives a restart
    assert {item.name for item in account.items.list()} == {"new", "notes"}
    assert account.items.get("new").content == b"two"
    assert account.items.get("notes").content == b"second"
    account.close()
    pushed = push(laptop)
    assert [put.name for put in pushed.puts] == ["new", "notes", "new"]
    assert not any(put.conflict for put in pushed.puts)
    assert len(pushed.removed) == 1
    assert queue_files(laptop) == []
    assert read_all(laptop) == {"new": "two", "notes": "second"}


def test_the_queue_is_ciphertext(laptop):
    write(laptop, ("a zwiebel name", "a zwiebel content"))
    for path in (laptop.folder / "laptop").rglob("*"):
        if path.is_file():
            assert b"zwiebel" not in path.read_bytes(), path


def test_unlocking_with_the_server_sends_it_and_says_so(laptop, run_cli):
    key = ("--user-key", words(laptop))
    code, out, said = run_cli("laptop", "put", "--name", "new", "--text", "one", *key)
    assert code == 0
    assert "Queued" in said
    assert "solekey push" in said
    code, out, _ = run_cli("laptop", "put", "--name", "more", "--text", "one", "--json", *key)
    assert json.loads(out)["queued"] is True
    code, out, _ = run_cli("laptop", "remove", "more", "--json", *key)
    assert json.loads(out)["queued"] is True
    code, out, _ = run_cli("laptop", "status", "--json")
    assert json.loads(out)["queued"] == 3
    code, out, _ = run_cli("laptop", "queue", "list", "--json", *key)
    assert [row["name"] for row in json.loads(out)["queued"]] == ["new", "more", None]
    assert "new" in run_cli("laptop", "queue", "list", *key)[1]
    laptop.server.be_honest()
    code, _, said = run_cli("laptop", "list", *key)
    assert code == 0
    assert "Sent of the queue: 3." in said
    code, out, _ = run_cli("laptop", "push", "--json", *key)
    assert json.loads(out) == {
        "stored": [],
        "removed": [],
        "not_removed": [],
        "sent_before": 0,
        "damaged": [],
    }
    assert json.loads(run_cli("laptop", "status", "--json")[1])["queued"] == 0
    stop(laptop)
    run_cli("laptop", "put", "--name", "last", "--text", "one", *key)
    laptop.server.be_honest()
    code, out, said = run_cli("laptop", "push", *key)
    assert (code, out.strip()) == (0, "last")
    assert "1 change sent" in said


def test_what_another_device_has_changed_meanwhile_is_kept_beside_it(laptop):
    write(laptop, ("notes", "mine"), ("notes", "mine, too"), ("fresh", "here"))
    laptop.server.be_honest()
    phone = open_account(laptop, "phone")
    phone.items.put("notes", "theirs")
    phone.items.put("fresh", "there")
    phone.close()
    pushed = push(laptop)
    assert [put.conflict for put in pushed.puts] == [True, False, True]
    contents = read_all(laptop)
    assert contents == {
        "notes": "theirs",
        "notes (conflict, laptop)": "mine, too",  # the second edit follows the first to the copy
        "fresh": "there",
        "fresh (conflict, laptop)": "here",
    } | {"other": "untouched"}
    account = open_account(laptop)
    stored = account.items.put("notes", "unseen")  # what the other device wrote was not read here
    assert stored.conflict


def test_an_edit_after_a_removal_meanwhile_is_not_lost(laptop):
    write(laptop, ("notes", "mine"))
    laptop.server.be_honest()
    phone = open_account(laptop, "phone")
    phone.items.remove("notes")
    phone.close()
    push(laptop)
    assert "mine" in read_all(laptop).values()


def test_a_removal_of_what_was_changed_meanwhile_is_dropped_and_told(laptop):
    write(laptop, remove=("notes",))
    laptop.server.be_honest()
    phone = open_account(laptop, "phone")
    phone.items.put("notes", "theirs")
    phone.close()
    pushed = push(laptop)
    assert len(pushed.dropped) == 1
    assert read_all(laptop)["notes"] == "theirs"
    assert queue_files(laptop) == []


def test_a_re_key_meanwhile_does_not_matter(laptop):
    write(laptop, ("notes", "second"), ("new", "one"))
    laptop.server.be_honest()
    with laptop.sessions["phone"].unlock(laptop.key()) as vault:
        rekey_data(vault)
    laptop.sessions["laptop"].sync()
    pushed = push(laptop)
    assert [put.conflict for put in pushed.puts] == [False, False]
    assert read_all(laptop) == {"notes": "second", "new": "one", "other": "untouched"}


def test_both_keys_changed_meanwhile_and_the_new_words_are_enough(laptop):
    write(laptop, ("notes", "second"))
    laptop.server.be_honest()
    new = change_both(laptop)
    laptop.phrase = new
    push(laptop)
    assert read_all(laptop)["notes"] == "second"


def change_both(home, *, rekey_first=False):
    new = UserKey.make()
    phrase = new.to_phrase()
    with home.sessions["phone"].unlock(home.key()) as vault:
        if rekey_first:
            rekey_data(vault)
        change_user_key(vault, new)
        if not rekey_first:
            rekey_data(vault)
    return phrase


def test_the_earlier_words_open_what_nothing_else_does(laptop, run_cli, tmp_path):
    """The data key was replaced first, then the user key: nobody has wrapped the old data key anew."""
    write(laptop, ("notes", "second"), ("new", "one"))
    laptop.server.be_honest()
    old = laptop.phrase
    laptop.phrase = change_both(laptop, rekey_first=True)
    pushed = push(laptop)
    assert [damaged.is_locked for damaged in pushed.damaged] == [True, True]
    assert len(queue_files(laptop)) == 4
    (tmp_path / "old").write_text(old)
    code, _, said = run_cli(
        "laptop", "push", "--user-key", words(laptop), "--earlier-user-key", f"@{tmp_path / 'old'}"
    )
    assert code == 0, said
    assert read_all(laptop) == {"notes": "second", "new": "one", "other": "untouched"}


def test_the_queue_of_a_revoked_device_is_exported_not_lost(laptop, run_cli, tmp_path):
    write(laptop, ("notes", "second"), ("a/../b", "odd name"), remove=("other",))
    laptop.server.be_honest()
    laptop.server.tamper = lambda request, response: (
        problem(403, "device_revoked") if "health" not in request.url.path else response
    )
    code, _, said = run_cli("laptop", "push", "--user-key", words(laptop))
    assert code != 0
    assert "[device_revoked]" in said
    assert parts_of(laptop) == set()  # what was kept to be read is erased
    assert wraps_of(laptop)  # what the queue needs is not
    folder = tmp_path / "out"
    code, out, _ = run_cli("laptop", "queue", "export", folder, "--json", "--user-key", words(laptop))
    assert code == 0
    rows = json.loads(out)["exported"]
    assert [row["name"] for row in rows] == ["notes", "a/../b", None]
    assert sorted(path.read_text() for path in folder.iterdir()) == ["odd name", "second"]
    assert {path.parent for path in folder.iterdir()} == {folder}
    assert len(queue_files(laptop)) == 5  # it stays
    for number in ("1", "2", "3"):
        assert run_cli("laptop", "queue", "discard", number, "--yes")[0] == 0
    assert queue_files(laptop) == []
    assert run_cli("laptop", "queue", "discard", "1", "--yes")[0] == 2


@pytest.mark.parametrize(
    "damage", ["cut entry", "no entry", "altered envelope", "cut envelope", "no envelope"]
)
def test_a_damaged_entry_is_named_and_harms_no_other(laptop, run_cli, damage):
    write(laptop, ("a", "one"), ("b", "two"), ("c", "three"))
    folder = laptop.folder / "laptop" / "queue"
    entry, envelope = folder / "00000002.entry", next(folder.glob("00000002-*"))
    match damage:
        case "cut entry":
            entry.write_bytes(entry.read_bytes()[:80])
        case "no entry":
            entry.write_bytes(b"")
        case "altered envelope":
            envelope.write_bytes(envelope.read_bytes()[:-1] + b"\x00")
        case "cut envelope":
            envelope.write_bytes(envelope.read_bytes()[:60])
        case "no envelope":
            envelope.unlink()
    key = ("--user-key", words(laptop))
    code, out, said = run_cli("laptop", "list", "--offline", "--json", *key)
    assert {"a", "c"} <= {item["name"] for item in json.loads(out)["items"]}
    code, out, _ = run_cli("laptop", "queue", "list", "--json", *key)
    assert code == 10
    assert [row["number"] for row in json.loads(out)["damaged"]] == [2]
    laptop.server.be_honest()
    code, out, said = run_cli("laptop", "push", *key)
    assert code == 10
    assert "queued change 2: " in said
    assert {"a": "one", "c": "three"}.items() <= read_all(laptop).items()
    assert "b" not in read_all(laptop)
    assert {name[:8] for name in queue_files(laptop)} == {"00000002"}


def test_an_app_lists_and_exports_what_waits(laptop, tmp_path):
    write(laptop, ("a", "one"), ("b", "two"), remove=("other",))
    (laptop.folder / "laptop" / "queue" / "00000002.entry").write_bytes(b"damaged")
    account = open_account(laptop, offline="always")
    put, removal = account.queue.list()
    assert (put.number, put.metadata.name, removal.metadata) == (1, "a", None)
    assert [each.number for each in account.queue.find_damaged()] == [2]
    assert account.queue.export(put.number, tmp_path).read_bytes() == b"one"
    assert account.queue.export(removal.number, tmp_path) is None
    with pytest.raises(LookupError):
        account.queue.export(2, tmp_path)
    assert account.queue.discard(put.number)
    assert [each.number for each in account.queue.list()] == [3]
    account.close()
    with pytest.raises(AccountLockedError):
        account.queue.list()


def test_a_queue_of_which_nothing_opens_is_not_called_empty(laptop, run_cli):
    write(laptop, ("a", "one"))
    (laptop.folder / "laptop" / "queue" / "00000001.entry").write_bytes(b"")
    code, out, said = run_cli("laptop", "queue", "list", "--user-key", words(laptop))
    assert (code, out) == (10, "")
    assert "queued change 1: " in said


def test_the_place_of_an_entry_is_sealed(laptop):
    """Who may write the profile, and has no key, reorders nothing and injects nothing."""
    write(laptop, ("a", "one"), ("b", "two"))
    folder = laptop.folder / "laptop" / "queue"
    first, second = folder / "00000001.entry", folder / "00000002.entry"
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    pushed = push(laptop)
    assert pushed.puts == []
    assert [each.number for each in pushed.damaged] == [1, 2]


def test_a_server_that_refuses_keeps_nobody_from_reading_and_loses_nothing(laptop, run_cli):
    write(laptop, ("a", "one"))
    laptop.server.be_honest()
    laptop.server.tamper = lambda request, response: (
        problem(507, "quota_exceeded") if request.method == "PUT" else response
    )
    assert run_cli("laptop", "list", "--json", "--user-key", words(laptop))[0] == 0
    code, _, said = run_cli("laptop", "list", "--user-key", words(laptop))
    assert "[quota_exceeded]" in said
    assert "solekey push" in said
    code, _, said = run_cli("laptop", "push", "--user-key", words(laptop))
    assert code == 8
    assert push(laptop).count == 1


def test_a_full_disk_queues_all_or_nothing(laptop, monkeypatch):
    account = open_account(laptop, offline="always")
    real, left = PrivateFolder.write, [2]

    def write_few(self, name, data, **how):
        if name.endswith(".entry"):
            left[0] -= 1
            if left[0] < 0:
                raise DiskFullError("full")
        real(self, name, data, **how)

    monkeypatch.setattr(PrivateFolder, "write", write_few)
    with pytest.raises(DiskFullError):
        account.items.put_many({f"item {number}": "x" for number in range(4)})
    assert queue_files(laptop) == []
    assert len(account.items.list()) == 2
    left[0] = 9
    account.items.put("later", "there is room")
    assert len(account.queue) == 1


def test_what_a_crash_left_of_an_entry_is_cleared_away(laptop):
    write(laptop, ("a", "one"))
    folder = laptop.folder / "laptop" / "queue"
    (folder / "00000009-0123456789abcdef.sealed").write_bytes(b"an envelope whose entry was never written")
    write(laptop, ("b", "two"))
    assert not list(folder.glob("00000009*"))
    assert len(push(laptop).puts) == 2


def test_a_large_file_is_queued_in_pieces(laptop, tmp_path):
    content = bytes(range(256)) * 40_000  # 10 MB: two parts
    (tmp_path / "film").write_bytes(content)
    account = open_account(laptop, offline="always")
    account.items.put_file(tmp_path / "film")
    account.items.put_stream("stream", io.BytesIO(content).read)
    assert account.items.get("film").content == content
    assert account.items.get_range("stream", 9_000_000, 5) == content[9_000_000:9_000_005]
    account.close()
    push(laptop)
    phone = open_account(laptop, "phone")
    assert phone.items.get("film").content == content
    assert phone.items.get("stream").content == content


def test_nothing_is_queued_where_nothing_may_be_kept(laptop):
    account = open_account(laptop, offline="always")
    account.kept.forbid()
    with pytest.raises(OfflineForbiddenError):
        account.items.put("a", "one")
    assert queue_files(laptop) == []


def test_many_are_sent_in_few_commits(laptop):
    account = open_account(laptop, offline="always")
    account.items.put_many({f"item {number}": str(number) for number in range(30)})
    account.close()
    before = commits(laptop)
    assert len(push(laptop).puts) == 30
    assert commits(laptop) == before + 1


def commits(home):
    from solekey_protocol.events import Stream

    return sum(isinstance(event.body, ItemsCommitted) for event in home.account.events[Stream.VAULT])


ACCOUNT, KEY = AccountId.from_raw(bytes(RAW_ID_BYTES)), DataKey(3, b"\x01" * 32)


def test_a_record_is_sealed_for_its_account_and_key():
    entry = QueueEntry(7, DeviceId.from_raw(b"\x02" * 16), ItemId.from_raw(b"\x03" * 16), 4, 5, 6)
    sealed = seal_record(entry.encode(), ACCOUNT, KEY, lambda size: b"\x09" * size)
    assert read_epoch(sealed) == 3
    assert QueueEntry.parse(open_record(sealed, ACCOUNT, KEY)) == entry
    other = AccountId.from_raw(b"\x01" * RAW_ID_BYTES)
    for account, key in ((other, KEY), (ACCOUNT, DataKey(3, b"\x02" * 32))):
        with pytest.raises(Exception, match="open"):
            open_record(sealed, account, key)


@pytest.mark.parametrize(
    "change", [(0, 2), (1, 0), (4, -1), (4, 2**31), (5, -1), (6, -1), (7, 9), (8, b"x"), (9, [[b"", 1]])]
)
def test_a_record_of_another_shape_is_refused(change):
    from solekey_protocol.encoding import encode_cbor, parse_cbor

    entry = QueueEntry(7, DeviceId.from_raw(b"\x02" * 16), ItemId.from_raw(b"\x03" * 16), 4, 5, 6)
    row = parse_cbor(entry.encode(), max_bytes=1000)
    row[change[0]] = change[1]
    with pytest.raises(MalformedError):
        QueueEntry.parse(encode_cbor(row))
