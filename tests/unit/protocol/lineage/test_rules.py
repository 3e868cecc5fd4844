"""The rules that tie the streams together: each refused step stands beside the one that is accepted.

What a step claims to have seen decides: see test_claimed_heads.py.
"""

import pytest

from solekey_protocol.errors import (
    LineageError,
)
from solekey_protocol.lineage import is_tied, verify_lineage
from tests.support.protocol.history import (
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
    wrapped,
)
from tests.unit.protocol.lineage.steps import (
    ABANDONED,
    ABORTED,
    COMMITTED,
    COMPLETED,
    EPOCH_2,
    EPOCH_2_VERIFIED,
    REKEYED,
    REKEYED_BUT_FOR_ONE,
    REKEYING,
    RESEALED,
    STAGED,
    START,
    TAKEN,
    VERIFIED,
    WRAPPED,
)

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
    "items are re-encrypted": (EPOCH_2_VERIFIED, committed(2, 2, "rekey")),
    "what was left is re-encrypted": (
        [*REKEYED_BUT_FOR_ONE, completed("r1")],
        committed(4, 2, "rekey"),
    ),
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
    "a rekey in the first epoch": ([*START, committed(1)], committed(2, 1, "rekey"), "rotation_incomplete"),
    "a rekey, and nothing is verified": (EPOCH_2, committed(2, 2, "rekey"), "rotation_incomplete"),
    "a rekey after the re-key was given up": (
        [*EPOCH_2_VERIFIED, aborted("r1")],
        committed(2, 2, "rekey"),
        "rotation_incomplete",
    ),
    "a rekey where nothing was left": (REKEYED, committed(4, 2, "rekey"), "rotation_incomplete"),
    "a rekey where what was left is settled": (
        [*REKEYED_BUT_FOR_ONE, committed(4, 2, "snapshot"), retired(1)],
        committed(5, 2, "rekey"),
        "rotation_incomplete",
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
    "a re-key that leaves an epoch whose wrap is retired": (
        [
            *[*REKEYED, retired(1), completed("r1"), rekey("r2", from_epoch=2)],
            *[wrapped(1, epoch=3, rotation="r2"), verified("r2", (3, 1)), committed(4, 3, "snapshot")],
        ],
        done("r2", 1),
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
    assert not is_tied(committed(1))


def test_a_refusal_names_the_wraps_that_are_left():
    history = tell(*COMMITTED)
    with pytest.raises(LineageError) as refused:
        verify_lineage(history.sign(completed("r1")), history.account)
    assert refused.value.wraps == (("data_key", 1, 1),)
