"""What the rotation service decides: each refused step beside the one that is accepted."""

from datetime import UTC, datetime, timedelta

import pytest
from actors import Actor, UserKey, derive_rotation_id
from solekey_rotation.commands import Surroundings, parse_command

from solekey_eventlog.errors import StaleHeads
from solekey_protocol.errors import SchemaError, TransitionError
from solekey_protocol.events import rotation as said
from solekey_protocol.events import vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp, compute_digest
from solekey_protocol.streams import RotationStream, VaultStream
from solekey_protocol.wrap import SecretKind
from solekey_rotation.domain import decide, decide_due, decide_exposure
from solekey_rotation.key_ages import KeyAges, Policy
from solekey_rotation.refusals import (
    RotationIncomplete,
    RotationIrrevocable,
    RotationOpen,
    WrapsDiffer,
)

LAPTOP = Actor("ana", "laptop")
OLD, NEW = LAPTOP.user_key.key_id, UserKey("ana's second user key").key_id
ROTATION, OTHER = derive_rotation_id("one"), derive_rotation_id("another")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = Timestamp.from_datetime(NOW)


def started(kind=RotationKind.USER_KEY, from_key=OLD, from_epoch=1, rotation=ROTATION):
    user = kind is RotationKind.USER_KEY
    return said.RotationStarted(
        rotation,
        kind,
        said.RotationReason.REQUESTED,
        from_key,
        NEW if user else from_key,
        from_epoch,
        from_epoch if user else from_epoch + 1,
    )


def wrap(epoch, version, key_id):
    digest = compute_digest(f"{epoch}/{version}".encode())
    return vault.KeyWrapped(
        SecretKind.DATA_KEY, epoch, version, key_id, vault.WrapSuite.HKDF_SHA256_AES256GCM, digest
    )


def retire(epoch, version):
    return vault.WrapRetired(
        SecretKind.DATA_KEY, epoch, version, compute_digest(f"{epoch}/{version}".encode())
    )


def fold(*bodies):
    state = RotationStream.start(LAPTOP.account)
    for body in bodies:
        state = state.transition(body)
    return state


def around(key_id, *bodies):
    state = VaultStream.start(LAPTOP.account)
    for body in (wrap(1, 1, OLD), *bodies):
        state = state.transition(body, AT)
    return Surroundings(key_id, state)


def verified(*places):
    """What a client says that has read back these (epoch, version) wraps."""
    raw = sorted(bytes.fromhex(wrap(epoch, version, NEW).wrap) for epoch, version in places)
    return said.RotationVerified(ROTATION, len(places), compute_digest(b"".join(raw)))


VERIFIED = verified((1, 2))
COMMITTED, COMPLETED = said.RotationCommitted(ROTATION), said.RotationCompleted(ROTATION)
ABORTED = said.RotationAborted(ROTATION, said.AbortReason.USER_REQUEST)
REKEY = started(RotationKind.DATA_KEY)

ACCEPTED = {
    "a policy": ([], around(OLD), said.PolicySet(90, 180)),
    "a user key change starts": ([], around(OLD), started()),
    "a re-key starts": ([], around(OLD), REKEY),
    "verified": ([started()], around(OLD, wrap(1, 2, NEW)), VERIFIED),
    "a user key change is committed": ([started(), VERIFIED], around(NEW, wrap(1, 2, NEW)), COMMITTED),
    "a re-key is committed": ([REKEY, VERIFIED], around(OLD, wrap(2, 1, OLD)), COMMITTED),
    "a user key change is completed": (
        [started(), VERIFIED, COMMITTED],
        around(NEW, wrap(1, 2, NEW), retire(1, 1)),
        COMPLETED,
    ),
    "a re-key is completed": (
        [REKEY, VERIFIED, COMMITTED],
        around(OLD, wrap(2, 1, OLD), retire(1, 1)),
        COMPLETED,
    ),
    "a re-key is completed, and an old wrap stays for an item that does not open": (
        [REKEY, VERIFIED, COMMITTED],
        around(OLD, wrap(2, 1, OLD)),
        COMPLETED,
    ),
    "two wraps are verified": (
        [started()],
        around(OLD, wrap(1, 2, NEW), wrap(1, 3, NEW)),
        verified((1, 3), (1, 2)),
    ),
    "a re-key is verified": ([REKEY], around(OLD, wrap(2, 1, OLD)), verified((2, 1))),
    "a re-key is aborted whose new data key nobody can open": (
        [REKEY],
        around(OLD, wrap(2, 1, OLD)),
        ABORTED,
    ),
    "a staged change is aborted": ([started()], around(OLD), ABORTED),
    "a staged change is aborted, its wraps taken back": (
        [started(), VERIFIED],
        around(OLD, wrap(1, 2, NEW), retire(1, 2)),
        ABORTED,
    ),
    "a re-key is aborted before its wrap": ([REKEY], around(OLD), ABORTED),
}

