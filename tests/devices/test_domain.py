"""What the devices service decides beyond the stream's rules (those: tests/protocol/test_streams.py)."""

import pytest
from actors import Actor

from solekey_devices.commands import parse_command
from solekey_devices.domain import decide
from solekey_devices.refusals import NameRefused
from solekey_protocol.errors import SchemaError, SignatureError, TransitionError
from solekey_protocol.event import encode_event
from solekey_protocol.events import devices, rotation
from solekey_protocol.ids import Timestamp
from solekey_protocol.streams import DevicesStream

LAPTOP, PHONE = Actor("ana", "laptop"), Actor("ana", "phone")
NOON = Timestamp("2026-11-23T12:00:00.000Z")
EMPTY = DevicesStream.start(LAPTOP.account)


def follow(state, *said):
    for signed in said:
        state = state.evolve(encode_event(signed, account=LAPTOP.account, after=state.head, time=NOON))
    return state


FOUNDED = follow(EMPTY, LAPTOP.sign(LAPTOP.founded()))


def test_a_statement_becomes_the_event_word_for_word():
    signed = LAPTOP.sign(LAPTOP.founded())
    assert decide(EMPTY, parse_command(signed, LAPTOP.name)) == [signed]
    enrolment = PHONE.sign(PHONE.enrolled(), FOUNDED.head)
    assert decide(FOUNDED, parse_command(enrolment, PHONE.name)) == [enrolment]


@pytest.mark.parametrize("name", ["n" * 64, "Ünïcode 手机 📱", "x"])
def test_names_of_any_script_are_taken(name):
    phone = Actor("ana", name)
    assert decide(FOUNDED, parse_command(phone.sign(phone.enrolled(), FOUNDED.head), phone.name))


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
        decide(FOUNDED, parse_command(signed, REFUSED_NAMES[what]))


def test_other_statements_take_no_name():
    pending = follow(FOUNDED, PHONE.sign(PHONE.enrolled(), FOUNDED.head))
    signed = PHONE.sign(PHONE.trusted(), pending.head)
    assert decide(pending, parse_command(signed, None)) == [signed]
    with pytest.raises(NameRefused):
        parse_command(signed, PHONE.name)


def test_another_streams_statement_is_no_command():
    with pytest.raises(SchemaError):
        parse_command(LAPTOP.sign(rotation.PolicySet(1, 1)), None)


def test_the_streams_own_rules_hold():
    again = LAPTOP.sign(LAPTOP.founded(), FOUNDED.head)
    with pytest.raises(TransitionError):
        decide(FOUNDED, parse_command(again, LAPTOP.name))
    forged = PHONE.sign(PHONE.enrolled(), FOUNDED.head, device=LAPTOP.key)
    with pytest.raises(SignatureError):
        decide(FOUNDED, parse_command(forged, PHONE.name))
    pending = follow(FOUNDED, PHONE.sign(PHONE.enrolled(), FOUNDED.head))
    lost = devices.RevocationReason.LOST
    itself = LAPTOP.sign(devices.DeviceRevoked(LAPTOP.device, lost), pending.head)
    with pytest.raises(TransitionError):
        decide(pending, parse_command(itself, None))
    revoked = devices.DeviceRevoked(PHONE.device, lost)
    locked = LAPTOP.sign(revoked, pending.head, account=LAPTOP.key)
    with pytest.raises(SignatureError):
        decide(pending, parse_command(locked, None))
    revocation = LAPTOP.sign(revoked, pending.head)
    assert decide(pending, parse_command(revocation, None)) == [revocation]
