"""Rotations: to the end, from every point of interruption, by every trusted device."""

import os

import pytest

from solekey import UserKey
from solekey.errors import (
    DeviceRevokedError,
    NewUserKeyNeededError,
    RotationError,
    UnknownDeviceError,
    WrongUserKeyError,
)
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import abort_rotation, change_user_key, rekey_data, resume_rotation
from solekey_protocol.events import Stream
from solekey_protocol.events.rotation import RotationReason
from solekey_protocol.limits import MIB
from tests.support.client.transfers import await_transfers


class Died(BaseException):
    """The process is gone."""


CONTENTS = {"a": b"1", "b": b"2", "big": os.urandom(2 * MIB)}


@pytest.fixture
def full(home):
    """A world with two devices and some items."""
    vault = home.unlock("laptop")
    for name, content in CONTENTS.items():
        vault.put(name, content)
    home.add_device("phone")
    return home


def read_all(world, name, phrase):
    with world.reopen(name).unlock(UserKey.from_phrase(phrase)) as vault:
        return {info.name: vault.get(info.id).content for info in vault.list()}


def wraps(world):
    return [wrap.wrapped for wrap in world.account.states[Stream.VAULT].live_wraps()]


def test_a_user_key_change_leaves_one_key(full):
    new = UserKey.make().to_phrase()
    vault = full.unlock("laptop")
    change_user_key(vault, UserKey.from_phrase(new))
    assert vault.get("a").content == b"1"
    assert [(wrap.epoch, wrap.wrap_version) for wrap in wraps(full)] == [(1, 2)]
    assert read_all(full, "phone", new) == CONTENTS
    with pytest.raises(WrongUserKeyError):
        read_all(full, "phone", full.phrase)
    assert len(full.account.states[Stream.ROTATION].completed) == 1


def test_a_rekey_leaves_one_epoch(full):
    vault = full.unlock("laptop")
    seen: list[tuple[int, int]] = []
    rekey_data(vault, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)
    assert {change.epoch for change in vault.unlocked.index.items.values()} == {2}
    assert [(wrap.epoch, wrap.wrap_version) for wrap in wraps(full)] == [(2, 1)]
    state = full.account.states[Stream.VAULT]
    assert state.purged_through == state.last_snapshot > 0
    assert read_all(full, "phone", full.phrase) == CONTENTS
    assert not list((full.folder / "laptop" / "uploads").iterdir())


def test_a_rekey_makes_no_conflict_copy_of_what_was_only_reencrypted(full):
    phone = full.unlock("phone")
    assert phone.get("a").content == b"1"
    rekey_data(full.unlock("laptop"))
    stored = phone.put("a", b"new")
    assert (stored.conflict, stored.version) == (False, 2)


def die_at(world, nth):
    """Die at the nth statement, before the server hears it or (odd) after it has answered."""
    count = 0

    def before(request):
        nonlocal count
        if request.url.path.endswith("/statements"):
            count += 1
            if count == (nth + 1) // 2 and nth % 2:
                raise Died

    def tamper(request, response):
        if request.url.path.endswith("/statements") and count == nth // 2 and not nth % 2:
            raise Died
        return response

    world.server.before, world.server.tamper = before, tamper


def come_back(world):
    """The next program begins."""
    await_transfers()
    world.server.be_honest()


@pytest.mark.slow
@pytest.mark.parametrize("resumer", ["laptop", "phone"])
@pytest.mark.parametrize("nth", range(1, 15))
def test_a_user_key_change_is_resumed_from_every_point(full, nth, resumer):
    new = UserKey.make().to_phrase()
    vault = full.unlock("laptop")
    die_at(full, nth)
    with pytest.raises(Died):
        change_user_key(vault, UserKey.from_phrase(new))
    come_back(full)
    session = full.reopen(resumer)
    session.sync()
    in_force = full.phrase
    with UserKey.from_phrase(new) as key:
        if session.streams.devices.key_id == key.derive_key_id(session.account):
            in_force = new
    with session.unlock(UserKey.from_phrase(in_force)) as resumed:
        if session.streams.rotation.open is None and in_force != new:
            change_user_key(resumed, UserKey.from_phrase(new))  # it had not been heard of
        else:
            resume_rotation(resumed, UserKey.from_phrase(new))
    assert full.account.states[Stream.ROTATION].open is None
    assert len(wraps(full)) == 1
    assert read_all(full, "phone", new) == CONTENTS


@pytest.mark.slow
@pytest.mark.parametrize("resumer", ["laptop", "phone"])
@pytest.mark.parametrize("nth", range(1, 19))
def test_a_rekey_is_resumed_from_every_point(full, nth, resumer):
    vault = full.unlock("laptop")
    die_at(full, nth)
    with pytest.raises(Died):
        rekey_data(vault)
    come_back(full)
    with full.reopen(resumer).unlock(full.key()) as resumed:
        if resume_rotation(resumed) is None and resumed.unlocked.streams.vault.epoch == 1:
            rekey_data(resumed)
    assert full.account.states[Stream.ROTATION].open is None
    assert [wrap.epoch for wrap in wraps(full)] == [2]
    assert read_all(full, "phone", full.phrase) == CONTENTS


