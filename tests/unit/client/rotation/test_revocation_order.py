"""A revocation is completed by a user key change and a data re-key, in this order.

The counter-example `without/order` of spec/models: a data key that was ever wrapped under the old user key is
known to the device that was revoked, whoever made it and when.
"""

import pytest

from solekey import UserKey
from solekey.rotation.revocation import revoke_device
from solekey.rotation.rotation import rekey_data
from solekey_protocol.events import Stream
from solekey_protocol.events.vault import KeyWrapped


class Gone(BaseException):
    """The program has ended."""


def test_a_rekey_before_the_user_key_change_completes_no_revocation(home):
    laptop = home.unlock("laptop")
    laptop.put("a", b"1")
    phone = home.add_device("phone")
    tablet = home.add_device("tablet").connection.profile.device_key.device_id
    new = UserKey.make().to_phrase()
    _end_after_the_first_statement(home)
    with pytest.raises(Gone):
        revoke_device(laptop, tablet, UserKey.from_phrase(new))
    home.server.be_honest()
    with phone.unlock(home.key()) as vault:  # the phone knows of the revocation, and re-keys on its own
        vault.unlocked.streams.sync()
        rekey_data(vault)
    assert home.account.states[Stream.VAULT].epoch == 2
    with home.reopen("laptop").unlock(home.key()) as vault:
        revocation = revoke_device(vault, tablet, UserKey.from_phrase(new))
    assert revocation.epoch == 3
    bodies = [event.body for event in home.account.events[Stream.VAULT]]
    keys = {body.key_id for body in bodies if isinstance(body, KeyWrapped) and body.epoch == 3}
    assert keys == {UserKey.from_phrase(new).derive_key_id(home.account.account)}


def test_a_revocation_that_is_completed_is_not_done_again(home):
    laptop = home.unlock("laptop")
    tablet = home.add_device("tablet").connection.profile.device_key.device_id
    new = UserKey.make()
    assert revoke_device(laptop, tablet, new).epoch == 2
    assert revoke_device(laptop, tablet, None).epoch == 2


def _end_after_the_first_statement(world):
    def tamper(request, response):
        if request.url.path.endswith("/statements"):
            raise Gone
        return response

    world.server.tamper = tamper
