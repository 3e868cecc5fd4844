"""What a revoked device says behind its revocation is believed by nobody until somebody has confirmed it."""

import pytest

from solekey import UserKey
from solekey.errors import UnconfirmedEventError
from solekey.rotation.revocation import revoke_device
from solekey_protocol.change_list import Change, encode_change_list
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import compute_digest


@pytest.fixture
def held(home):
    """A removal that a tablet has signed, and that the server holds back."""
    home.add_device("tablet")
    vault = home.unlock("tablet")
    vault.put("treasure", "gold")
    (change,) = vault.unlocked.index.items.values()
    changes = encode_change_list([Change(change.item, change.version + 1, 0, ())])
    home.account.objects[compute_digest(changes)] = changes
    body = ItemsCommitted(
        vault.unlocked.streams.vault.last_commit + 1, CommitKind.DELTA, 1, compute_digest(changes), 1, 0
    )
    author = vault.unlocked.author
    return author._sign(body, vault.unlocked.keyring.find_signers(body))


def revoke_only(home):
    """Revoke the tablet, and be kept from all that should follow."""
    laptop = home.sessions["laptop"]
    laptop.sync()
    home.say(laptop, DeviceRevoked(home.sessions["tablet"].devices.own_id, RevocationReason.STOLEN))
    return laptop


def test_what_comes_after_the_revocation_is_not_believed(home, held):
    laptop = revoke_only(home)
    home.server.said(home.account, held)  # a hostile operator writes it
    with pytest.raises(UnconfirmedEventError) as refused:
        home.reopen("laptop").sync()
    assert refused.value.code == "revoked_author"
    assert [event.seq for event in refused.value.events] == [held.statement.seq]
    assert "revoke the device again" in refused.value.diagnostics()
    with pytest.raises(UnconfirmedEventError), laptop.unlock(home.key()):
        pass


def test_control_what_came_before_the_revocation_counts(home, held):
    home.server.said(home.account, held)
    laptop = revoke_only(home)
    laptop.sync()
    with laptop.unlock(home.key()) as vault:
        assert list(vault.list()) == []


def test_finishing_the_revocation_shows_and_confirms_it(home, held):
    revoke_only(home)
    home.server.said(home.account, held)
    tablet = home.sessions["tablet"].devices.own_id
    new = UserKey.make()
    home_key, home.phrase = home.key(), new.to_phrase()
    with home.reopen("laptop").unlock(home_key, confirming=True) as vault:
        revocation = revoke_device(vault, tablet, new)
    assert [event.seq for event in revocation.confirmed] == [held.statement.seq]
    with home.reopen("laptop").unlock(home.key()) as vault:
        vault.put("after", "1")
