"""What is kept is erased where it must not be: after a revocation, by the operator's word, at a logout."""

import pytest

import solekey
from solekey.errors import OfflineError, OfflineForbiddenError
from solekey.errors.refusals import DeviceRevokedError
from solekey.files.private_folder import PrivateFolder
from solekey.offline.settings import OfflineSettings
from solekey.rotation.rotation import rekey_data
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from tests.support.client.fake_parts import problem
from tests.unit.client.offline.kept import open_account, parts_of, wraps_of
from tests.unit.client.offline.test_offline_streams import stop


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
