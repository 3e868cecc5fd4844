"""What the rotation service decides beyond the lineage rules (those: tests/unit/protocol/lineage)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from solekey_protocol.errors import TransitionError
from solekey_protocol.events import rotation as events
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp, compute_digest
from solekey_protocol.streams import RotationStream
from solekey_rotation.domain import decide_due, decide_exposure, verify_none_open
from solekey_rotation.key_ages import KeyAges, Policy
from solekey_rotation.refusals import RotationOpen
from tests.support.actors import Actor, UserKey, derive_rotation_id

LAPTOP = Actor("ana", "laptop")
OLD, NEW = LAPTOP.user_key.key_id, UserKey("ana's second user key").key_id
ROTATION, OTHER = derive_rotation_id("one"), derive_rotation_id("another")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = Timestamp.from_datetime(NOW)


def started(kind=RotationKind.USER_KEY, from_key=OLD, from_epoch=1, rotation=ROTATION):
    user = kind is RotationKind.USER_KEY
    return events.RotationStarted(
        rotation,
        kind,
        events.RotationReason.REQUESTED,
        from_key,
        NEW if user else from_key,
        from_epoch,
        from_epoch if user else from_epoch + 1,
    )


def fold(*bodies):
    state = RotationStream.start(LAPTOP.account)
    for body in bodies:
        state = state.transition(body)
    return state


def take(state, body):
    """Take a statement as StatementFlow does; return the stream that goes on with it."""
    verify_none_open(state, LAPTOP.sign(body).statement)
    return state.transition(body)


VERIFIED = events.RotationVerified(ROTATION, 1, compute_digest(b"wraps"))
COMMITTED, COMPLETED = events.RotationCommitted(ROTATION, ()), events.RotationCompleted(ROTATION)
ABORTED = events.RotationAborted(ROTATION, events.AbortReason.USER_REQUEST)
REKEY = started(RotationKind.DATA_KEY)

ACCEPTED = {
    "a policy": ([], events.PolicySet(90, 180)),
    "a user key change starts": ([], started()),
    "a re-key starts": ([], REKEY),
    "verified": ([started()], VERIFIED),
    "committed": ([started(), VERIFIED], COMMITTED),
    "completed": ([started(), VERIFIED, COMMITTED], COMPLETED),
    "a staged change is aborted": ([started()], ABORTED),
    "a verified change is aborted": ([started(), VERIFIED], ABORTED),
}

REFUSED = {
    "another is open": ([started()], started(rotation=OTHER), RotationOpen),
    "committed before verified": ([started()], COMMITTED, TransitionError),
    "aborted after committed": ([started(), VERIFIED, COMMITTED], ABORTED, TransitionError),
    "nothing is open": ([], COMMITTED, TransitionError),
    "a foreign statement": ([], DeviceRevoked(LAPTOP.device, RevocationReason.LOST), TransitionError),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted(what):
    before, body = ACCEPTED[what]
    assert take(fold(*before), body)


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    before, body, refusal = REFUSED[what]
    with pytest.raises(refusal):
        take(fold(*before), body)


def test_who_finds_another_rotation_open_is_told_which():
    with pytest.raises(RotationOpen) as refused:
        take(fold(started()), started(rotation=OTHER))
    assert refused.value.extras == {"rotation": ROTATION, "kind": "user_key", "phase": "staged"}


YEAR = Policy(timedelta(days=365), timedelta(days=365))
AGES = KeyAges(NOW - timedelta(days=100), NOW - timedelta(days=40), 1)
BOTH = {RotationKind.USER_KEY, RotationKind.DATA_KEY}

DUE = {
    "the operator's policy": ([], set()),
    "an old user key": ([events.PolicySet(99, 365)], {RotationKind.USER_KEY}),
    "both too old": ([events.PolicySet(99, 39)], BOTH),
    "to the day": ([events.PolicySet(100, 40)], BOTH),
    "one day to go": ([events.PolicySet(101, 41)], set()),
    "said before": (
        [events.PolicySet(99, 39), events.RotationDue(RotationKind.USER_KEY, AT)],
        {RotationKind.DATA_KEY},
    ),
    "being rotated": ([events.PolicySet(99, 39), started()], {RotationKind.DATA_KEY}),
}


@pytest.mark.parametrize("what", DUE)
def test_due(what):
    before, expected = DUE[what]
    assert {body.kind for body in decide_due(fold(*before), AGES, YEAR, NOW)} == expected


def test_nothing_is_due_without_keys():
    assert decide_due(fold(events.PolicySet(1, 1)), KeyAges(), YEAR, NOW) == []


def test_an_epoch_begins_once():
    ages = KeyAges().note_epoch(1, NOW).note_epoch(1, NOW + timedelta(days=1))
    assert (ages.epoch, ages.data_key_since) == (1, NOW)
    assert ages.note_epoch(2, NOW + timedelta(days=2)).data_key_since == NOW + timedelta(days=2)


def test_a_revocation_makes_both_due_once():
    assert {body.kind for body in decide_exposure(fold(), AT, YEAR)} == BOTH
    again = decide_exposure(fold(events.RotationDue(RotationKind.USER_KEY, AT)), AT, YEAR)
    assert again == [events.RotationDue(RotationKind.DATA_KEY, AT, events.DueCause.REVOCATION)]


ENFORCED = replace(YEAR, enforcement=events.Enforcement.ENFORCED)


def test_what_is_due_says_whether_writes_wait_for_it():
    """By the account's policy, or without one by the operator's."""
    own = events.PolicySet(99, 39, events.Enforcement.ADVISORY)
    for before, expected in (([], events.Enforcement.ENFORCED), ([own], events.Enforcement.ADVISORY)):
        stated = decide_exposure(fold(*before), AT, ENFORCED)
        assert {body.enforcement for body in stated} == {expected}
    aged = decide_due(fold(own), AGES, ENFORCED, NOW)
    assert {(body.cause, body.enforcement) for body in aged} == {
        (events.DueCause.AGE, events.Enforcement.ADVISORY)
    }
