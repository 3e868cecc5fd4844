"""Which key must sign what: a locked device changes no key, and commits show the data key."""

import pytest

from solekey_protocol.errors import (
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.events import devices, rotation
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.history import (
    abandoned,
    aborted,
    committed,
    completed,
    done,
    retired,
    started,
    tell,
    verified,
    wrapped,
)
from tests.support.protocol.keyring import ACCOUNT, GHOST, LAPTOP, MALLORY, PHONE, USER, record, say
from tests.unit.protocol.lineage.steps import COMMITTED, EPOCH_2, LOST, STAGED, START, TAKEN, WRAPPED


@pytest.mark.parametrize(
    ("before", "body"),
    [
        (START, wrapped(2)),
        (COMMITTED, retired(1)),
        (START, started("r1")),
        (WRAPPED, verified("r1", (1, 2))),
        (TAKEN, done("r1")),
        ([*COMMITTED, retired(1)], completed("r1")),
        (STAGED, abandoned("r1")),
        (EPOCH_2, aborted("r1")),
        (START, rotation.PolicySet(90, 90)),
        (START, devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "TYPE") else "",
)
def test_a_locked_device_changes_no_key(before, body):
    """Its key signs as the device; the account's signature is what it lacks (F2, F3)."""
    history = tell(*before)
    with pytest.raises(SignatureError):
        history.write(body, account=LAPTOP)
    history.write(body)  # positive control


def test_nobody_signs_for_an_account_before_it_is_founded():
    start = DevicesStream.start(ACCOUNT)
    signed = say(LOST, start.head, device=PHONE)
    with pytest.raises(UntrustedDeviceError):
        start.verify(signed, start)


def test_only_a_trusted_device_abandons_a_change():
    history = tell(*STAGED)
    signed = history.sign(abandoned("r1"), device=GHOST)
    with pytest.raises(UntrustedDeviceError):
        history.account.devices.evolve(record(signed, history.account.devices.head))


def test_the_account_key_is_the_one_in_force_at_the_claimed_devices_head():
    history = tell(*TAKEN)
    with pytest.raises(SignatureError):
        history.write(done("r1"), account=USER)
    history.write(done("r1"))


def test_commits_and_wraps_show_that_their_author_has_the_data_key():
    history = tell(*EPOCH_2)
    for body in (committed(2, 2), wrapped(2, epoch=2)):
        for wrong in (MALLORY, LAPTOP, USER):
            with pytest.raises(SignatureError):
                history.write(body, commit=wrong)
        history.write(body)
    with pytest.raises(TransitionError, match="has not begun"):
        history.write(committed(3, 3))
    assert history.account.vault.verify(history.sign(retired(1)), history.account.devices)
