"""A server that adds, brings back or hides devices is refused by every client; beside each way stands the
same done honestly, which is taken.
"""

import json
from dataclasses import dataclass

import pytest

from solekey import Runtime, UserKey
from solekey.account.device_names import DeviceName
from solekey.crypto import SoftwareDeviceKey
from solekey.errors import ForgedEventError, RollbackError
from solekey_protocol.encoding import encode_json
from solekey_protocol.events import Body, Signer, Stream
from solekey_protocol.events.devices import (
    DeviceCertificate,
    DeviceEnrolled,
    DeviceRevoked,
    DeviceTrusted,
    RevocationReason,
)
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import AccountId, Timestamp, compute_digest
from solekey_protocol.statements import Head, SignedStatement, Statement
from tests.support.client.world import forget_streams

Key = SoftwareDeviceKey


@dataclass(frozen=True)
class Shown:
    """A record that a hostile server shows; no event, maybe."""

    raw: bytes
    seq: int

    @property
    def head(self) -> Head:
        return Head(self.seq, compute_digest(self.raw))


@dataclass
class HostileServer:
    """Writes into the devices stream what it likes, with the keys that it has."""

    world: object

    def __post_init__(self):
        self.events = self.world.account.events[Stream.DEVICES]
        self.ghost = Key.make(Runtime().random)

    @property
    def certificate(self):
        commitment = DeviceName("laptop 2", bytes(16)).derive_commitment(self.ghost.device_id)
        return DeviceCertificate(self.ghost.device_id, self.ghost.public_key, Platform.LINUX, commitment)

    @property
    def account_key(self):
        return self.world.account.states[Stream.DEVICES].account_key

    @property
    def seen(self):
        return self.world.account.states[Stream.DEVICES].chain.seen

    def state(self, body: Body, of=None, **keys) -> SignedStatement:
        """Make a statement at the stream's end, signed by whoever is given."""
        head = self.events[-1].head
        account = of or self.world.account.account
        statement = Statement(account, head.seq + 1, head.digest, self.seen, keys["device"].device_id, body)
        signatures = {Signer(name): key.sign(statement.signing_bytes()) for name, key in keys.items()}
        return SignedStatement(statement, signatures)

    def write(self, signed: SignedStatement) -> None:
        """Show a statement as the next event; what the server itself writes around it is right."""
        head, account = self.events[-1].head, self.world.account.account
        document = {
            "specversion": "1.0",
            "id": f"{account}:devices:{head.seq + 1}",
            "source": "solekey/devices",
            "type": signed.statement.body.TYPE,
            "subject": account,
            "time": Timestamp.from_datetime(self.world.server.now),
            "datacontenttype": "application/json",
            "stream": "devices",
            "seq": head.seq + 1,
            "prev": head.digest,
            "data": signed.to_json(),
        }
        self.events.append(Shown(encode_json(document), head.seq + 1))

    def enrol(self):
        self.write(self.state(DeviceEnrolled(self.certificate), device=self.ghost))

    def certify(self, account_key, **others):
        keys = {"device": self.ghost, "account": account_key, **others}
        self.write(self.state(DeviceTrusted(self.account_key, self.certificate), **keys))


@pytest.fixture
def server(home):
    return HostileServer(home)


def forget(home):
    """Make the laptop one that has seen nothing yet."""
    forget_streams(home.folder / "laptop")


def refuse(home, error, match=None):
    """Every client refuses: the one that knows the stream, and one that reads it from the start."""
    with pytest.raises(error, match=match):
        home.reopen("laptop").sync()
    forget(home)
    with pytest.raises(error, match=match):
        home.reopen("laptop").sync()


def real_key(home):
    with home.key() as user_key:
        return user_key.derive_account_signing_key(home.account.account)


def stranger_key(home):
    with UserKey.make() as user_key:
        return user_key.derive_account_signing_key(home.account.account)


def test_control_a_certificate_of_the_user_key_is_taken(home, server):
    server.enrol()
    server.certify(real_key(home))
    session = home.reopen("laptop")
    session.sync()
    assert server.ghost.device_id in session.streams.devices.trusted


def test_control_a_pending_ghost_is_shown_and_not_trusted(home, server):
    """Whoever has the password, or is the server, may ask for trust; that is all."""
    server.enrol()
    session = home.reopen("laptop")
    (_, ghost) = session.devices.list()
    assert (ghost.status.value, ghost.may) == ("pending", ("follow",))
    assert set(session.streams.devices.trusted) == {session.devices.own_id}


@pytest.mark.parametrize(
    "signatures", [{"device": "0" * 128}, {}, {"account": "0" * 128}], ids=["zeros", "none", "another signer"]
)
def test_an_unsigned_device_is_refused(home, server, signatures):
    server.enrol()
    record = server.events.pop()
    document = json.loads(record.raw)
    document["data"]["signatures"] = signatures
    server.events.append(Shown(encode_json(document), record.seq))
    refuse(home, ForgedEventError)
    server.events[-1] = record
    home.reopen("laptop").sync()  # control: with its own signature it is a pending device


