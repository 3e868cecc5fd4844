"""What the vault keeps, and keeps apart."""

import os

import pytest

from solekey import Vault
from solekey.errors import ItemChangedError, ItemMissingError
from solekey_protocol.limits import MAX_PART_BYTES, MIB


def test_an_item_comes_back(home):
    vault = home.unlock("laptop")
    stored = vault.put("notes", "hello", tags=("a",))
    item = vault.get("notes")
    assert (item.content, item.info.version, item.info.metadata.tags) == (b"hello", 1, ("a",))
    assert item.info.id == stored.id
    assert vault.put("notes", "hello again").version == 2
    assert vault.get(stored.id).content == b"hello again"
    assert [info.name for info in vault.list()] == ["notes"]
    vault.remove("notes")
    assert vault.list() == []
    with pytest.raises(ItemMissingError):
        vault.get("notes")


def test_nothing_that_reaches_the_server_holds_a_name_or_content(home):
    sent: list[bytes] = []
    home.server.before = lambda request: sent.append(request.content + str(request.url).encode())
    vault = home.unlock("laptop")
    vault.put("a very secret name", b"a very secret content")
    assert sent
    assert not any(b"very secret" in data for data in sent)


def test_many_small_items_need_few_requests(home):
    vault = home.unlock("laptop")
    home.server.requests.clear()
    stored = vault.put_many({f"item {number}": os.urandom(50) for number in range(300)})
    assert len(stored) == 300
    assert len(home.server.requests) <= 6
    home.server.requests.clear()
    home.sessions["laptop"] = home.reopen("laptop")
    assert len(home.unlock("laptop").list()) == 300
    assert len(home.server.requests) <= 12


def test_a_large_file_is_cut_and_comes_back(home, tmp_path):
    source = tmp_path / "film.mkv"
    source.write_bytes(os.urandom(2 * MAX_PART_BYTES + 12345))
    seen: list[tuple[int, int]] = []
    vault = home.unlock("laptop")
    stored = vault.put_file(source, progress=lambda done, total: seen.append((done, total)))
    change = vault.unlocked.index.items[stored.id]
    assert len(change.parts) >= 3
    assert seen[-1] == (change.size, change.size)
    target = tmp_path / "back.mkv"
    vault.get_file("film.mkv", target)
    assert target.read_bytes() == source.read_bytes()
    assert not list((home.folder / "laptop" / "uploads").iterdir())


def test_an_interrupted_upload_goes_on_where_it_was(home, tmp_path):
    source = tmp_path / "film.mkv"
    source.write_bytes(os.urandom(3 * MAX_PART_BYTES))
    vault = home.unlock("laptop")
    puts: list[str] = []

    def die_at_the_second_part(request):
        if request.method == "PUT" and "/objects/" in request.url.path:
            puts.append(request.url.path)
            if len(puts) == 2:
                raise KeyboardInterrupt

    home.server.before = die_at_the_second_part
    with pytest.raises(KeyboardInterrupt):
        vault.put_file(source)
    first = puts[0]
    puts.clear()
    home.sessions["laptop"] = home.reopen("laptop")
    home.server.before = lambda request: puts.append(request.url.path)
    stored = home.unlock("laptop").put_file(source)
    assert (stored.version, stored.conflict) == (1, False)
    assert first not in puts


def test_two_devices_put_the_same_name_at_the_same_moment_and_both_are_kept(home):
    home.add_device("phone")
    laptop, phone = home.unlock("laptop"), home.unlock("phone")
    laptop.put("plan", "from the laptop")
    stored = phone.put("plan", "from the phone")
    assert stored.conflict
    assert stored.name == "plan (conflict, phone)"
    contents = {info.name: laptop.get(info.id).content for info in laptop.list()}
    assert contents == {"plan": b"from the laptop", "plan (conflict, phone)": b"from the phone"}


def test_an_update_of_what_another_device_changed_becomes_a_copy(home):
    laptop = home.unlock("laptop")
    laptop.put("plan", "one")
    home.add_device("phone")
    phone = home.unlock("phone")
    assert phone.get("plan").content == b"one"
    laptop.put("plan", "two")
    stored = phone.put("plan", "three")
    assert stored.conflict
    assert sorted(laptop.get(info.id).content for info in laptop.list()) == [b"three", b"two"]


def test_a_removal_of_what_another_device_changed_is_refused(home):
    laptop = home.unlock("laptop")
    laptop.put("plan", "one")
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.get("plan")
    laptop.put("plan", "two")
    with pytest.raises(ItemChangedError):
        phone.remove("plan")
    assert phone.get("plan").content == b"two"
    phone.remove("plan")
    assert laptop.list() == []


def test_unrelated_writes_are_rebased(home):
    home.add_device("phone")
    laptop, phone = home.unlock("laptop"), home.unlock("phone")
    for number in range(3):
        assert not laptop.put(f"l{number}", "x").conflict
        assert not phone.put(f"p{number}", "x").conflict
    assert len(laptop.list()) == len(phone.list()) == 6


def test_a_file_that_fails_to_open_leaves_no_file(home, tmp_path):
    vault: Vault = home.unlock("laptop")
    vault.put("x", os.urandom(2 * MIB))
    for digest, data in home.account.objects.items():
        if len(data) > MIB:
            home.account.objects[digest] = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(Exception, match="other bytes"):
        vault.get_file("x", tmp_path / "x")
    assert not list(tmp_path.glob("*x*"))
