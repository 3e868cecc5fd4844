"""The rules that tie the streams together: each refused step stands beside the one that is accepted.

What a step claims to have seen decides: see the tests "at the claimed heads".
"""

from dataclasses import replace

import pytest

from solekey_protocol.errors import (
    ForkError,
    GapError,
    LineageError,
    SignatureError,
    TransitionError,
    UntrustedDeviceError,
)
from solekey_protocol.events import Stream, auth, devices, rotation
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage import find_owed, find_unconfirmed, is_tied, verify_lineage
from solekey_protocol.statements import Head
from solekey_protocol.streams import DevicesStream
from tests.support.protocol.history import (
    KEY_IDS,
    USER_KEYS,
    abandoned,
    aborted,
    committed,
    completed,
    done,
    rekey,
    retired,
    started,
    taken,
    tell,
    verified,
    without,
    wrapped,
)
from tests.support.protocol.keyring import ACCOUNT, GHOST, LAPTOP, MALLORY, PHONE, USER, record, say

START = [wrapped()]
STAGED = [*START, started("r1")]
WRAPPED = [*STAGED, wrapped(2, "K1", rotation="r1")]
VERIFIED = [*WRAPPED, verified("r1", (1, 2))]
TAKEN = [*VERIFIED, taken("r1")]
COMMITTED = [*TAKEN, done("r1")]
COMPLETED = [*COMMITTED, retired(1), completed("r1")]
ABANDONED = [*VERIFIED, abandoned("r1")]
ABORTED = [*ABANDONED, retired(2), aborted("r1")]

REKEYING = [*START, committed(1), rekey("r1")]
EPOCH_2 = [*REKEYING, wrapped(1, epoch=2, rotation="r1")]
EPOCH_2_VERIFIED = [*EPOCH_2, verified("r1", (2, 1))]
RESEALED = [*EPOCH_2_VERIFIED, committed(2, 2, "rekey"), committed(3, 2, "snapshot")]
REKEYED = [*RESEALED, done("r1")]
REKEYED_BUT_FOR_ONE = [*RESEALED, done("r1", 1)]

ABORTED_EPOCH = [*EPOCH_2, aborted("r1"), rekey("r2")]
"""Epoch 2 was begun for r1; r2 leads from it."""

