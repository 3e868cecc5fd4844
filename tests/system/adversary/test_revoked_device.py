"""A revoked device with everything that it ever had: its keys, its tokens, and a copy of all that it saw.

It reads nothing that is written later, even if the server hands it every byte; it writes nothing; and nothing
that was ever signed brings it back. Each test has its control: the same attack on an account that was not
rotated, or by a device that is trusted, succeeds. Spec: rotation.md §5; threat-model.md P4.
"""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from solekey import UserKey
from solekey.crypto import DataKey, ItemContext, open_bytes
from solekey.errors import DeviceRevokedError, EvidenceError, OpenError, SolekeyError
from solekey.rotation.revocation import revoke_device
from solekey.vault.keyring import UnlockedUserKey, open_live_wrap
from solekey_protocol.encoding import encode_json
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked, DeviceTrusted, RevocationReason
from solekey_protocol.streams import DeviceStatus


@dataclass
class Thief:
    """The phone's keys and memory, and the requests that it ever sent."""

    world: object
    data_keys: dict[int, DataKey] = field(default_factory=dict)
    user_key: str = ""
    said: list[bytes] = field(default_factory=list)

    def read(self, change) -> bytes:
        """Open an item with every data key that it knows, from whatever the server has."""
        account = self.world.account
        key = self.data_keys.get(change.epoch)
        for data_key in [key] if key else self.data_values():
            envelope = account.objects[change.parts[0].digest]
            context = ItemContext(account.account, change.item, change.version)
            return open_bytes(envelope, data_key=data_key, context=context).content
        raise OpenError("header")

    def data_values(self):
        return list(self.data_keys.values())

    def unwrap_all(self) -> list[int]:
        """The epochs whose data keys the old user key opens, of all wraps that the server still has."""
        account, opened = self.world.account, []
        with UserKey.from_phrase(self.user_key) as key:
            held = UnlockedUserKey(UserKey(key.expose()), account.account)
        for record in account.states[Stream.VAULT].wraps.values():
            try:
                open_live_wrap(record.wrapped, dict(account.wraps), held, account.account).wipe()
            except SolekeyError:
                continue
            opened.append(record.wrapped.epoch)
        return opened


@pytest.fixture
def thief(home):
    """The phone read and wrote as a trusted device; its thief has kept it all."""
    robbed = Thief(home, user_key=home.phrase)

    def record(request):
        if request.url.path.endswith("/statements"):
            robbed.said.append(request.content)

    home.unlock("laptop").put("before", "old secret")
    home.server.before = record
    home.add_device("phone")
    phone = home.unlock("phone")
    phone.put("by the phone", "mine")
    assert phone.get("before").content == b"old secret"
    home.server.be_honest()
    epoch = phone.unlocked.streams.vault.epoch
    robbed.data_keys[epoch] = DataKey(epoch, bytes(phone.unlocked.keyring.data_key(epoch).expose()))
    return robbed


def revoke(world, *, rotating=True):
    """Revoke the phone from the laptop; without the rotations for the controls."""
    vault, phone = world.unlock("laptop"), world.sessions["phone"].devices.own_id
    if not rotating:
        vault.unlocked.say(lambda: DeviceRevoked(phone, RevocationReason.LOST))
        return vault
    new = UserKey.make()
    world.phrase = new.to_phrase()
    revoke_device(vault, phone, new)
    return vault


def put_later(vault):
    stored = vault.put("after", "new secret")
    vault.refresh()
    return vault.unlocked.index.items[stored.id]


def test_it_reads_nothing_that_is_written_later(home, thief):
    vault = revoke(home)
    with pytest.raises(OpenError):
        thief.read(put_later(vault))
    for change in vault.unlocked.index.items.values():  # nor what was there before, in its new envelope
        with pytest.raises(OpenError):
            thief.read(change)
    assert vault.unlocked.streams.vault.epoch not in thief.unwrap_all()


def test_control_without_the_rotations_it_reads_on(home, thief):
    vault = revoke(home, rotating=False)
    assert thief.read(put_later(vault)) == b"new secret"
    assert vault.unlocked.streams.vault.epoch in thief.unwrap_all()


def test_what_it_had_it_keeps_and_the_report_says_how_much(home, thief):
    """The claim is about what is written later: the copy of what was there before is the thief's."""
    before = {change.item: change for change in home.unlock("laptop").unlocked.index.items.values()}
    copies = dict(home.account.objects)
    vault, phone = home.unlock("laptop"), home.sessions["phone"].devices.own_id
    revocation = revoke_device(vault, phone, UserKey.make())
    assert (revocation.exposed_items, revocation.exposed_versions, revocation.known_epochs) == (2, 2, (1,))
    home.account.objects.update(copies)
    assert {thief.read(change) for change in before.values()} == {b"old secret", b"mine"}


def test_it_writes_nothing_with_the_tokens_and_keys_that_it_had(home, thief):
    phone = home.sessions["phone"]
    writer = home.unlock("phone")
    revoke(home)
    events = len(home.account.events[Stream.VAULT])
    with pytest.raises(DeviceRevokedError):
        writer.put("evil", "x")
    with pytest.raises(DeviceRevokedError):
        phone.sync()
    with pytest.raises(DeviceRevokedError):
        home.log_in("phone")
    assert len(home.account.events[Stream.VAULT]) == events


def test_control_a_trusted_device_writes(home, thief):
    writer = home.unlock("phone")
    assert writer.put("good", "x").version == 1


def test_nothing_that_was_ever_signed_brings_it_back(home, thief):
    """Its certificate, its enrolment and its commits are said again, by whoever the server admits."""
    laptop = home.sessions["laptop"]
    phone = home.sessions["phone"].devices.own_id
    revoke(home)
    counts = {stream: len(events) for stream, events in home.account.events.items()}
    assert len(thief.said) >= 3
    for content in thief.said:
        stream = json.loads(content)["statement"]["stream"]
        with pytest.raises(SolekeyError):
            home.sessions["phone"].connection.call(stream, "POST", "statements", content=content)
    assert {stream: len(events) for stream, events in home.account.events.items()} == counts
    assert home.account.states[Stream.DEVICES].devices[phone].status is DeviceStatus.REVOKED
    laptop.sync()
    assert phone not in laptop.streams.devices.trusted


def test_a_server_that_takes_its_certificate_again_is_refused_by_the_client(home, thief):
    """The operator writes the old statements once more, behind the revocation: no client follows him."""
    laptop, phone = home.sessions["laptop"], home.sessions["phone"].devices.own_id
    revoke(home)
    laptop.sync()
    events = home.account.events[Stream.DEVICES]
    certificate = next(event for event in events if isinstance(event.body, DeviceTrusted))
    last = events[-1]
    record = {**json.loads(certificate.raw), "seq": last.seq + 1, "prev": last.digest, "time": last.time}
    events.append(SimpleNamespace(raw=encode_json(record), signed=None))
    with pytest.raises(EvidenceError):
        laptop.sync()
    assert phone not in laptop.streams.devices.trusted


def test_control_a_new_device_is_trusted(home, thief):
    """The ways that are closed to the revoked one are open to another."""
    revoke(home)
    home.add_device("tablet")
    tablet = home.sessions["tablet"].devices.own_id
    assert home.account.states[Stream.DEVICES].devices[tablet].status is DeviceStatus.TRUSTED
