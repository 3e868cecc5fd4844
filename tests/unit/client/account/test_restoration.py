"""A server that was restored from a backup: accepted by its user, once, with the user key, or not at all."""

import copy
import json
import shutil
from contextlib import suppress
from itertools import count

import pytest

import solekey
from solekey.errors import (
    NoRestorationError,
    RestorationRefusedError,
    RollbackError,
    WrongUserKeyError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.streams import restoration, streams
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from tests.support.client.restorations import Backup, assert_refused


def open_account(home, name, offline="never"):
    account = solekey.open(home.folder / name, key=home.key(), offline=offline, runtime=home.runtime)
    return home.stack.enter_context(account)


def accept(home, name, agree=lambda _: True, key=None):
    return solekey.accept_restoration(
        home.folder / name, key=key or home.key(), agree=agree, runtime=home.runtime
    )


def put(home, name, item, content, *, keep=True):
    with open_account(home, name) as account:
        account.items.put(item, content)
        if keep:
            account.kept.keep(item)


def read(home, name):
    with open_account(home, name) as account:
        return {info.name: account.items.get(info.id).content for info in account.items.list()}


@pytest.fixture
def lost(home):
    """A laptop that has seen, and holds, more than the server that was restored."""
    put(home, "laptop", "old", b"first")
    put(home, "laptop", "gone", b"x", keep=False)
    backup = Backup(home)
    put(home, "laptop", "old", b"second")
    put(home, "laptop", "new", b"n" * 70_000)
    put(home, "laptop", "unheld", b"u", keep=False)
    with open_account(home, "laptop") as account:
        account.items.remove("gone")
    backup.restore()
    return home


def test_what_is_lost_is_shown_and_what_is_held_comes_back(lost):
    assert_refused(lost, "laptop")
    shown = []
    assert accept(lost, "laptop", lambda lacking: not shown.append(lacking))
    (lacking,) = shown
    (loss,) = lacking.losses
    assert (loss.stream.value, len(loss.events), lacking.is_trusted) == ("vault", 4, True)
    assert loss.declared[0] < loss.declared[1]
    assert {(item.name, item.is_held, item.is_removal) for item in lacking.items} == {
        ("old", True, False),
        ("new", True, False),
        ("unheld", False, False),
        (None, True, True),
    }
    assert read(lost, "laptop") == {"old": b"second", "new": b"n" * 70_000}
    put(lost, "laptop", "later", b"goes on")
    assert read(lost, "laptop")["later"] == b"goes on"
    assert "unheld" not in repr(lacking.items)


def test_the_profile_keeps_what_it_had_verified_and_what_was_accepted(lost):
    profile = lost.folder / "laptop"
    before = {path.name: path.read_bytes() for path in (profile / "streams").glob("*.jsonl")}
    pins = (profile / "heads.json").read_bytes()
    accept(lost, "laptop")
    kept = profile / "restorations" / "1"
    assert (kept / "heads.json").read_bytes() == pins
    assert {path.name: path.read_bytes() for path in (kept / "streams").glob("*")} == before
    accepted = json.loads((kept / "accepted.json").read_bytes())
    assert accepted["streams"]["vault"]["lost"] == json.loads(pins)["vault"]
    assert not (profile / "restoration").exists()


def test_nobody_accepts_it_for_the_user(lost):
    """Refused by the user, or with another key: nothing is changed, and the server is refused as before."""
    before = {path: path.read_bytes() for path in (lost.folder / "laptop").rglob("*.json*")}
    assert not accept(lost, "laptop", lambda _: False)
    with pytest.raises(WrongUserKeyError):
        accept(lost, "laptop", key=solekey.UserKey.make())
    after = {path: path.read_bytes() for path in (lost.folder / "laptop").rglob("*.json*")}
    assert after == before
    assert_refused(lost, "laptop")


def test_a_server_that_declares_nothing_or_another_moment_is_not_accepted(home):
    put(home, "laptop", "old", b"first")
    backup = Backup(home)
    put(home, "laptop", "new", b"x")
    backup.restore(declared=False)
    with pytest.raises(RestorationRefusedError, match="declares no restoration"):
        accept(home, "laptop")
    home.server.sleep(90)
    later = Backup(home).as_of
    backup.restore(as_of=later)
    with pytest.raises(RestorationRefusedError, match="declares no restoration"):
        accept(home, "laptop")
    backup.restore()
    assert accept(home, "laptop")


def test_one_acceptance_is_for_one_loss(lost):
    """A server that goes back again under the declaration that was accepted is refused for good."""
    accept(lost, "laptop")
    tamper = lost.server.tamper
    read(lost, "laptop")
    backup = Backup(lost)
    put(lost, "laptop", "later", b"acknowledged")
    backup.restore()
    lost.server.tamper = tamper  # the declaration of before
    with pytest.raises(RestorationRefusedError):
        accept(lost, "laptop")
    backup.restore()
    assert accept(lost, "laptop")  # control: one that was declared


def test_there_is_nothing_to_accept_at_an_honest_server(home):
    put(home, "laptop", "note", b"x")
    with pytest.raises(NoRestorationError):
        accept(home, "laptop")


def revoke(home, device, by=None):
    home.say(by or home.sessions["laptop"], DeviceRevoked(device, RevocationReason.LOST))


def test_a_revocation_that_was_seen_is_not_rolled_back(home):
    phone = home.add_device("phone").devices.own_id
    home.add_device("tablet")
    backup = Backup(home)
    home.sessions["laptop"].sync()
    home.sessions["laptop"].step_up(home.server.code())
    revoke(home, phone)
    backup.restore()
    with pytest.raises(RestorationRefusedError, match="which was revoked since, is trusted"):
        accept(home, "laptop")
    assert_refused(home, "laptop")
    home.server.sleep(60)
    tablet = home.reopen("tablet")  # which has seen no more than the backup
    tablet.sync()
    tablet.step_up(home.server.code())
    revoke(home, phone, tablet)
    assert accept(home, "laptop")  # control: it was revoked again
    home.reopen("laptop").sync()


def test_a_device_that_came_and_went_after_the_backup_is_never_trusted(home):
    """The server has lost all of it, and plays back the statements that made the device a trusted one."""
    put(home, "laptop", "note", b"x")
    backup = Backup(home)
    phone = home.add_device("phone").devices.own_id
    home.sessions["laptop"].sync()
    home.sessions["laptop"].step_up(home.server.code())
    known = {stream: list(events) for stream, events in home.account.events.items()}
    states = dict(home.account.states)
    revoke(home, phone)
    backup.restore()
    assert accept(home, "laptop")
    home.reopen("laptop").sync()
    home.account.events.update(known)
    home.account.states.update(states)
    with pytest.raises(RollbackError, match="which this device has seen revoked"):
        home.reopen("laptop").sync()


def test_a_key_that_was_replaced_is_not_in_force_again(home):
    put(home, "laptop", "note", b"x")
    backup = Backup(home)
    with open_account(home, "laptop") as account:
        account.step_up(home.server.code())
        account.keys.change_data_key()
    backup.restore()
    with pytest.raises(RestorationRefusedError, match="data key that was replaced"):
        accept(home, "laptop")
    assert_refused(home, "laptop")


def test_a_user_key_that_was_replaced_is_not_in_force_again(home):
    put(home, "laptop", "note", b"x")
    home.add_device("tablet")
    backup, old = Backup(home), home.key()
    new = solekey.UserKey.make()
    with open_account(home, "laptop") as account:
        account.step_up(home.server.code())
        account.keys.change_user_key(new.copy())
    backup.restore()
    for key in (old, new):
        with pytest.raises(RestorationRefusedError, match="user key that was replaced"):
            accept(home, "laptop", key=key)
    home.server.sleep(60)
    with open_account(home, "tablet") as account:  # which has seen no more than the backup
        account.step_up(home.server.code())
        account.keys.change_user_key(new.copy())  # the one that was lost: the server has never seen it
    assert accept(home, "laptop", key=new)


def test_the_second_device_does_the_same_without_a_conflict(home):
    home.add_device("phone")
    put(home, "laptop", "old", b"first")
    backup = Backup(home)
    put(home, "laptop", "old", b"second")
    put(home, "laptop", "new", b"n")
    with open_account(home, "phone") as account:
        account.kept.keep("old")
        account.kept.keep("new")
    put(home, "phone", "mine", b"m")
    backup.restore()
    for name in ("laptop", "phone"):
        assert_refused(home, name)
        assert accept(home, name)
    expected = {"old": b"second", "new": b"n", "mine": b"m"}
    assert read(home, "laptop") == {"old": b"second", "new": b"n"}
    assert read(home, "phone") == expected
    assert read(home, "laptop") == expected
    with open_account(home, "phone") as account:
        assert len(account.queue) == 0
        assert account.items.list(name="*conflict*") == []


def test_what_was_edited_since_is_kept_beside(home):
    """Another device has gone on with the restored server, in the same item: a conflict copy."""
    home.add_device("phone")
    put(home, "laptop", "note", b"first")
    read(home, "phone")
    backup = Backup(home)
    put(home, "laptop", "note", b"of the laptop")
    backup.restore()
    put(home, "phone", "note", b"of the phone")
    assert accept(home, "laptop")
    found = read(home, "laptop")
    assert found["note"] == b"of the phone"
    assert found["note (conflict, laptop)"] == b"of the laptop"


def test_what_waits_in_the_queue_is_newer_than_what_was_lost(home):
    put(home, "laptop", "note", b"first")
    backup = Backup(home)
    put(home, "laptop", "note", b"second")
    with open_account(home, "laptop", "always") as account:
        account.items.put("note", b"third, queued")
        account.items.put("note", b"fourth, queued")
        account.items.put("other", b"queued")
    backup.restore()
    assert accept(home, "laptop")
    assert read(home, "laptop") == {"note": b"fourth, queued", "other": b"queued"}
    assert read(home, "laptop") == {"note": b"fourth, queued", "other": b"queued"}


class KilledError(BaseException):
    """As by SIGKILL."""


def die_at(monkeypatch, step):
    """Die before the given change of a file, whichever it is; returns how many steps are left."""
    left = [step]

    def dying(real):
        def run(*arguments, **more):
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return real(*arguments, **more)

        return run

    for name in ("write", "append", "cut", "delete"):
        monkeypatch.setattr(PrivateFolder, name, dying(getattr(PrivateFolder, name)))
    return left


@pytest.mark.slow
def test_it_is_interrupted_anywhere_and_done_again(lost, monkeypatch):
    """Killed before any file is written, appended to, cut or deleted: nothing is lost, and it goes on."""
    server, whole = copy.deepcopy(vars(lost.account)), lost.folder / "whole"
    (lost.folder / "laptop").rename(whole)
    for step in count(1):
        shutil.rmtree(lost.folder / "laptop", ignore_errors=True)
        shutil.copytree(whole, lost.folder / "laptop")
        vars(lost.account).update(copy.deepcopy(server))
        with monkeypatch.context() as patched:
            left = die_at(patched, step)
            with suppress(KilledError):
                accept(lost, "laptop")
        if left[0] > 0:
            break
        with suppress(NoRestorationError):  # it was all but through
            accept(lost, "laptop")
        assert read(lost, "laptop") == {"old": b"second", "new": b"n" * 70_000}, step
        assert (lost.folder / "laptop" / "restorations" / "1" / "accepted.json").exists()
    assert step > 15


@pytest.mark.parametrize("check", ["_verify_withdrawn", "load_withdrawn"])
def test_control_without_the_check_a_revocation_is_rolled_back(home, monkeypatch, check):
    phone = home.add_device("phone").devices.own_id
    backup = Backup(home)
    home.sessions["laptop"].sync()
    home.sessions["laptop"].step_up(home.server.code())
    revoke(home, phone)
    backup.restore()
    monkeypatch.setattr(restoration, "_verify_withdrawn", lambda *_: None)
    if check == "load_withdrawn":
        monkeypatch.setattr(streams, "load_withdrawn", lambda *_: frozenset())
    assert accept(home, "laptop")
    if check == "load_withdrawn":
        home.reopen("laptop").sync()
        return
    with pytest.raises(RollbackError, match="has seen revoked"):
        home.reopen("laptop").sync()
