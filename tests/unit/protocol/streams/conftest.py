"""The devices stream with one device, with a pending one, and with two that are trusted."""

import pytest

from solekey_protocol.events import devices
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.keyring import ACCOUNT, PHONE, USER, founded, say
from tests.unit.protocol.streams.steps import extend


@pytest.fixture
def laptop_only():
    start = DevicesStream.start(ACCOUNT)
    return extend(start, say(founded(), start.head, account=USER))


@pytest.fixture
def phone_pending(laptop_only):
    return extend(laptop_only, say(devices.DeviceEnrolled(PHONE.certificate), laptop_only.head, device=PHONE))


@pytest.fixture
def both(phone_pending):
    body = devices.DeviceTrusted(USER.public, PHONE.certificate)
    return extend(phone_pending, say(body, phone_pending.head, device=PHONE, account=USER))
