"""Approval on the real platform: a device waits in one thread, and another one approves it by its code."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from solekey.account.approval import approve_device, wait_until_trusted
from solekey.errors import DeviceCodeMismatchError
from solekey_protocol.streams import DeviceStatus
from tests.support.people.library_user import LibraryUser

pytestmark = pytest.mark.slow


def test_a_device_that_waits_is_approved_by_its_code(ada: LibraryUser):  # pytest's way
    with ada.open("laptop") as laptop, laptop.unlock(ada.key()) as vault:
        vault.put("notes", "hello")
    with ada.log_in("phone") as phone, ada.open("laptop") as laptop:
        shown, waiting, outcome = threading.Event(), [], []

        def watch(state):
            waiting.append(state)
            shown.set()

        thread = threading.Thread(
            target=lambda: outcome.append(wait_until_trusted(phone, timeout_s=60, watch=watch))
        )
        thread.start()
        assert shown.wait(30)
        code = waiting[0].code
        with pytest.raises(DeviceCodeMismatchError):
            approve_device(laptop, ada.key(), type(code)(code.account_half, "0" * 20))
        approve_device(laptop, ada.key(), code)
        thread.join(60)
        (trusted,) = outcome
        assert (trusted.status, trusted.certified_by) == (DeviceStatus.TRUSTED, laptop.devices.own_id)
        with phone.unlock(ada.key()) as vault:
            assert vault.get("notes").content == b"hello"
            vault.put("reply", "from the phone")
        days = {info.server_says.last_seen for info in laptop.devices.list()}
        today = datetime.now(UTC).date()
        assert days <= {today.isoformat(), (today - timedelta(days=1)).isoformat()}  # midnight may pass
