"""A new device is approved on a trusted one by its code, and waits for it without being told."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from solekey import UserKey
from solekey.account.approval import (
    FIRST_POLL_S,
    LAST_POLL_S,
    approve_device,
    find_device,
    wait_until_trusted,
)
from solekey.crypto import device_code
from solekey.crypto.device_code import DeviceCode
from solekey.errors import (
    ApproverNotTrustedError,
    DeviceCodeMismatchError,
    DeviceGoneError,
    DevicePendingError,
    DeviceRevokedError,
    ForgedEventError,
    WrongUserKeyError,
)
from solekey.rotation.rotation import change_user_key
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked, DeviceTrusted, RevocationReason
from solekey_protocol.streams import DeviceStatus
from tests.support.client.world import World


@pytest.fixture(autouse=True)
def _quick_codes(monkeypatch):
    """64 MiB a half are for people; tests/unit/client/crypto pays them."""
    device_code._derive_half.cache_clear()
    monkeypatch.setattr(device_code, "_MEMORY_KIB", 64)
    yield
    device_code._derive_half.cache_clear()


class Pauses:
    """What a waiting device sleeps; time passes, and ``then`` happens at the nth sleep."""

    def __init__(self, session, then=None):
        self.slept = []
        self.now_s = 1000.0
        self.then = then or {}
        runtime = replace(session.connection.runtime, sleep=self.sleep, monotonic=lambda: self.now_s)
        session.connection.runtime = runtime

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds
        self.then.get(len(self.slept), lambda: None)()


def code_of(session):
    return session.devices.derive_code(session.devices.own_id)


def said_in(world: World, kind: type) -> list:
    return [event for event in world.account.events[Stream.DEVICES] if isinstance(event.body, kind)]


def test_two_devices_derive_the_same_code_each_from_its_own_stream(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    laptop.sync()
    shown = code_of(phone)
    assert laptop.devices.derive_code(phone.devices.own_id) == shown
    assert code_of(laptop) != shown
    assert code_of(laptop).account_half == shown.account_half


def test_an_approved_device_is_trusted_and_the_trusted_one_has_said_so(home):
    home.unlock("laptop").put("a", "1")
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    info = approve_device(laptop, home.key(), code_of(phone))
    assert (info.id, info.status) == (phone.devices.own_id, DeviceStatus.TRUSTED)
    (trusted,) = said_in(home, DeviceTrusted)
    assert trusted.signed.statement.device == laptop.devices.own_id == info.certified_by
    assert wait_until_trusted(phone).certified_by == laptop.devices.own_id
    assert home.unlock("phone").get("a").content == b"1"


def test_a_second_approval_is_no_harm(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code = code_of(phone)
    for _ in range(2):
        assert approve_device(laptop, home.key(), code).status is DeviceStatus.TRUSTED
    assert len(said_in(home, DeviceTrusted)) == 1


@pytest.mark.parametrize("half", ["account_half", "device_half"])
def test_one_wrong_digit_approves_nothing(home, half):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code = code_of(phone)
    digits = getattr(code, half)
    wrong = replace(code, **{half: digits[:-1] + str((int(digits[-1]) + 1) % 10)})
    with pytest.raises(
        DeviceCodeMismatchError, match="first half" if half == "account_half" else "no device"
    ):
        approve_device(laptop, home.key(), wrong)
    assert not said_in(home, DeviceTrusted)
    approve_device(laptop, home.key(), code)  # positive control


def test_another_pending_device_is_not_taken_for_the_one_that_shows_the_code(home):
    """Whoever has the password enrols a device of his own beside it."""
    thief, phone, laptop = home.log_in("thief"), home.log_in("phone"), home.sessions["laptop"]
    approve_device(laptop, home.key(), code_of(phone))
    status = {info.id: info.status for info in laptop.devices.list()}
    assert status[phone.devices.own_id] is DeviceStatus.TRUSTED
    assert status[thief.devices.own_id] is DeviceStatus.PENDING


def test_a_device_that_the_server_hides_is_not_found(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code = code_of(phone)
    hidden = home.account.events[Stream.DEVICES].pop()
    with pytest.raises(DeviceCodeMismatchError):
        find_device(laptop, code)
    home.account.events[Stream.DEVICES].append(hidden)
    assert find_device(laptop, code).id == phone.devices.own_id


def test_a_device_that_is_shown_another_account_has_another_first_half(home):
    """A server between the two founds an account of its own for the new device to see."""
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    state = phone.streams.devices
    with UserKey.make() as other:
        key_id = other.derive_key_id(phone.account)
        account_key = other.derive_account_signing_key(phone.account).public_key
    device_key = phone.connection.profile.device_key.public_key
    shown = DeviceCode.derive(phone.account, account_key, key_id, device_key)
    assert shown.device_half == code_of(phone).device_half
    with pytest.raises(DeviceCodeMismatchError, match="another account"):
        approve_device(laptop, home.key(), shown)
    assert state.account_key != account_key


def test_a_new_device_that_was_shown_another_history_refuses_the_approval(home):
    """The approval is signed for the head that the trusted device saw."""
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    thief = home.log_in("thief")
    approve_device(laptop, home.key(), code_of(phone))
    events = home.account.events[Stream.DEVICES]
    hidden = next(e for e in events if e.signed.statement.device == thief.devices.own_id)
    honest = list(events)
    events.remove(hidden)
    with pytest.raises(ForgedEventError):
        wait_until_trusted(phone)
    events[:] = honest
    assert wait_until_trusted(home.reopen("phone")).status is DeviceStatus.TRUSTED


def test_only_a_trusted_device_approves(home):
    phone, tablet = home.log_in("phone"), home.log_in("tablet")
    tablet.sync()
    with pytest.raises(ApproverNotTrustedError):
        approve_device(tablet, home.key(), code_of(phone))
    assert not said_in(home, DeviceTrusted)


def test_only_the_user_key_approves(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    wrong = UserKey.make()
    with pytest.raises(WrongUserKeyError):
        approve_device(laptop, wrong, code_of(phone))
    assert not said_in(home, DeviceTrusted)


def test_waiting_asks_again_ever_more_rarely_until_somebody_approves(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code, seen = code_of(phone), []
    pauses = Pauses(phone, {9: lambda: approve_device(laptop, home.key(), code)})
    home.server.requests.clear()
    info = wait_until_trusted(phone, watch=seen.append)
    assert info.status is DeviceStatus.TRUSTED
    assert pauses.slept[:3] == [FIRST_POLL_S, 1.5, 2.25]
    assert pauses.slept == sorted(pauses.slept)
    assert pauses.slept[-1] == LAST_POLL_S
    assert {waiting.code for waiting in seen} == {code}
    assert seen[-1].waited_s == sum(pauses.slept[:-1])


def test_a_clock_that_is_set_while_it_waits_does_not_matter(home):
    phone = home.log_in("phone")

    def set_clock(**by):
        home.server.now += timedelta(**by)

    pauses = Pauses(phone, {2: lambda: set_clock(hours=5), 3: lambda: set_clock(hours=-4)})
    with pytest.raises(DevicePendingError):
        wait_until_trusted(phone, timeout_s=20)
    assert sum(pauses.slept) == 20


def test_waiting_ends_in_time_and_goes_on_when_called_again(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    pauses = Pauses(phone)
    with pytest.raises(DevicePendingError):
        wait_until_trusted(phone, timeout_s=60)
    assert sum(pauses.slept) == 60
    approve_device(laptop, home.key(), code_of(phone))
    assert wait_until_trusted(home.reopen("phone"), timeout_s=0).status is DeviceStatus.TRUSTED


def test_a_server_that_is_away_is_waited_for(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code, seen = code_of(phone), []

    def away(request):
        raise httpx.ConnectError("refused")

    def come_back():
        home.server.be_honest()
        approve_device(laptop, home.key(), code)

    home.server.before = away
    phone.connection.runtime = replace(
        phone.connection.runtime, sleep=lambda _: come_back() if len(seen) == 2 else None
    )
    assert wait_until_trusted(phone, watch=seen.append).status is DeviceStatus.TRUSTED
    assert [waiting.reachable for waiting in seen] == [False, False]


def test_a_device_that_is_revoked_instead_stops_waiting(home):
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    revoked = DeviceRevoked(phone.devices.own_id, RevocationReason.STOLEN)
    Pauses(phone, {1: lambda: home.say(laptop, revoked)})
    with pytest.raises((DeviceRevokedError, DeviceGoneError)):
        wait_until_trusted(phone)


def test_the_code_is_shown_anew_when_the_user_key_was_replaced(home):
    phone, seen = home.log_in("phone"), []
    new = UserKey.make()
    phrase = new.to_phrase()
    vault = home.unlock("laptop")

    def approve():
        approve_device(home.sessions["laptop"], UserKey.from_phrase(phrase), seen[-1].code)

    Pauses(phone, {1: lambda: change_user_key(vault, new), 2: approve})
    assert wait_until_trusted(phone, watch=seen.append).status is DeviceStatus.TRUSTED
    assert seen[0].code.account_half != seen[1].code.account_half
    assert seen[0].code.device_half == seen[1].code.device_half


def meanwhile(world, at, do):
    """Have something happen just before the server reads the next statement of one device."""
    pending = [do]

    def before(request):
        if request.url.path.endswith(at) and request.method == "POST" and pending:
            pending.pop()()

    world.server.before = before


def test_of_two_approvals_at_the_same_moment_both_end_well(home):
    tablet = home.add_device("tablet")
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    code = code_of(phone)
    meanwhile(home, "/devices/statements", lambda: approve_device(tablet, home.key(), code))
    info = approve_device(laptop, home.key(), code)
    assert info.certified_by == tablet.devices.own_id
    assert len(said_in(home, DeviceTrusted)) == 2  # the tablet's own, and one of the phone


def test_a_device_that_is_revoked_while_it_is_approved_is_not_approved(home):
    tablet = home.add_device("tablet")
    phone, laptop = home.log_in("phone"), home.sessions["laptop"]
    revoked = DeviceRevoked(phone.devices.own_id, RevocationReason.LOST)
    meanwhile(home, "/devices/statements", lambda: home.say(tablet, revoked))
    with pytest.raises(DeviceGoneError) as refusal:
        approve_device(laptop, home.key(), code_of(phone))
    assert "list of devices" in refusal.value.diagnostics()
    assert len(said_in(home, DeviceRevoked)) == 1


def test_of_two_devices_that_revoke_each_other_one_wins(home):
    tablet, laptop = home.add_device("tablet"), home.sessions["laptop"]
    laptop.sync()
    ours = DeviceRevoked(tablet.devices.own_id, RevocationReason.LOST)
    theirs = DeviceRevoked(laptop.devices.own_id, RevocationReason.LOST)
    meanwhile(home, "/devices/statements", lambda: home.say(tablet, theirs))
    with pytest.raises(DeviceRevokedError) as refusal:
        home.say(laptop, ours)
    assert "revoked this one" in refusal.value.diagnostics()
    tablet.sync()
    assert set(tablet.streams.devices.trusted) == {tablet.devices.own_id}
