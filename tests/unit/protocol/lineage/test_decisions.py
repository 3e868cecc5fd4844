"""What one event decides: a user key change in the devices stream, a wrap once somebody has read it back."""

from dataclasses import replace

import pytest

from solekey_protocol.errors import (
    TransitionError,
)
from solekey_protocol.lineage import verify_lineage
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
    taken,
    tell,
    verified,
    wrapped,
)
from tests.support.protocol.keyring import record
from tests.unit.protocol.lineage.steps import (
    ABORTED,
    COMMITTED,
    COMPLETED,
    EPOCH_2,
    START,
    TAKEN,
    VERIFIED,
    judge,
)


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


# who has read back what


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
