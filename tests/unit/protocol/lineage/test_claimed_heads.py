"""A statement is judged at the heads that it claims: by what its author had seen, and by nothing newer."""

import pytest

from solekey_protocol.errors import (
    GapError,
    TransitionError,
)
from solekey_protocol.events import Stream
from solekey_protocol.lineage import verify_lineage
from solekey_protocol.statements import Head
from tests.support.protocol.history import (
    abandoned,
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
from tests.unit.protocol.lineage.steps import (
    COMMITTED,
    EPOCH_2_VERIFIED,
    REKEYED,
    REKEYING,
    RESEALED,
    STAGED,
    START,
    VERIFIED,
    WRAPPED,
    judge,
)


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
