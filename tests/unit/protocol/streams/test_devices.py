"""The trust rules as scenarios: each refused step stands beside the same step that is accepted."""

from dataclasses import replace

import pytest

from solekey_protocol.errors import (
    ForkError,
    GapError,
    ProtocolError,
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.events import devices
from solekey_protocol.statements import Head
from solekey_protocol.streams import DeviceStatus
from tests.support.protocol.keyring import (
    GHOST,
    KEY_ID,
    LAPTOP,
    MALLORY,
    NEXT_KEY_ID,
    NEXT_USER,
    PHONE,
    USER,
    digest,
    founded,
    record,
    say,
)
from tests.unit.protocol.streams.steps import ROTATION, extend


def key_changed(*keys, previous=USER, account=NEXT_USER, key_id=NEXT_KEY_ID):
    certificates = tuple(key.certificate for key in keys)
    return devices.AccountKeyChanged(previous.public, account.public, key_id, ROTATION, certificates)


def test_devices_go_from_unknown_to_pending_to_trusted_to_revoked(both):
    assert set(both.trusted) == {LAPTOP.device, PHONE.device}
    revoked = extend(both, say(devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST), both.head))
    assert revoked.devices[PHONE.device].status is DeviceStatus.REVOKED
    assert set(revoked.trusted) == {LAPTOP.device}


def test_a_key_change_needs_old_new_and_device_signatures(both):
    body = key_changed(LAPTOP, PHONE)
    changed = extend(both, say(body, both.head, account=USER, next_account=NEXT_USER))
    assert (changed.account_key, changed.key_id) == (NEXT_USER.public, NEXT_KEY_ID)
    for wrong in ({"account": MALLORY}, {"next_account": MALLORY}, {"device": PHONE}):
        keys = {"account": USER, "next_account": NEXT_USER, **wrong}
        signer = keys.pop("device", LAPTOP)
        signed = say(body, both.head, device=signer, **keys)
        if signer is PHONE:
            signed = replace(signed, statement=replace(signed.statement, device=LAPTOP.device))
        with pytest.raises(SignatureError):
            both.verify(signed, both)


REFUSED_AFTER_BOTH = {
    "founding twice": (lambda: founded(), {"account": USER}, TransitionError),
    "a ghost certifies itself with a key of its own": (
        lambda: devices.DeviceTrusted(MALLORY.public, GHOST.certificate),
        {"device": GHOST, "account": MALLORY},
        TransitionError,
    ),
    "a ghost revokes": (
        lambda: devices.DeviceRevoked(LAPTOP.device, devices.RevocationReason.LOST),
        {"device": GHOST},
        UntrustedDeviceError,
    ),
    "an unknown device is revoked": (
        lambda: devices.DeviceRevoked(GHOST.device, devices.RevocationReason.LOST),
        {},
        TransitionError,
    ),
    "a device enrols another": (
        lambda: devices.DeviceEnrolled(GHOST.certificate),
        {"device": PHONE},
        UntrustedDeviceError,
    ),
    "a device enrols twice": (
        lambda: devices.DeviceEnrolled(PHONE.certificate),
        {"device": PHONE},
        TransitionError,
    ),
    "a certificate claims another's id": (
        lambda: devices.DeviceEnrolled(replace(GHOST.certificate, device_key=MALLORY.public)),
        {"device": GHOST},
        SignatureError,
    ),
    "a key change forgets a device": (
        lambda: key_changed(LAPTOP),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change adds a ghost": (
        lambda: key_changed(LAPTOP, PHONE, GHOST),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change names a device twice": (
        lambda: key_changed(LAPTOP, PHONE, PHONE),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change from a key that is not the account's": (
        lambda: key_changed(LAPTOP, PHONE, previous=MALLORY),
        {"account": MALLORY, "next_account": NEXT_USER},
        TransitionError,
    ),
    "a key change to the same key": (
        lambda: key_changed(LAPTOP, PHONE, account=USER),
        {"account": USER, "next_account": USER},
        TransitionError,
    ),
    "a key change to the same key id": (
        lambda: key_changed(LAPTOP, PHONE, key_id=KEY_ID),
        {"account": USER, "next_account": NEXT_USER},
        TransitionError,
    ),
}


@pytest.mark.parametrize("what", REFUSED_AFTER_BOTH)
def test_the_devices_stream_refuses(both, what):
    make_body, signers, error = REFUSED_AFTER_BOTH[what]
    signed = say(make_body(), both.head, **signers)
    with pytest.raises(error):
        both.apply(record(signed, both.head), both)
    assert both.head.seq == 3


def test_trust_needs_the_user_key(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    with pytest.raises(SignatureError):
        phone_pending.verify(say(body, phone_pending.head, device=PHONE, account=MALLORY), phone_pending)
    assert phone_pending.verify(say(body, phone_pending.head, device=PHONE, account=USER), phone_pending)


def test_a_trusted_device_may_say_it_with_the_user_key(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    approved = extend(phone_pending, say(body, phone_pending.head, device=LAPTOP, account=USER))
    assert approved.devices[PHONE.device].status is DeviceStatus.TRUSTED
    with pytest.raises(SignatureError):
        phone_pending.verify(say(body, phone_pending.head, device=LAPTOP, account=MALLORY), phone_pending)
    with pytest.raises(UntrustedDeviceError):  # an unknown device, though it had the user key
        phone_pending.verify(say(body, phone_pending.head, device=GHOST, account=USER), phone_pending)
    ghost = extend(
        phone_pending,
        say(devices.DeviceEnrolled(GHOST.certificate), phone_pending.head, device=GHOST),
    )
    with pytest.raises(UntrustedDeviceError):  # a pending one
        ghost.verify(say(body, ghost.head, device=GHOST, account=USER), ghost)


def test_certified_otherwise_than_enrolled(phone_pending):
    other = replace(PHONE.certificate, name_commitment=digest("another name"))
    with pytest.raises(TransitionError):
        extend(
            phone_pending,
            say(devices.DeviceTrusted(USER.public, other), phone_pending.head, device=PHONE, account=USER),
        )


def test_chain_gap_fork_and_repetition(laptop_only):
    enrol = say(devices.DeviceEnrolled(PHONE.certificate), laptop_only.head, device=PHONE)
    event = record(enrol, laptop_only.head)
    following = laptop_only.apply(event, laptop_only)
    body = devices.DeviceEnrolled(GHOST.certificate)
    gap = record(say(body, Head(2, event.digest), device=GHOST), Head(2, event.digest))
    with pytest.raises(GapError):
        laptop_only.apply(gap, laptop_only)
    other = Head(1, digest("other bytes"))
    with pytest.raises(ForkError):
        laptop_only.apply(record(say(body, other, device=GHOST), other), laptop_only)
    with pytest.raises(ProtocolError, match="already followed"):
        following.apply(event, following)
