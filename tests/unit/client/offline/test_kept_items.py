"""What is read without the server: as ciphertext that is kept, with the user key; and when it is erased."""

import json
from datetime import timedelta

import httpx
import pytest

import solekey
from solekey.crypto import UserKey as AnyUserKey
from solekey.errors import (
    DiskFullError,
    ItemMissingError,
    NotKeptError,
    OfflineError,
    OfflineForbiddenError,
    TamperedWrapError,
    WrongUserKeyError,
)
from solekey.errors.refusals import DeviceRevokedError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.kept_store import KeptStore
from solekey.offline.settings import OfflineSettings
from solekey.rotation.rotation import rekey_data
from solekey_protocol.encoding import encode_cbor, parse_cbor
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.ids import compute_digest
from tests.support.client.fake_parts import problem
from tests.unit.client.offline.test_offline_streams import stop


def open_account(home, name="laptop", offline="never", key=None):
    key = key or home.key()
    account = solekey.open(home.folder / name, key=key, offline=offline, runtime=home.runtime)
    return home.stack.enter_context(account)


@pytest.fixture
def kept(home):
    """A laptop that keeps ``notes``, has ``other`` too, and whose server does not answer any more."""
    account = open_account(home)
    account.items.put("notes", "hello", tags=("a",))
    account.items.put("other", "world")
    account.items.put("large", b"x" * 9_000_000)
    account.kept.keep("notes")
    account.kept.keep("large")
    account.close()
    stop(home)
    return home


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


def test_nothing_is_kept_where_that_is_forbidden(home):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.kept.forbid()
    assert not (home.folder / "laptop" / "wraps.cbor").exists()
    assert not list((home.folder / "laptop" / "kept" / "items").iterdir())
    with pytest.raises(OfflineForbiddenError):
        account.kept.keep("notes")
    account.close()
    open_account(home).close()  # unlocks again, keeps nothing
    assert not (home.folder / "laptop" / "wraps.cbor").exists()
    with pytest.raises(OfflineError):
        open_account(home, offline="always")
    again = solekey.open(home.folder / "laptop", runtime=home.runtime)
    again.kept.allow()
    assert again.kept.allowed
    open_account(home).close()
    assert open_account(home, offline="always").as_of is not None


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"allowed":true}', b'{"version":2}'])
def test_settings_that_are_damaged_allow_nothing(home, damage):
    folder = PrivateFolder(home.folder / "laptop")
    folder.write("offline.json", damage)
    assert OfflineSettings.load(folder) == OfflineSettings(allowed=False)


def test_a_re_key_replaces_the_wraps_and_makes_what_was_kept_useless(home):
    phone = home.add_device("phone")
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.close()
    old_wraps, old_parts = wraps_of(home), parts_of(home)
    with phone.unlock(home.key()) as vault:
        rekey_data(vault)
    home.sessions["laptop"].sync()  # locked: no key is at hand
    assert wraps_of(home) == set()
    stop(home)
    with pytest.raises(OfflineError):
        open_account(home, offline="always")
    home.server.be_honest()
    open_account(home).close()
    assert wraps_of(home).isdisjoint(old_wraps)
    assert parts_of(home).isdisjoint(old_parts)
    stop(home)
    assert open_account(home, offline="always").items.get("notes").content == b"hello"


def wraps_of(home, name="laptop"):
    path = home.folder / name / "wraps.cbor"
    rows = parse_cbor(path.read_bytes(), max_bytes=1_000_000) if path.exists() else []
    return {compute_digest(row) for row in rows}


def parts_of(home, name="laptop"):
    return {path.name for path in (home.folder / name / "kept" / "items").glob("*")}


def test_a_device_that_learns_of_its_revocation_erases_what_it_keeps(kept):
    kept.server.be_honest()
    kept.server.tamper = lambda request, response: (
        problem(403, "device_revoked") if "health" not in request.url.path else response
    )
    with pytest.raises(DeviceRevokedError):
        open_account(kept)
    assert wraps_of(kept) == set()
    assert parts_of(kept) == set()
    stop(kept)
    with pytest.raises(OfflineError):
        open_account(kept, offline="always")


def test_a_login_that_tells_of_the_revocation_erases_it_too(kept):
    kept.server.be_honest()
    kept.server.tamper = lambda request, response: (
        problem(403, "device_revoked") if request.url.path.endswith("/sessions") else response
    )
    with pytest.raises(DeviceRevokedError):
        kept.log_in("laptop")
    assert (wraps_of(kept), parts_of(kept)) == (set(), set())


def test_a_revocation_in_the_verified_events_erases_it(home):
    """Whatever the server answers: what a trusted device has signed is enough."""
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.close()
    phone = home.add_device("phone")
    own = home.sessions["laptop"].devices.own_id
    home.say(phone, DeviceRevoked(own, RevocationReason.LOST))
    phone.sync()
    verified = (home.folder / "phone" / "streams" / "devices.jsonl").read_bytes()
    (home.folder / "laptop" / "streams" / "devices.jsonl").write_bytes(verified)
    home.reopen("laptop").kept.follow()
    assert (wraps_of(home), parts_of(home)) == (set(), set())


