"""What a revoked device says behind its revocation, and what completes a revocation."""

from dataclasses import replace

import pytest

from solekey_protocol.errors import (
    ForkError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.events import Stream, auth
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage import find_owed, find_unconfirmed, is_tied
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.history import (
    USER_KEYS,
    committed,
    completed,
    done,
    rekey,
    retired,
    started,
    taken,
    tell,
    verified,
    wrapped,
)
from tests.support.protocol.keyring import GHOST, LAPTOP, PHONE
from tests.unit.protocol.lineage.steps import LOST, START


def revoked_household():
    """The phone commits; the laptop revokes it, having seen that."""
    history = tell(*START)
    history.say(committed(1), device=PHONE)
    before = history.seen
    history.say(LOST)
    return history, before


def unconfirmed(history):
    vault = history.account.vault
    events = [event for event in history.events if event.stream is Stream.VAULT]
    return find_unconfirmed(history.account.devices, vault.chain.seen[Stream.DEVICES].seq, events)


def test_what_a_revoked_device_says_behind_its_revocation_counts_once_it_is_confirmed():
    history, before = revoked_household()
    assert unconfirmed(history) == []  # what the revoker had seen counts
    history.say(committed(2), before, device=PHONE)
    [behind] = unconfirmed(history)
    assert behind.seq == 3
    assert history.account.devices.is_behind_revocation(behind.signed)
    with pytest.raises(UntrustedDeviceError):  # it cannot claim to have seen its revocation
        history.say(committed(3), device=PHONE)
    history.say(committed(3))  # somebody who knows goes on after it
    assert unconfirmed(history) == []
    with pytest.raises(ForkError):
        history.say(committed(4), before, device=PHONE)


def test_only_a_revoked_device_is_behind_its_revocation():
    history, before = revoked_household()
    devices_stream = history.account.devices
    late = history.sign(committed(2), before, device=PHONE)
    assert devices_stream.is_behind_revocation(late)
    assert not devices_stream.is_behind_revocation(history.sign(committed(2)))
    assert not devices_stream.is_behind_revocation(history.sign(committed(2), device=GHOST))
    [own] = [e.signed for e in history.events if e.stream is Stream.DEVICES and e.seq == 3]
    assert own.statement.device == PHONE.device
    assert not devices_stream.is_behind_revocation(own)  # its own stream needs no heads: position decides


def test_a_revocation_is_done_by_a_user_key_change_and_then_a_rekey():
    """C10: a re-key before the change is wrapped under the user key that the revoked device knows."""
    both, data = set(RotationKind), {RotationKind.DATA_KEY}
    history = tell(*START, started("r0"), wrapped(2, "K1", rotation="r0"))
    history.say(LOST)
    revoked_at = history.account.devices.head.seq
    laptop_only = replace(taken("r0"), certificates=(LAPTOP.certificate,))
    for body in (verified("r0", (1, 2)), laptop_only, done("r0"), retired(1), completed("r0")):
        history.say(body)
    assert find_owed(revoked_at, history.account.rotation) == both  # begun by who did not know

    def rekeyed(label, epoch, key, commit):
        history.say(rekey(label, epoch, key))
        history.say(wrapped(1, key, epoch + 1, label))
        history.say(verified(label, (epoch + 1, 1)))
        history.say(committed(commit, epoch + 1, "snapshot"))
        history.say(done(label))
        for wrap in history.account.vault.live_wraps():
            if wrap.wrapped.epoch == epoch:
                history.say(retired(wrap.wrapped.wrap_version, epoch))
        history.say(completed(label))

    rekeyed("r1", 1, "K1", 1)
    assert find_owed(revoked_at, history.account.rotation) == both
    history.say(started("r2", "K2", "K1", 2))
    history.say(wrapped(2, "K2", 2, "r2"))
    history.say(verified("r2", (2, 2)))
    change = replace(taken("r2", "K2", "K1"), certificates=(LAPTOP.certificate,))
    history.say(change, next_account=USER_KEYS["K2"])
    history.say(done("r2"))
    history.say(retired(1, 2))
    assert find_owed(revoked_at, history.account.rotation) == both
    history.say(completed("r2"))
    assert find_owed(revoked_at, history.account.rotation) == data
    rekeyed("r3", 2, "K2", 2)
    assert find_owed(revoked_at, history.account.rotation) == frozenset()


def test_a_device_does_not_revoke_itself():
    history = tell(*START)
    with pytest.raises(TransitionError, match="does not revoke itself"):
        history.say(LOST, device=PHONE)


def test_what_ties_nothing_needs_no_other_stream():
    assert not is_tied(auth.AccountRegistered(1))
    assert not is_tied(LOST)
    assert is_tied(wrapped())
    assert DevicesStream.start("a").key_at(0) is None
