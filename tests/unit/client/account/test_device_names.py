"""A name is bound to its device: the operator cannot make it select another one."""

from dataclasses import replace

import click
import pytest

from solekey import Runtime
from solekey.account.device_list import choose_device
from solekey.account.device_names import DeviceName
from solekey.crypto import SoftwareDeviceKey
from solekey.errors import DeviceNameUncertainError, ForgedEventError, UnknownDeviceError
from solekey_protocol.event import encode_event
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.devices import DeviceCertificate, DeviceEnrolled
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import DeviceId, Timestamp
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import DeviceStatus
from tests.support.repository import ROOT

PHONE = "Ana's phone"


@pytest.fixture
def family(home):
    """A laptop and a trusted phone."""
    home.add_device(PHONE)
    return home


def enrol_ghost(world, *, name=PHONE, commitment=None, salt=bytes(16)):
    """The operator writes a device of his own into the stream: it signs for itself, and nobody else must."""
    account, key = world.account, SoftwareDeviceKey.make(Runtime().random)
    named = DeviceName(name, salt)
    commitment = commitment or named.derive_commitment(key.device_id)
    body = DeviceEnrolled(DeviceCertificate(key.device_id, key.public_key, Platform.LINUX, commitment))
    head = account.events[Stream.DEVICES][-1].head
    seen = account.states[Stream.DEVICES].chain.seen
    statement = Statement(account.account, head.seq + 1, head.digest, seen, key.device_id, body)
    signed = SignedStatement(statement, {Signer.DEVICE: key.sign(statement.signing_bytes())})
    time = Timestamp.from_datetime(world.server.now)
    event = encode_event(signed, account=account.account, after=head, time=time)
    account.events[Stream.DEVICES].append(event)
    account.names.append({"device": key.device_id, **named.encode()})
    return key.device_id


def phone_of(world):
    return world.sessions[PHONE].devices.own_id


def test_a_ghost_cannot_take_the_commitment_of_another_device(family):
    laptop = family.sessions["laptop"]
    laptop.sync()
    certificate = laptop.streams.devices.devices[phone_of(family)].certificate
    (row,) = [row for row in family.account.names if row["device"] == phone_of(family)]
    enrol_ghost(family, commitment=certificate.name_commitment, salt=bytes.fromhex(row["salt"]))
    with pytest.raises(ForgedEventError, match="takes the name of another device"):
        laptop.devices.list()


def test_a_ghost_of_the_same_name_makes_the_name_select_nothing(family):
    ghost = enrol_ghost(family)
    devices = family.sessions["laptop"].devices
    with pytest.raises(DeviceNameUncertainError, match=ghost):
        devices.find(PHONE)
    assert devices.find(phone_of(family)).id == phone_of(family)


def test_a_ghost_whose_rival_the_server_hides_selects_nothing(family):
    """The laptop has never seen the phone's name: the server withholds it and shows a ghost of that name."""
    family.account.names[:] = [row for row in family.account.names if row["device"] != phone_of(family)]
    enrol_ghost(family)
    with pytest.raises(DeviceNameUncertainError, match=phone_of(family)):
        family.sessions["laptop"].devices.find(PHONE)


def test_a_name_that_was_verified_once_cannot_be_hidden(family):
    assert family.sessions["laptop"].devices.find(PHONE).id == phone_of(family)
    family.account.names.clear()
    again = family.reopen("laptop")
    assert [info.name for info in again.devices.list()] == ["laptop", PHONE]
    assert again.devices.find(PHONE).id == phone_of(family)
    (family.folder / "laptop" / "names.json").write_text("{")  # a damaged file says nothing
    assert {info.name for info in again.devices.list()} == {None}


def test_a_remembered_name_counts_only_for_its_own_device(family):
    laptop = family.sessions["laptop"]
    laptop.devices.list()
    path, own, other = family.folder / "laptop" / "names.json", laptop.devices.own_id, phone_of(family)
    path.write_text(path.read_text().replace(own, "dev").replace(other, own).replace('"dev"', f'"{other}"'))
    family.account.names.clear()
    assert {info.name for info in laptop.devices.list()} == {None}


def test_no_name_selects_while_a_device_has_none(family):
    watch = family.log_in("watch").devices.own_id
    family.account.names[:] = [row for row in family.account.names if row["device"] != watch]
    devices = family.sessions["laptop"].devices
    for name in ("laptop", PHONE, "watch"):
        with pytest.raises(DeviceNameUncertainError, match=watch):
            devices.find(name)
    assert devices.find(watch[:12]).id == watch


@pytest.mark.parametrize("text", ["dev_", "dev_aaaa", "nobody", ""])
def test_what_is_no_device_is_not_found(family, text):
    with pytest.raises(UnknownDeviceError):
        family.sessions["laptop"].devices.find(text)


def test_a_revoked_device_of_the_same_name_is_passed_over(family):
    laptop, phone = family.sessions["laptop"].devices.list()
    old = replace(laptop, name=PHONE, status=DeviceStatus.REVOKED)
    assert choose_device([old, phone], PHONE) == phone
    assert choose_device([old], PHONE) == old  # a revocation is resumed
    assert choose_device([replace(old, name=None), phone], PHONE) == phone


def test_revoke_shows_standing_key_and_id_and_asks(family, run_cli, at_terminal, monkeypatch):
    phone = next(info for info in family.sessions["laptop"].devices.list() if info.name == PHONE)
    arguments = ("laptop", "devices", "revoke", PHONE, "--accept-risk", "--user-key", family.phrase)
    code, _, said = run_cli(*arguments)
    assert (code, "--yes" in said) == (2, True)
    assert all(shown in said for shown in (phone.id, phone.thumbprint, "trusted", PHONE))
    at_terminal()
    asked = []

    def confirm(text, **_):
        asked.append(text)
        raise click.Abort

    monkeypatch.setattr(click, "confirm", confirm)
    assert run_cli(*arguments)[0] != 0
    assert asked == ["Is this the device?"]
    assert family.account.states[Stream.DEVICES].devices[phone.id].status is DeviceStatus.TRUSTED


def test_the_commitment_is_the_one_of_the_specification():
    name = DeviceName(PHONE, bytes(range(16)))
    spec = (ROOT / "spec" / "devices.md").read_text(encoding="utf-8")
    assert name.derive_commitment(DeviceId.from_raw(bytes([0xAB] * 16))) in spec