ACCEPTED = {
    "the first wrap": ([], wrapped()),
    "another wrap under the account's key": (START, wrapped(2)),
    "a wrap under the key of the open change": (STAGED, wrapped(2, "K1", rotation="r1")),
    "a wrap under the account's key during a change": (STAGED, wrapped(2)),
    "a wrap under the account's key that names the change": (STAGED, wrapped(2, rotation="r1")),
    "a wrap of a new epoch by a staged re-key": (REKEYING, wrapped(1, epoch=2, rotation="r1")),
    "an older epoch is wrapped anew": (EPOCH_2, wrapped(2)),
    "a user key change starts": (START, started("r1")),
    "a re-key starts": (START, rekey("r1")),
    "a user key change is verified": (WRAPPED, verified("r1", (1, 2))),
    "two wraps are verified": (
        [*WRAPPED, wrapped(3, "K1", rotation="r1")],
        verified("r1", (1, 3), (1, 2)),
    ),
    "a re-key is verified": (EPOCH_2, verified("r1", (2, 1))),
    "the new user key takes over": (VERIFIED, taken("r1")),
    "a staged change is abandoned": (STAGED, abandoned("r1")),
    "a verified change is abandoned": (VERIFIED, abandoned("r1")),
    "a user key change is committed": (TAKEN, done("r1")),
    "a re-key is committed": (RESEALED, done("r1")),
    "a re-key is committed and leaves an epoch": (RESEALED, done("r1", 1)),
    "the old wrap goes once the key was replaced": (COMMITTED, retired(1)),
    "the new wrap goes once the change was abandoned": (ABANDONED, retired(2)),
    "an epoch that was re-encrypted goes": (REKEYED, retired(1)),
    "an epoch that was left goes after a later snapshot": (
        [*REKEYED_BUT_FOR_ONE, committed(4, 2, "snapshot")],
        retired(1),
    ),
    "a user key change is completed": ([*COMMITTED, retired(1)], completed("r1")),
    "a re-key is completed": ([*REKEYED, retired(1)], completed("r1")),
    "a re-key is completed that leaves an epoch": (REKEYED_BUT_FOR_ONE, completed("r1")),
    "a re-key is aborted": (EPOCH_2, aborted("r1")),
    "an abandoned change is aborted": ([*ABANDONED, retired(2)], aborted("r1")),
    "after an abort, a change to a third key": (ABORTED, started("r2", "K2")),
    "after a change, the next": (COMPLETED, started("r2", "K2", "K1")),
    "what ties nothing": (START, committed(1)),
    "a repaired wrap stands for the old one": ([*COMMITTED, wrapped(3, "K1")], retired(1)),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted(what):
    before, body = ACCEPTED[what]
    history = tell(*before)
    history.say(body)
    assert history.events[-1].body == body


REFUSED = {
    # devices
    "taken, and nothing verified": (WRAPPED, taken("r1"), "rotation_incomplete"),
    "taken, and no change open": (START, taken("r1"), "rotation_incomplete"),
    "taken by a re-key": (EPOCH_2_VERIFIED, taken("r1"), "rotation_incomplete"),
    "taken by another rotation": (VERIFIED, taken("r2"), "rotation_incomplete"),
    "taken, to another key": (VERIFIED, taken("r1", "K2"), "rotation_incomplete"),
    "taken, and a wrap was made meanwhile": (
        [*VERIFIED, wrapped(3, "K1", rotation="r1")],
        taken("r1"),
        "wraps_differ",
    ),
    "abandoned, and no change open": (START, abandoned("r1"), "rotation_incomplete"),
    "abandoned, a re-key": (EPOCH_2, abandoned("r1"), "rotation_incomplete"),
    "abandoned, another key than the change's (C4)": (
        STAGED,
        abandoned("r1", "K2"),
        "rotation_incomplete",
    ),
    "abandoned, an ended change": (ABORTED, abandoned("r2"), "rotation_incomplete"),
    # vault
    "a wrap under a key that nobody has": (START, wrapped(2, "K2"), "key_not_current"),
    "a wrap under the next key, and no change open": (START, wrapped(2, "K1"), "key_not_current"),
    "a wrap under the next key that names no rotation": (STAGED, wrapped(2, "K1"), "key_not_current"),
    "a wrap that names another rotation": (STAGED, wrapped(2, rotation="r2"), "key_not_current"),
    "a wrap that names a rotation that ended": (ABORTED, wrapped(3, rotation="r1"), "key_not_current"),
    "a wrap under the key of a re-key that nobody started": (
        REKEYING,
        wrapped(2, "K1", rotation="r1"),
        "key_not_current",
    ),
    "a wrap under an abandoned key": (ABANDONED, wrapped(3, "K1", rotation="r1"), "key_not_current"),
    "a wrap under the key that was replaced": (COMMITTED, wrapped(3, "K0"), "key_not_current"),
    "a new epoch, and no re-key": (START, wrapped(1, epoch=2), "key_not_current"),
    "a new epoch during a user key change": (
        STAGED,
        wrapped(1, epoch=2, rotation="r1"),
        "key_not_current",
    ),
    "a new epoch under the next user key": (
        STAGED,
        wrapped(1, "K1", epoch=2, rotation="r1"),
        "key_not_current",
    ),
    "a new epoch that names no rotation": (REKEYING, wrapped(1, epoch=2), "key_not_current"),
    "another epoch than the re-key's": (EPOCH_2, wrapped(1, epoch=3, rotation="r1"), "key_not_current"),
    "the only wrap is retired": (COMMITTED[:1], retired(1), "wrap_in_use"),
    "the old wrap goes before the decision (F1)": (VERIFIED, retired(1), "wrap_in_use"),
    "the new wrap goes before the decision (F1)": (VERIFIED, retired(2), "wrap_in_use"),
    "the new wrap goes after it took over (F1)": (COMMITTED, retired(2), "wrap_in_use"),
    "a sound wrap goes for a fresh one under the same key (F2)": (
        [*START, wrapped(2)],
        retired(1),
        "wrap_in_use",
    ),
    "an old epoch, and the re-key is not committed": (RESEALED, retired(1), "wrap_in_use"),
    "an old epoch that the re-key left (C2)": (REKEYED_BUT_FOR_ONE, retired(1), "wrap_in_use"),
    "the epoch that the re-key led to": (
        [*REKEYED, wrapped(2, epoch=2)],
        retired(1, 2),
        "wrap_in_use",
    ),
    # rotation
    "started from another user key": (START, started("r1", "K2", "K1"), "stale_heads"),
    "started from another epoch": (EPOCH_2[:-1], started("r2", from_epoch=2), "stale_heads"),
    "a re-key from an epoch that is not the newest": (
        [*EPOCH_2, aborted("r1")],
        rekey("r2"),
        "stale_heads",
    ),
    "back to the user key that was": (COMPLETED, started("r2", "K0", "K1"), "key_not_current"),
    "back to an abandoned user key": (ABORTED, started("r2", "K1"), "key_not_current"),
    "verified, and nothing wrapped": (STAGED, verified("r1"), "rotation_incomplete"),
    "verified, and a secret has no new wrap": (
        [*EPOCH_2, aborted("r1"), started("r2", from_epoch=2), wrapped(2, "K1", epoch=2, rotation="r2")],
        verified("r2", (2, 2)),
        "rotation_incomplete",
    ),
    "verified, others than are live": (WRAPPED, verified("r1", (1, 1)), "wraps_differ"),
    "verified, one of two": (
        [*WRAPPED, wrapped(3, "K1", rotation="r1")],
        verified("r1", (1, 2)),
        "wraps_differ",
    ),
    "verified, another rotation": (WRAPPED, verified("r2", (1, 2)), "rotation_incomplete"),
    "verified, and nothing is open": (START, verified("r1"), "rotation_incomplete"),
    "a re-key verified without its epoch": (REKEYING, verified("r1"), "rotation_incomplete"),
    "committed, and undecided": (VERIFIED, done("r1"), "rotation_incomplete"),
    "committed, and abandoned": (ABANDONED, done("r1"), "rotation_incomplete"),
    "a re-key committed without a snapshot": (
        [*EPOCH_2_VERIFIED, committed(2, 2, "rekey")],
        done("r1"),
        "rotation_incomplete",
    ),
    "completed, and an old wrap is live": (COMMITTED, completed("r1"), "rotation_incomplete"),
    "completed, and an old epoch is live": (REKEYED, completed("r1"), "rotation_incomplete"),
    "aborted, and undecided (F1)": (VERIFIED, aborted("r1"), "rotation_incomplete"),
    "aborted, and the new key in force (F1)": (TAKEN, aborted("r1"), "rotation_irrevocable"),
    "aborted, and a new wrap is live": (ABANDONED, aborted("r1"), "rotation_incomplete"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    before, body, code = REFUSED[what]
    history = tell(*before)
    with pytest.raises(LineageError) as refused:
        verify_lineage(history.sign(body), history.account)
    assert refused.value.code == code


def test_every_code_and_every_rule_is_tried():
    codes = {code for _, _, code in REFUSED.values()}
    assert codes == {
        "key_not_current",
        "rotation_incomplete",
        "rotation_irrevocable",
        "stale_heads",
        "wrap_in_use",
        "wraps_differ",
    }
    tied = {type(body) for _, body, _ in REFUSED.values()}
    assert tied == {type(body) for _, body in ACCEPTED.values() if is_tied(body)}


def test_a_refusal_names_the_wraps_that_are_left():
    history = tell(*COMMITTED)
    with pytest.raises(LineageError) as refused:
        verify_lineage(history.sign(completed("r1")), history.account)
    assert refused.value.wraps == (("data_key", 1, 1),)


# -- at the claimed heads -----------------------------------------------------------------------------------


def judge(history, body, seen, **how):
    """The verdict on a statement that claims ``seen``."""
    try:
        verify_lineage(history.sign(body, seen, **how), history.account)
    except LineageError as error:
        return error.code
    return "accepted"


def test_a_statement_is_judged_by_what_its_author_had_seen():
    """Held back while the others go on, it gets the verdict of its own moment, everywhere and for ever."""
    history = tell(*WRAPPED)
    then = history.seen
    history.say(verified("r1", (1, 2)))
    assert judge(history, taken("r1"), then) == "rotation_incomplete"
    assert judge(history, taken("r1"), history.seen) == "accepted"
    history.say(abandoned("r1"))
    assert judge(history, wrapped(3, "K1", rotation="r1"), without(history, Stream.DEVICES, 3)) == "accepted"
    assert judge(history, wrapped(3, "K1", rotation="r1"), history.seen) == "key_not_current"
    assert judge(history, retired(2), without(history, Stream.DEVICES, 3)) == "wrap_in_use"
    assert judge(history, retired(2), history.seen) == "accepted"


def test_steps_of_a_rotation_are_judged_at_the_vault_head_they_claim():
    history = tell(*STAGED)
    before_wrap = history.seen
    history.say(wrapped(2, "K1", rotation="r1"))
    assert judge(history, verified("r1", (1, 2)), before_wrap) == "rotation_incomplete"
    with_one = history.seen
    history.say(wrapped(3, "K1", rotation="r1"))
    assert judge(history, verified("r1", (1, 2)), with_one) == "accepted"
    assert judge(history, verified("r1", (1, 2)), history.seen) == "wraps_differ"


def test_a_rekey_is_verified_at_the_vault_head_it_claims():
    history = tell(*REKEYING)
    before_wrap = history.seen
    history.say(wrapped(1, epoch=2, rotation="r1"))
    assert judge(history, verified("r1"), before_wrap) == "rotation_incomplete"
    assert judge(history, verified("r1", (2, 1)), history.seen) == "accepted"


def test_a_key_change_leads_away_from_the_key_in_force():
    """Only a log that a hostile operator wrote has a rotation from another key."""
    history = tell(*START)
    history.write(started("r1", "K1", "K2"))
    history.write(wrapped(2, "K1", rotation="r1"))
    history.write(verified("r1", (1, 2)))
    assert judge(history, taken("r1"), history.seen) == "stale_heads"


def test_a_rekey_is_committed_at_the_vault_head_it_claims():
    history = tell(*EPOCH_2_VERIFIED)
    before_snapshot = history.seen
    history.say(committed(2, 2, "snapshot"))
    assert judge(history, done("r1"), before_snapshot) == "rotation_incomplete"
    assert judge(history, done("r1"), history.seen) == "accepted"


def test_a_rotation_ends_at_the_heads_it_claims():
    history = tell(*COMMITTED)
    before = history.seen
    history.say(retired(1))
    assert judge(history, completed("r1"), before) == "rotation_incomplete"
    assert judge(history, completed("r1"), history.seen) == "accepted"
    late = tell(*VERIFIED)
    undecided = late.seen
    late.say(taken("r1"))
    assert judge(late, done("r1"), undecided) == "rotation_incomplete"
    assert judge(late, done("r1"), late.seen) == "accepted"


def test_a_start_is_judged_at_the_heads_it_claims():
    history = tell(*REKEYED, retired(1), completed("r1"))
    old = without(history, Stream.VAULT, 2)  # epoch 1 only
    assert judge(history, rekey("r2"), old) == "accepted"
    assert judge(history, rekey("r2"), history.seen) == "stale_heads"
    assert judge(history, rekey("r2", 2), history.seen) == "accepted"


def test_a_wrap_is_retired_at_the_rotation_head_it_claims():
    history = tell(*RESEALED)
    before = history.seen
    history.say(done("r1"))
    assert judge(history, retired(1), before) == "wrap_in_use"
    assert judge(history, retired(1), history.seen) == "accepted"


def test_a_replaced_key_counts_from_the_devices_head_it_was_replaced_at():
    history = tell(*VERIFIED)
    before = history.seen
    history.say(taken("r1"))
    assert judge(history, retired(1), before) == "wrap_in_use"
    assert judge(history, retired(1), history.seen) == "accepted"


def test_who_claims_more_than_was_followed_is_not_judged():
    history = tell(*WRAPPED)
    for stream in (Stream.DEVICES, Stream.ROTATION):
        ahead = {**history.seen, stream: Head(99, "0" * 64)}
        with pytest.raises(GapError):
            verify_lineage(history.sign(wrapped(3), ahead), history.account)
    ahead = {**history.seen, Stream.VAULT: Head(99, "0" * 64)}
    with pytest.raises(GapError):
        verify_lineage(history.sign(verified("r1", (1, 2)), ahead), history.account)
    unknown = {**history.seen, Stream.AUTH: Head(99, "0" * 64)}  # ties nothing
    assert verify_lineage(history.sign(wrapped(3), unknown), history.account)


def test_who_claims_nothing_has_seen_no_account():
    history = tell(*START)
    assert judge(history, wrapped(2), {}) == "key_not_current"
    assert judge(history, started("r1"), {}) == "stale_heads"
    assert judge(history, retired(1), {}) == "wrap_in_use"


def test_a_wrap_that_is_not_there_is_left_to_the_streams_own_rule():
    history = tell(*START)
    assert judge(history, retired(7), history.seen) == "accepted"
    with pytest.raises(TransitionError, match="not live"):
        history.say(retired(7))


# -- what devices decides -----------------------------------------------------------------------------------


def test_of_taken_and_abandoned_only_the_first_counts():
    for first, second in ((taken("r1"), abandoned("r1")), (abandoned("r1"), taken("r1"))):
        history = tell(*VERIFIED)
        held_back = history.seen
        history.say(first)
        signed = history.sign(second, held_back)  # it would be right, had it come first
        assert verify_lineage(signed, history.account)
        with pytest.raises(TransitionError, match=r"decided already|cannot be abandoned|was abandoned"):
            history.account.devices.evolve(record(signed, history.account.devices.head))
    history = tell(*VERIFIED)
    for accepted in (taken("r1"), abandoned("r1")):  # positive control
        assert history.account.devices.evolve(record(history.sign(accepted), history.account.devices.head))


def test_a_decision_is_never_made_twice():
    history = tell(*TAKEN)
    again = replace(taken("r1", "K2", "K1"), previous_account_key=history.account.devices.account_key)
    signed = history.sign(again, next_account=USER_KEYS["K2"])
    with pytest.raises(TransitionError, match="decided already"):
        history.account.devices.evolve(record(signed, history.account.devices.head))


@pytest.mark.parametrize(
    ("before", "body"),
    [
        (COMPLETED, taken("r2", "K0", "K1")),
        (ABORTED, taken("r2", "K1")),
        (COMPLETED, abandoned("r2", "K0")),
        (COMPLETED, abandoned("r2", "K1")),
    ],
    ids=[
        "to a past key",
        "to an abandoned key",
        "abandon a past key",
        "abandon the key in force (C4)",
    ],
)
def test_a_user_key_that_was_decided_on_never_comes_back(before, body):
    history = tell(*before)
    with pytest.raises(TransitionError):
        history.account.devices.evolve(record(history.sign(body), history.account.devices.head))


# -- who has read back what ---------------------------------------------------------------------------------


def test_a_wrap_that_nobody_read_back_is_no_successor():
    """Garbage under the new key, written after the new wraps were verified, frees no wrap of the old key."""
    garbage = [*COMMITTED, wrapped(3, "K1", rotation="r1")]
    history = tell(*garbage)
    [proven, unread] = history.account.vault.live_wraps(KEY_IDS["K1"])
    [change] = history.account.rotation.rotations
    assert (change.proves(proven), change.proves(unread)) == (True, False)
    assert judge(history, retired(1), history.seen) == "accepted"
    history = tell(*VERIFIED[:-1])
    assert not history.account.rotation.rotations[0].proves(proven)
    history.write(taken("r1"))  # a hostile operator's devices service let it pass
    assert judge(history, retired(1), history.seen) == "wrap_in_use"


def test_an_epoch_that_another_rotation_began_is_not_taken_over():
    """C1: the revoked device knows the data key that it made for r1; r2 must not adopt it."""
    history = tell(*START)
    lagging = history.seen
    history.say(rekey("r1"))
    history.say(wrapped(1, epoch=2, rotation="r1"))
    history.say(aborted("r1"), {**lagging})
    history.say(rekey("r2"), {**lagging})
    assert judge(history, verified("r2", (2, 1)), history.seen) == "rotation_incomplete"
    history.write(verified("r2", (2, 1)))
    history.say(committed(1, 2, "snapshot"))
    assert judge(history, done("r2"), history.seen) == "rotation_incomplete"


def test_after_a_strange_epoch_a_rekey_leads_past_it():
    history = tell(*EPOCH_2, aborted("r1"), rekey("r2", 2), wrapped(1, epoch=3, rotation="r2"))
    assert judge(history, verified("r2", (3, 1)), history.seen) == "accepted"
    history.say(verified("r2", (3, 1)))
    history.say(committed(2, 3, "snapshot"))
    history.say(done("r2"))
    for epoch in (1, 2):
        history.say(retired(1, epoch))
    history.say(completed("r2"))


# -- signatures ---------------------------------------------------------------------------------------------


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


# -- behind a revocation ------------------------------------------------------------------------------------

LOST = devices.DeviceRevoked(PHONE.device, devices.RevocationReason.LOST)


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
