"""What is read without the server: as ciphertext that is kept, with the user key."""

import json
from datetime import timedelta

import httpx
import pytest

from solekey.crypto import UserKey as AnyUserKey
from solekey.errors import NotKeptError, OfflineError, TamperedWrapError, WrongUserKeyError
from solekey_protocol.encoding import encode_cbor, parse_cbor
from tests.unit.client.offline.kept import open_account, parts_of, words
from tests.unit.client.offline.test_offline_streams import stop


def read_profile(home, name="laptop"):
    return {path: path.read_bytes() for path in (home.folder / name).rglob("*") if path.is_file()}


def test_what_is_kept_is_read_with_the_user_key_and_nothing_else_is(kept):
    before = kept.server.now
    account = open_account(kept, offline="if_needed")
    assert account.as_of is not None
    assert account.items.get("notes").content == b"hello"
    assert account.items.find("notes").tags == ("a",)
    assert account.items.get_range("large", 5_000_000, 3) == b"xxx"
    assert account.items.get("large").content == b"x" * 9_000_000
    other = next(item for item in account.items.list() if item.name == "notes").id
    assert account.items.get(other).content == b"hello"
    assert kept.server.now - before < timedelta(milliseconds=1)  # nothing waited
    assert {method for method, _ in kept.server.requests} == {"GET"}
    with pytest.raises(WrongUserKeyError):
        open_account(kept, offline="always", key=AnyUserKey.make())


def test_only_wraps_that_signed_statements_name_are_kept(home):
    """A server may answer more, such as the wraps of another user key; they stay on no disk."""
    strange = b"a wrap that nobody has signed"

    def add_wrap(request, response):
        if request.method != "GET" or request.url.path != "/v1/vault/wraps":
            return response
        answered = parse_cbor(response.content, max_bytes=1 << 20)
        assert isinstance(answered, dict)
        return httpx.Response(200, content=encode_cbor({"wraps": [*answered["wraps"], strange]}))

    home.server.tamper = add_wrap
    open_account(home).close()
    (live,) = home.account.wraps.values()
    stored = parse_cbor((home.folder / "laptop" / "wraps.cbor").read_bytes(), max_bytes=1 << 20)
    assert stored == [live]


def test_what_is_not_kept_says_so_and_is_not_called_lost(kept):
    account = open_account(kept, offline="always")
    item = next(each for each in account._core.vault.unlocked.index.items.values() if each.size < 10_000)
    listing = account.items.list()
    missing = [each for each in (*listing, *listing.unreadable) if each.id not in kept_ids(account)]
    assert missing
    with pytest.raises(NotKeptError, match="not kept on this device"):
        account.items.get(missing[0].id)
    assert item is not None


def kept_ids(account):
    return {item.id for item in account.kept.list()}


def test_the_content_is_on_disk_as_ciphertext_alone(kept):
    for path, data in read_profile(kept).items():
        for secret in (b"hello", b"notes", b"x" * 64, kept.phrase.encode()):
            assert secret not in data, path


