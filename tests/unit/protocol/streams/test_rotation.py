"""The rules of the rotation stream: each refused step stands beside the same step that is accepted."""

import pytest

from solekey_protocol.errors import TransitionError
from solekey_protocol.events import rotation, vault
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import KeyId, RotationId, Timestamp
from solekey_protocol.streams import RotationStream
from solekey_protocol.wrap import SecretKind
from tests.support.protocol.keyring import ACCOUNT, KEY_ID, NEXT_KEY_ID, digest
from tests.unit.protocol.streams.steps import ROTATION


def started(kind=RotationKind.USER_KEY, to_key=NEXT_KEY_ID, to_epoch=1, rotation_id=ROTATION):
    return rotation.RotationStarted(
        rotation_id, kind, rotation.RotationReason.REQUESTED, KEY_ID, to_key, 1, to_epoch
    )


VERIFIED = rotation.RotationVerified(ROTATION, 1, digest("wraps"))
COMMITTED = rotation.RotationCommitted(ROTATION, ())
COMPLETED = rotation.RotationCompleted(ROTATION)
ABORTED = rotation.RotationAborted(ROTATION, rotation.AbortReason.USER_REQUEST)
OTHER = RotationId.from_raw(b"another rotation")
ROTATION_REFUSED = {
    "two rotations are open": ([started()], started(rotation_id=OTHER)),
    "committed before verified": ([started()], COMMITTED),
    "completed before committed": ([started(), VERIFIED], COMPLETED),
    "aborted after committed": ([started(), VERIFIED, COMMITTED], ABORTED),
    "another rotation is verified": ([started(rotation_id=OTHER)], VERIFIED),
    "a rotation's id is used again": ([started(), VERIFIED, COMMITTED, COMPLETED], started()),
    "a user key change keeps the key": ([], started(to_key=KEY_ID)),
    "a user key change moves the epoch": ([], started(to_epoch=2)),
    "a re-key keeps the epoch": ([], started(RotationKind.DATA_KEY, KEY_ID, 1)),
    "a re-key changes the user key": ([], started(RotationKind.DATA_KEY, KeyId("03" * 16), 2)),
    "a rotation leads to a user key that one led to before": (
        [started(), ABORTED],
        started(rotation_id=OTHER),
    ),
    "a user key change leaves an epoch": (
        [started(), VERIFIED],
        rotation.RotationCommitted(ROTATION, (1,)),
    ),
    "a re-key leaves its own epoch": (
        [started(RotationKind.DATA_KEY, KEY_ID, 2), VERIFIED],
        rotation.RotationCommitted(ROTATION, (2,)),
    ),
    "a re-key leaves an epoch twice": (
        [started(RotationKind.DATA_KEY, KEY_ID, 2), VERIFIED],
        rotation.RotationCommitted(ROTATION, (1, 1)),
    ),
    "a vault event": ([], vault.WrapRetired(SecretKind.DATA_KEY, 1, 1, digest("wrap"))),
}


def run_rotation(*bodies):
    stream = RotationStream.start(ACCOUNT)
    for body in bodies:
        stream = stream.transition(body)
    return stream


@pytest.mark.parametrize("what", ROTATION_REFUSED)
def test_the_rotation_stream_refuses(what):
    before, body = ROTATION_REFUSED[what]
    stream = run_rotation(*before)
    with pytest.raises(TransitionError):
        stream.transition(body)


def test_a_rotation_completes_and_is_not_due_any_more():
    due = rotation.RotationDue(RotationKind.USER_KEY, Timestamp("2026-11-23T12:00:00.000Z"))
    stream = run_rotation(rotation.PolicySet(90, 180), due, started())
    assert stream.open is not None
    assert stream.due == {RotationKind.USER_KEY}
    done = stream.transition(VERIFIED).transition(COMMITTED).transition(COMPLETED)
    assert (done.open, done.due, done.completed) == (None, frozenset(), (ROTATION,))
    assert run_rotation(started(), ABORTED).open is None
