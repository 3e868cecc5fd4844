"""What the devices service decides beyond the stream's rules (those: tests/unit/protocol/streams/)."""

import pytest

from solekey_devices.refusals import NameRefused
from solekey_devices.statements import DeviceStatements
from solekey_protocol.errors import SignatureError, TransitionError
from solekey_protocol.event import encode_event
from solekey_protocol.events import devices
from solekey_protocol.ids import Timestamp
from solekey_protocol.streams import DevicesStream
from tests.support.actors import Actor

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
NOON = Timestamp("2026-11-23T12:00:00.000Z")
EMPTY = DevicesStream.start(LAPTOP.account)


def follow(state, *said):
    for signed in said:
        state = state.evolve(encode_event(signed, account=LAPTOP.account, after=state.head, time=NOON))
    return state


def take(state, signed, name=None):
    """Take a statement as StatementFlow does; return the stream that goes on with it."""
    statements = DeviceStatements()
    state.verify(signed, state)
    context = statements.gather(None, signed, {"name": name})
    statements.verify(state, context, signed)
    return follow(state, signed)


FOUNDED = follow(EMPTY, LAPTOP.sign(LAPTOP.founded()))


def test_statements_are_taken_with_the_name_of_their_device():
    signed = LAPTOP.sign(LAPTOP.founded())
    assert take(EMPTY, signed, LAPTOP.name)
    enrolment = PHONE.sign(PHONE.enrolled(), FOUNDED.head)
    assert take(FOUNDED, enrolment, PHONE.name)


@pytest.mark.parametrize("name", ["n" * 64, "Ünïcode 手机 📱", "x"])
def test_names_of_any_script_are_taken(name):
    phone = Actor("ana", name)
    assert take(FOUNDED, phone.sign(phone.enrolled(), FOUNDED.head), phone.name)


REFUSED_NAMES = {
    "missing": None,
    "of another device": LAPTOP.name,
    "another salt": {**PHONE.name, "salt": "00" * 16},
    "no salt": {"name": "phone"},
    "a member too many": {**PHONE.name, "owner": "Ana"},
    "salt too short": {**PHONE.name, "salt": "00" * 15},
    "salt in upper case": {**PHONE.name, "salt": PHONE.name["salt"].upper()},
    "empty": {**PHONE.name, "name": ""},
    "too long": {**PHONE.name, "name": "n" * 65},
    "a line break": {**PHONE.name, "name": "phone\n"},
    "right-to-left override": {**PHONE.name, "name": "phone\u202e"},
    "a number": {**PHONE.name, "name": 7},
    "a string": "phone",
}


@pytest.mark.parametrize("what", REFUSED_NAMES)
def test_a_certificate_needs_the_name_that_it_commits_to(what):
    signed = PHONE.sign(PHONE.enrolled(), FOUNDED.head)
    with pytest.raises(NameRefused):
        take(FOUNDED, signed, REFUSED_NAMES[what])


def test_other_statements_take_no_name():
    pending = follow(FOUNDED, PHONE.sign(PHONE.enrolled(), FOUNDED.head))
    signed = PHONE.sign(PHONE.trusted(), pending.head)
    assert take(pending, signed, None)
    with pytest.raises(NameRefused):
        take(pending, signed, PHONE.name)


def test_the_streams_own_rules_hold():
    again = LAPTOP.sign(LAPTOP.founded(), FOUNDED.head)
    with pytest.raises(TransitionError):
        take(FOUNDED, again, LAPTOP.name)
    forged = PHONE.sign(PHONE.enrolled(), FOUNDED.head, device=LAPTOP.key)
    with pytest.raises(SignatureError):
        take(FOUNDED, forged, PHONE.name)
    pending = follow(FOUNDED, PHONE.sign(PHONE.enrolled(), FOUNDED.head))
    lost = devices.RevocationReason.LOST
    itself = LAPTOP.sign(devices.DeviceRevoked(LAPTOP.device, lost), pending.head)
    with pytest.raises(TransitionError):
        take(pending, itself, None)
    revoked = devices.DeviceRevoked(PHONE.device, lost)
    locked = LAPTOP.sign(revoked, pending.head, account=LAPTOP.key)
    with pytest.raises(SignatureError):
        take(pending, locked, None)
    revocation = LAPTOP.sign(revoked, pending.head)
    assert take(pending, revocation, None)