def test_a_file_is_written_from_what_is_kept(kept, tmp_path):
    account = open_account(kept, offline="always")
    account.items.get_file("large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == b"x" * 9_000_000


def test_kept_ciphertext_that_was_altered_is_not_believed(kept):
    for path in (kept.folder / "laptop" / "kept" / "items").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    account = open_account(kept, offline="always")
    notes = next(item for item in account.kept.list() if item.sealed_size < 10_000)
    with pytest.raises(NotKeptError):
        account.items.get(notes.id)


def test_control_the_server_heals_it(kept):
    for path in (kept.folder / "laptop" / "kept" / "items").iterdir():
        path.write_bytes(b"")
    kept.server.be_honest()
    account = open_account(kept)
    assert account.items.get("notes").content == b"hello"
    account.kept.refresh()
    assert all(item.is_whole for item in account.kept.list())


@pytest.mark.parametrize("damage", [b"", b"\xff", encode_cbor([]), encode_cbor([b"x" * 142]), encode_cbor(3)])
def test_wraps_that_are_damaged_or_of_nobody_open_nothing(kept, damage):
    (kept.folder / "laptop" / "wraps.cbor").write_bytes(damage)
    with pytest.raises(OfflineError, match="nothing that opens items"):
        open_account(kept, offline="always")


def test_the_servers_wraps_count_while_it_answers(kept):
    """A kept wrap never stands in for the one that a hostile server withholds."""
    kept.server.be_honest()
    kept.server.tamper = lambda request, response: (
        cbor_of_no_wraps(response) if request.url.path.endswith("/wraps") else response
    )
    with pytest.raises(TamperedWrapError):
        open_account(kept)


def cbor_of_no_wraps(response):
    import httpx

    return httpx.Response(200, headers=response.headers, content=encode_cbor({"wraps": []}))


def test_an_item_that_another_device_has_changed_follows(home):
    home.add_device("phone")
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.close()
    before = parts_of(home)
    home.unlock("phone").put("notes", "changed")
    open_account(home).close()
    assert parts_of(home).isdisjoint(before)
    stop(home)
    assert open_account(home, offline="always").items.get("notes").content == b"changed"


def test_a_change_that_was_only_heard_of_is_not_shown_as_if_it_were_known(home, run_cli):
    home.add_device("phone")
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.close()
    home.server.now += timedelta(hours=1)
    known_until = home.server.now
    home.unlock("phone").put("notes", "changed")
    home.server.now += timedelta(hours=1)
    home.sessions["laptop"].sync()  # the commit is verified, its change list was not fetched
    stop(home)
    account = open_account(home, offline="always")
    assert account.items.get("notes").content == b"hello"
    code, out, _ = run_cli("laptop", "list", "--offline", "--json", "--user-key", words(home))
    as_of = json.loads(out)["as_of"]
    assert code == 0
    assert as_of.startswith(known_until.isoformat(timespec="minutes")[:16])


def test_commands(home, run_cli):
    key = ("--user-key", words(home))
    run_cli("laptop", "put", "--name", "notes", "--text", "hello", *key)
    code, out, _ = run_cli("laptop", "keep", "notes", "--json", *key)
    assert (code, json.loads(out)["kept"]) == (0, True)
    code, out, _ = run_cli("laptop", "keep", "--json", *key)
    assert [row["name"] for row in json.loads(out)["kept"]] == ["notes"]
    code, out, _ = run_cli("laptop", "keep", *key)
    assert "notes" in out
    stop(home)
    code, out, said = run_cli("laptop", "get", "notes", *key)
    assert (code, out.strip()) == (0, "hello")
    assert "As of" in said
    code, out, _ = run_cli("laptop", "get", "notes", "--json", *key)
    assert json.loads(out)["as_of"] is not None
    code, out, _ = run_cli("laptop", "list", "--json", *key)
    assert code == 0
    assert [item["name"] for item in json.loads(out)["items"]] == ["notes"]
    home.server.be_honest()
    code, out, _ = run_cli("laptop", "list", "--json", *key)
    assert json.loads(out)["as_of"] is None
    code, out, _ = run_cli("laptop", "keep", "--limit", "2MiB", "--json")
    assert json.loads(out) == {"allowed": True, "cache_limit_bytes": 2 * 1024 * 1024}
    code, _, said = run_cli("laptop", "keep", "--limit", "much")
    assert code == 2
    assert "500MB" in said
    code, _, _ = run_cli("laptop", "keep", "notes", "--remove", *key)
    assert (code, parts_of(home)) == (0, set())
    code, out, _ = run_cli("laptop", "keep", "--off", "--json")
    assert json.loads(out)["allowed"] is False
    code, _, said = run_cli("laptop", "keep", "notes", *key)
    assert "[offline_forbidden]" in said
    for wrong in (("keep", "--remove"), ("keep", "notes", "--off")):
        assert run_cli("laptop", *wrong)[0] == 2