@pytest.mark.parametrize("speaker", ["itself", "in a trusted device's name"])
def test_a_device_certified_by_another_key_is_refused(home, server, speaker):
    server.enrol()
    if speaker == "itself":
        server.certify(stranger_key(home))
    else:
        signed = server.state(
            DeviceTrusted(server.account_key, server.certificate),
            device=home.sessions["laptop"].connection.profile.device_key,
            account=stranger_key(home),
        )
        server.write(signed)
    refuse(home, ForgedEventError, "signature")


def test_a_ghost_that_speaks_in_a_trusted_devices_name_is_refused(home, server):
    """Even with the user key's signature, replayed from elsewhere, the speaker must be who it says."""
    server.enrol()
    laptop = home.sessions["laptop"].devices.own_id
    head = server.events[-1].head
    body = DeviceTrusted(server.account_key, server.certificate)
    statement = Statement(home.account.account, head.seq + 1, head.digest, server.seen, laptop, body)
    message = statement.signing_bytes()
    signatures = {Signer.DEVICE: server.ghost.sign(message), Signer.ACCOUNT: real_key(home).sign(message)}
    server.write(SignedStatement(statement, signatures))
    refuse(home, ForgedEventError, "signature")


def test_a_device_of_another_account_is_refused(home, server):
    """Its owner has certified it, for another account: statement and account key are real."""
    other = AccountId.from_raw(bytes(range(16)))
    server.write(server.state(DeviceEnrolled(server.certificate), of=other, device=server.ghost))
    refuse(home, ForgedEventError, "account")


def test_a_certificate_of_another_account_is_refused(home, server):
    server.enrol()
    other = AccountId.from_raw(bytes(range(16)))
    with home.key() as user_key:
        key = user_key.derive_account_signing_key(other)
    server.certify(key)
    refuse(home, ForgedEventError, "signature")


@pytest.fixture
def revoked(home):
    """A world whose tablet was trusted and is revoked; gives its two statements."""
    tablet = home.add_device("tablet")
    laptop = home.sessions["laptop"]
    laptop.sync()
    revocation = DeviceRevoked(tablet.devices.own_id, RevocationReason.STOLEN)
    home.say(laptop, revocation)
    old = [event.signed for event in home.account.events[Stream.DEVICES][1:3]]
    assert [type(signed.statement.body) for signed in old] == [DeviceEnrolled, DeviceTrusted]
    return old


@pytest.mark.parametrize("which", [0, 1], ids=["enrolment", "certificate"])
def test_an_old_certificate_after_the_revocation_is_refused(home, server, revoked, which):
    server.write(revoked[which])
    refuse(home, ForgedEventError)


def test_a_revoked_device_signs_itself_back_in_vain(home, server, revoked):
    """With its own key, at the present head, and with the user key that it knew."""
    tablet = home.sessions["tablet"].connection.profile.device_key
    certificate = revoked[1].statement.body.certificate
    for body, keys in (
        (DeviceEnrolled(certificate), {"device": tablet}),
        (DeviceTrusted(server.account_key, certificate), {"device": tablet, "account": real_key(home)}),
    ):
        server.write(server.state(body, **keys))
        with pytest.raises(ForgedEventError):
            home.reopen("laptop").sync()
        server.events.pop()
    home.reopen("laptop").sync()  # control: without it the stream is good


def test_a_withheld_revocation_is_refused_by_who_has_seen_it(home, revoked):
    hidden = home.account.events[Stream.DEVICES].pop()
    with pytest.raises(RollbackError):
        home.reopen("laptop").sync()
    home.account.events[Stream.DEVICES].append(hidden)
    home.reopen("laptop").sync()  # control


def test_a_withheld_revocation_is_found_by_what_others_have_signed(home):
    """The phone never saw it, but the laptop's commit says that it had."""
    tablet, phone = home.add_device("tablet"), home.add_device("phone")
    laptop = home.sessions["laptop"]
    laptop.sync()
    revocation = DeviceRevoked(tablet.devices.own_id, RevocationReason.STOLEN)
    home.say(laptop, revocation)
    with laptop.unlock(home.key()) as vault:
        vault.put("a", "1")
    events = home.account.events[Stream.DEVICES]
    hidden = events.pop()
    with pytest.raises(RollbackError, match="withh"):
        phone.sync()
    events.append(hidden)
    home.reopen("phone").sync()  # control


def test_a_reordered_chain_is_refused(home):
    home.add_device("tablet")
    home.log_in("phone")
    events = home.account.events[Stream.DEVICES]
    honest = list(events)
    forget(home)
    events[1], events[2] = events[2], events[1]
    with pytest.raises(ForgedEventError):
        home.reopen("laptop").sync()
    events[:] = honest
    forget(home)
    home.reopen("laptop").sync()  # control


def test_a_renumbered_chain_is_refused(home, server):
    """The server orders two enrolments anew, and all that it writes itself is right."""
    home.log_in("tablet")
    home.log_in("phone")
    founded, *enrolled = list(server.events)
    server.events[:] = [founded]
    for event in reversed(enrolled):
        server.write(event.signed)
    forget(home)
    with pytest.raises(ForgedEventError):
        home.reopen("laptop").sync()
    server.events[:] = [founded, *enrolled]
    forget(home)
    home.reopen("laptop").sync()  # control