def test_the_operator_says_no(kept):
    kept.server.be_honest()
    kept.server.tamper = forbid
    open_account(kept).close()
    assert (wraps_of(kept), parts_of(kept)) == (set(), set())
    stop(kept)
    with pytest.raises(OfflineError):
        open_account(kept, offline="always")


def forbid(request, response):
    if request.url.path.endswith("/wraps"):
        response.headers["Solekey-Offline"] = "forbidden"
    return response


def test_a_pending_device_keeps_nothing(home):
    phone = home.log_in("phone")
    with phone.unlock(home.key()):
        pass
    assert wraps_of(home, "phone") == set()
    home.add_device("tablet")
    open_account(home, "tablet").close()
    assert wraps_of(home, "tablet")


def test_control_another_refusal_erases_nothing(kept):
    kept.server.be_honest()
    kept.server.tamper = lambda request, response: (
        problem(403, "device_not_trusted") if "wraps" in request.url.path else response
    )
    with pytest.raises(Exception, match="trusted"):
        open_account(kept)
    assert wraps_of(kept)
    assert parts_of(kept)


def test_logging_out_forgets_what_opens_items(home):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.keep("notes")
    account.log_out()
    assert wraps_of(home) == set()
    with pytest.raises(OfflineError):
        open_account(home, offline="always")


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


def words(home):
    path = home.folder / "words"
    path.write_text(home.phrase)
    return f"@{path}"


def test_no_longer_kept_is_deleted(kept):
    account = open_account(kept, offline="always")
    before = parts_of(kept)
    account.kept.remove("notes")
    assert parts_of(kept) < before
    with pytest.raises(ItemMissingError, match="not kept"):
        account.kept.remove("notes")


def test_a_full_disk_keeps_what_was_kept(home, monkeypatch):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.items.put("more", "of it")
    account.kept.keep("notes")
    before = parts_of(home)

    def full(*_):
        raise DiskFullError("full")

    monkeypatch.setattr("solekey.offline.keeping.verify_room", full)
    with pytest.raises(DiskFullError):
        account.kept.keep("more")
    monkeypatch.undo()
    assert parts_of(home) == before
    assert [item.name for item in account.kept.list()] == ["notes"]
    monkeypatch.setattr(KeptStore, "keep", full)
    with pytest.raises(DiskFullError):
        account.kept.keep("more")
    assert [item.name for item in account.kept.list()] == ["notes"]


def test_a_full_disk_keeps_nobody_from_reading(home, monkeypatch):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.limit_cache(1_000_000)
    account.close()

    def full(self, name, data):
        raise DiskFullError("full")

    again = open_account(home)
    monkeypatch.setattr(PrivateFolder, "write", full)
    assert again.items.get("notes").content == b"hello"
    monkeypatch.undo()


def test_outdated_wraps_do_not_stay_on_a_full_disk(home, monkeypatch):
    path = home.folder / "laptop" / "wraps.cbor"
    with home.sessions["laptop"].unlock(home.key()) as vault:
        assert path.exists()

        def full(self, name, data):
            raise DiskFullError("full")

        with monkeypatch.context() as filled:
            filled.setattr(PrivateFolder, "write", full)
            home.sessions["laptop"].kept.wraps.erase()
        assert not path.exists()
        vault.put("notes", "hello")


def test_what_was_read_is_kept_within_the_limit_and_the_oldest_goes_first(tmp_path):
    import os

    store = KeptStore(PrivateFolder(tmp_path))
    parts = [bytes([number]) * 100 for number in range(5)]
    digests = [compute_digest(part) for part in parts]
    for number, (digest, part) in enumerate(zip(digests, parts, strict=True)):
        store.cache(digest, part, 300)
        os.utime(tmp_path / "kept" / "cache" / digest, (1000 + number, 1000 + number))
    assert [store.has(digest) for digest in digests] == [False, False, True, True, True]
    assert store.read(digests[2]) == parts[2]  # read now: it is the newest
    store.cache(digests[0], parts[0], 300)
    assert [store.has(digest) for digest in digests] == [True, False, True, False, True]
    store.cache(digests[1], parts[1], 99)  # does not fit at all
    assert not store.has(digests[1])
    store.shrink_cache(0)
    assert not any(store.has(digest) for digest in digests)


def test_a_cached_item_is_read_without_the_server(home):
    account = open_account(home)
    account.items.put("notes", "hello")
    account.kept.limit_cache(10_000_000)
    account.close()
    open_account(home).items.get("notes")
    stop(home)
    assert open_account(home, offline="always").items.get("notes").content == b"hello"
    limited = solekey.open(home.folder / "laptop", runtime=home.runtime)
    limited.kept.limit_cache(0)
    assert not list((home.folder / "laptop" / "kept" / "cache").glob("*"))
    with pytest.raises(ValueError, match="0 bytes or more"):
        limited.kept.limit_cache(-1)


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