REFUSED = {
    "another is open": ([started()], around(OLD), started(rotation=OTHER), RotationOpen),
    "from another user key": ([], around(NEW), started(), StaleHeads),
    "from another epoch": ([], around(OLD, wrap(2, 1, OLD)), started(), StaleHeads),
    "of an account without a user key": ([], around(None), started(), StaleHeads),
    "committed, and the old key in force": (
        [started(), VERIFIED],
        around(OLD, wrap(1, 2, NEW)),
        COMMITTED,
        RotationIncomplete,
    ),
    "a re-key is committed without its epoch": (
        [REKEY, VERIFIED],
        around(OLD),
        COMMITTED,
        RotationIncomplete,
    ),
    "committed before verified": ([started()], around(NEW, wrap(1, 2, NEW)), COMMITTED, TransitionError),
    "completed, and an old wrap is live": (
        [started(), VERIFIED, COMMITTED],
        around(NEW, wrap(1, 2, NEW)),
        COMPLETED,
        RotationIncomplete,
    ),
    "aborted, and the new key in force": (
        [started(), VERIFIED],
        around(NEW, wrap(1, 2, NEW)),
        ABORTED,
        RotationIrrevocable,
    ),
    "aborted, and a new wrap is live": (
        [started()],
        around(OLD, wrap(1, 2, NEW)),
        ABORTED,
        RotationIncomplete,
    ),
    "a live secret has no wrap under the new user key": (
        [started()],
        around(OLD, wrap(2, 1, OLD), wrap(2, 2, NEW)),
        verified((2, 2)),
        RotationIncomplete,
    ),
    "nothing is wrapped under the new user key": ([started()], around(OLD), verified(), RotationIncomplete),
    "the new data key is not wrapped": ([REKEY], around(OLD), verified(), RotationIncomplete),
    "another wrap was read back": ([started()], around(OLD, wrap(1, 2, NEW)), verified((1, 1)), WrapsDiffer),
    "one of two wraps was read back": (
        [started()],
        around(OLD, wrap(1, 2, NEW), wrap(1, 3, NEW)),
        verified((1, 2)),
        WrapsDiffer,
    ),
    "aborted after committed": (
        [started(), VERIFIED, COMMITTED],
        around(NEW, wrap(1, 2, NEW)),
        ABORTED,
        TransitionError,
    ),
    "nothing is open": ([], around(OLD), COMMITTED, TransitionError),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted(what):
    before, surroundings, body = ACCEPTED[what]
    signed = LAPTOP.sign(body)
    assert decide(fold(*before), surroundings, parse_command(signed)) == [signed]


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    before, surroundings, body, refusal = REFUSED[what]
    with pytest.raises(refusal):
        decide(fold(*before), surroundings, parse_command(LAPTOP.sign(body)))


def test_a_foreign_statement_is_no_command():
    with pytest.raises(SchemaError):
        parse_command(LAPTOP.sign(retire(1, 1)))


YEAR = Policy(timedelta(days=365), timedelta(days=365))
AGES = KeyAges(NOW - timedelta(days=100), NOW - timedelta(days=40), 1)
BOTH = {RotationKind.USER_KEY, RotationKind.DATA_KEY}

DUE = {
    "the operator's policy": ([], set()),
    "an old user key": ([said.PolicySet(99, 365)], {RotationKind.USER_KEY}),
    "both too old": ([said.PolicySet(99, 39)], BOTH),
    "to the day": ([said.PolicySet(100, 40)], BOTH),
    "one day to go": ([said.PolicySet(101, 41)], set()),
    "said before": (
        [said.PolicySet(99, 39), said.RotationDue(RotationKind.USER_KEY, AT)],
        {RotationKind.DATA_KEY},
    ),
    "being rotated": ([said.PolicySet(99, 39), started()], {RotationKind.DATA_KEY}),
}


@pytest.mark.parametrize("what", DUE)
def test_due(what):
    before, expected = DUE[what]
    assert {body.kind for body in decide_due(fold(*before), AGES, YEAR, NOW)} == expected


def test_nothing_is_due_without_keys():
    assert decide_due(fold(said.PolicySet(1, 1)), KeyAges(), YEAR, NOW) == []


def test_an_epoch_begins_once():
    ages = KeyAges().note_epoch(1, NOW).note_epoch(1, NOW + timedelta(days=1))
    assert (ages.epoch, ages.data_key_since) == (1, NOW)
    assert ages.note_epoch(2, NOW + timedelta(days=2)).data_key_since == NOW + timedelta(days=2)


def test_a_revocation_makes_both_due_once():
    assert {body.kind for body in decide_exposure(fold(), AT)} == BOTH
    again = decide_exposure(fold(said.RotationDue(RotationKind.USER_KEY, AT)), AT)
    assert again == [said.RotationDue(RotationKind.DATA_KEY, AT)]
