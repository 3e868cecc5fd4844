"""Decides what may be said in the rotation stream; its state is the protocol's fold. Spec: rotation.md §3.

Pure: no clock, no storage, no network. ``RotationStream`` holds the order of a saga's steps, and
``solekey_protocol.lineage`` what the other streams must show; added here is what becomes due.
"""

from datetime import datetime

from solekey_protocol.events import rotation as said
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import RotationStream
from solekey_rotation.key_ages import KeyAges, Policy, derive_due
from solekey_rotation.refusals import RotationOpen


def decide(state: RotationStream, signed: SignedStatement) -> list[SignedStatement]:
    """Decide what a statement adds to the stream: itself, once everything about it holds.

    What ties it to the other streams is verified before (``solekey_protocol.lineage``).

    Raises:
        RotationOpen: another rotation is open. TransitionError: the stream's own rules.
    """
    if isinstance(signed.statement.body, said.RotationStarted) and state.open is not None:
        started = state.open.started
        raise RotationOpen(
            f"{started.rotation} is open: resume it, or abort it",
            extras={"rotation": started.rotation, "kind": started.kind, "phase": state.open.phase},
        )
    state.transition(signed.statement.body)
    return [signed]


def decide_exposure(state: RotationStream, revoked_at: Timestamp) -> list[said.RotationDue]:
    """Decide what a revocation makes due: both keys were known to a device that may be in other hands."""
    return [said.RotationDue(kind, revoked_at) for kind in RotationKind if kind not in state.due]


def decide_due(state: RotationStream, ages: KeyAges, policy: Policy, now: datetime) -> list[said.RotationDue]:
    """Decide which keys have become too old; said once until they are rotated."""
    return [
        said.RotationDue(kind, Timestamp.from_datetime(moment))
        for kind, moment in sorted(derive_due(state, ages, policy).items())
        if moment <= now
    ]