def test_writes_of_another_device_during_a_rekey_are_kept(full):
    phone = full.unlock("phone")
    phone.get("a")
    written = []

    def write_once(done, total):
        if not written:
            written.append(phone.put("a", b"from the phone"))
            written.append(phone.put("new", b"too"))

    rekey_data(full.unlock("laptop"), progress=write_once)
    found = read_all(full, "laptop", full.phrase)
    assert b"from the phone" in found.values()
    assert found["new"] == b"too"
    assert {change.epoch for change in phone.unlocked.index.items.values()} <= {1, 2}


def test_a_second_rotation_waits_for_the_first(full):
    vault = full.unlock("laptop")
    die_at(full, 4)
    with pytest.raises(Died):
        rekey_data(vault)
    come_back(full)
    with full.reopen("phone").unlock(full.key()) as phone:
        with pytest.raises(RotationError, match="is open"):
            change_user_key(phone, UserKey.make())
        resume_rotation(phone)
        change_user_key(phone, UserKey.make())


def test_an_open_change_needs_the_new_words_or_is_given_up(full):
    vault = full.unlock("laptop")
    die_at(full, 4)
    with pytest.raises(Died):
        change_user_key(vault, UserKey.make())
    come_back(full)
    with full.reopen("phone").unlock(full.key()) as phone:
        with pytest.raises(NewUserKeyNeededError):
            resume_rotation(phone)
        with pytest.raises(NewUserKeyNeededError):
            resume_rotation(phone, UserKey.make())
        assert abort_rotation(phone) is not None
        assert [wrap.wrap_version for wrap in wraps(full)] == [1]
        change_user_key(phone, UserKey.make())


def test_the_present_user_key_is_no_new_one(full):
    with pytest.raises(RotationError, match="present one"):
        change_user_key(full.unlock("laptop"), full.key())


def test_a_revoked_device_is_refused_and_everything_is_rotated(full):
    new = UserKey.make().to_phrase()
    vault = full.unlock("laptop")
    phone = full.sessions["phone"]
    revocation = revoke_device(vault, phone.devices.own_id, UserKey.from_phrase(new))
    assert (revocation.known_epochs, revocation.exposed_items, revocation.epoch) == ((1,), 3, 2)
    assert revocation.exposed_versions == 3
    assert "3 items, in up to 3 versions" in revocation.describe()
    assert revocation.trusted_since is not None
    assert revocation.trusted_since <= revocation.revoked_on
    assert revocation.trusted_since in revocation.describe()
    with pytest.raises(DeviceRevokedError):
        phone.sync()
    with pytest.raises(DeviceRevokedError):
        full.log_in("phone")
    assert read_all(full, "laptop", new) == CONTENTS
    started = [event.body for event in full.account.events[Stream.ROTATION]]
    reasons = [body.reason for body in started if hasattr(body, "from_key_id")]
    assert reasons == [RotationReason.REVOCATION] * 2


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(1, 34, 3))
def test_a_revocation_is_resumed_from_every_point(full, nth):
    new = UserKey.make().to_phrase()
    vault = full.unlock("laptop")
    phone = full.sessions["phone"].devices.own_id
    die_at(full, nth)
    with pytest.raises(Died):
        revoke_device(vault, phone, UserKey.from_phrase(new))
    come_back(full)
    session = full.reopen("laptop")
    session.sync()
    with UserKey.from_phrase(new) as key:
        changed = session.streams.devices.key_id == key.derive_key_id(session.account)
    with session.unlock(UserKey.from_phrase(new if changed else full.phrase)) as resumed:
        revoke_device(resumed, phone, UserKey.from_phrase(new))
    assert len(full.account.states[Stream.ROTATION].completed) == 2
    assert [wrap.epoch for wrap in wraps(full)] == [2]
    assert read_all(full, "laptop", new) == CONTENTS


def test_a_device_does_not_revoke_itself(full):
    own = full.sessions["laptop"].devices.own_id
    with pytest.raises(UnknownDeviceError):
        revoke_device(full.unlock("laptop"), own, UserKey.make())


def test_a_user_key_never_comes_back(home):
    """Whoever had its words could open what is wrapped under it again."""
    vault = home.unlock("laptop")
    change_user_key(vault, UserKey.make())
    with pytest.raises(RotationError, match="the account's before"):
        change_user_key(vault, home.key())
    assert vault.unlocked.streams.rotation.open is None
    change_user_key(vault, UserKey.make())  # the control
