"""What users hand over: read exactly, joined with all their heads, and believed of trusted devices alone."""

import json
from dataclasses import replace

import pytest

from solekey.audit import Pin, read_pins, verify_log
from solekey.audit.sources import LogError
from solekey_protocol.events import Stream, devices
from solekey_protocol.ids import AccountId
from solekey_protocol.pinned_heads import PinnedHeads
from solekey_protocol.statements import Head
from tests.support.protocol.keyring import ACCOUNT, GHOST, LAPTOP, MALLORY, NOON, PHONE, USER, digest
from tests.support.protocol.story import Story, tell

LOG = tell()
HEADS = {event.stream: event.head for event in LOG}
OTHER = AccountId.from_raw(bytes(16))


def sign(key, *, device=LAPTOP, account=ACCOUNT, **changed):
    """A head file's content, as one key signs it, and what it says in the end."""
    pinned = PinnedHeads(account, USER.public, HEADS, device.device, NOON)
    return replace(pinned, **changed), key.sign(pinned.signing_bytes())


def find(*signed, log=LOG):
    pin = Pin(USER.public, signed=signed)
    report = verify_log((event.raw for event in log), {ACCOUNT: pin})
    (row,) = [row for row in report.coverage if row.check.id == "PIN-04"]
    assert row.looked_at == len(signed)
    return [(finding.check, finding.code, finding.stream) for finding in report.findings]


UNSIGNED = [("PIN-04", "head_file_unsigned", "devices")]
FORGED = {
    "another key": sign(MALLORY),
    "the account's own key": sign(USER),
    "another device's key": sign(PHONE),
    "a device that the account does not know": sign(GHOST, device=GHOST),
    "other heads": sign(LAPTOP, heads={}),
    "another first key": sign(LAPTOP, first_key=MALLORY.public),
    "another time": sign(LAPTOP, made_at="2026-11-23T12:00:00.001Z"),
    "another device": sign(LAPTOP, device=PHONE),
}


def test_control_what_trusted_devices_have_signed_is_clean():
    assert find(sign(LAPTOP), sign(PHONE, device=PHONE)) == []


@pytest.mark.parametrize("forgery", FORGED)
def test_a_head_file_that_no_trusted_device_has_signed_is_found(forgery):
    assert find(FORGED[forgery]) == UNSIGNED
    assert find(sign(LAPTOP), FORGED[forgery]) == UNSIGNED


def test_a_device_that_was_never_trusted_vouches_for_nothing():
    story = Story()
    for event in LOG[:-1]:
        story._append(event)
    story.say(devices.DeviceEnrolled(GHOST.certificate), GHOST)
    found = find(sign(GHOST, device=GHOST), log=story.events)
    assert [each for each in found if each[0] == "PIN-04"] == UNSIGNED


def test_the_account_is_a_part_of_what_is_signed():
    pinned, signature = sign(LAPTOP, account=OTHER)
    assert find((replace(pinned, account=ACCOUNT), signature)) == UNSIGNED


def test_of_two_pins_the_longer_heads_count_and_all_signatures():
    short, long = Head(1, digest("short")), Head(2, digest("long"))
    one = Pin(None, {Stream.VAULT: long, Stream.AUTH: short}, (sign(LAPTOP),))
    two = Pin(USER.public, {Stream.VAULT: short, Stream.DEVICES: long}, (sign(MALLORY),))
    expected = {Stream.VAULT: long, Stream.AUTH: short, Stream.DEVICES: long}
    for joined in (one.merge(two), two.merge(one)):
        assert (joined.first_key, joined.heads) == (USER.public, expected)
        assert [each in joined.signed for each in (*one.signed, *two.signed)] == [True, True]
        assert joined.shorter == ((Stream.VAULT, short),)
        assert joined.find(Stream.VAULT) == [long, short]
    assert one.merge(Pin(MALLORY.public)).first_key == MALLORY.public
    assert (two.merge(two).first_key, two.merge(two).shorter) == (USER.public, ())
    with pytest.raises(ValueError, match="different first keys"):
        two.merge(Pin(MALLORY.public))


def test_heads_of_one_place_are_all_kept():
    one, other = (Pin(None, {Stream.VAULT: Head(2, digest(label))}) for label in ("one", "other"))
    for joined in (one.merge(other), other.merge(one), one.merge(other).merge(other)):
        assert {head.digest for head in joined.find(Stream.VAULT)} == {digest("one"), digest("other")}


@pytest.mark.parametrize("label", ["the log's", "another"])
def test_every_head_of_joined_pins_is_held_against_the_log(label):
    seen = next(event for event in LOG if (event.stream, event.seq) == (Stream.VAULT, 1))
    head = seen.head if label == "the log's" else Head(1, digest("another"))
    pin = Pin(USER.public, HEADS).merge(Pin(None, {Stream.VAULT: head}))
    report = verify_log((event.raw for event in LOG), {ACCOUNT: pin})
    found = [(each.check, each.code, each.stream, each.seq) for each in report.findings]
    assert found == ([] if label == "the log's" else [("PIN-03", "chain_fork", "vault", 1)])


def write(folder, document):
    path = folder / "pins.json"
    path.write_text(json.dumps(document))
    return path


def test_a_file_is_read_exactly(tmp_path):
    pinned, signature = sign(LAPTOP)
    assert read_pins(write(tmp_path, pinned.to_json(signature))) == {
        ACCOUNT: Pin(USER.public, HEADS, ((pinned, signature),))
    }
    assert read_pins(write(tmp_path, {ACCOUNT: USER.public})) == {ACCOUNT: Pin(USER.public)}
    heads = {"vault": {"seq": 1, "digest": digest("x")}}
    pin = Pin(None, {Stream.VAULT: Head(1, digest("x"))})
    assert read_pins(write(tmp_path, {ACCOUNT: {"heads": heads}})) == {ACCOUNT: pin}


MALFORMED = {
    "neither a key nor a head": {ACCOUNT: {}},
    "no head": {ACCOUNT: {"heads": {}}},
    "a head before the first event": {ACCOUNT: {"heads": {"vault": {"seq": 0, "digest": "0" * 64}}}},
    "an unknown member": {ACCOUNT: {"first_key": USER.public, "head": {}}},
    "an unknown stream": {ACCOUNT: {"heads": {"gossip": {"seq": 1, "digest": digest("x")}}}},
    "a head without its digest": {ACCOUNT: {"heads": {"vault": {"seq": 1}}}},
    "no account": {"acc": USER.public},
    "no key": {ACCOUNT: "key"},
    "a list": [ACCOUNT],
    "a signature alone": {ACCOUNT: {"signature": "00" * 64}},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_another_file_is_refused(tmp_path, what):
    with pytest.raises(LogError, match="no file of pins"):
        read_pins(write(tmp_path, MALFORMED[what]))
