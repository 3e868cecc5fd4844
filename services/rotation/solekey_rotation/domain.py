"""Verifies what only the rotation service refuses, and decides what becomes due. Spec: rotation.md §3.

Pure: no clock, no storage, no network. ``RotationStream`` holds the order of a saga's steps, and
``solekey_protocol.lineage`` what the other streams must show.
"""

from datetime import datetime

from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import DueCause, RotationDue, RotationStarted
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import Statement
from solekey_protocol.streams import RotationStream
from solekey_rotation.key_ages import KeyAges, Policy, derive_due, derive_policy
from solekey_rotation.refusals import RotationOpen


def verify_none_open(state: RotationStream, statement: Statement) -> Statement:
    """Verify that no other rotation is open where a statement starts one. Raises RotationOpen."""
    if isinstance(statement.body, RotationStarted) and state.open is not None:
        started = state.open.started
        raise RotationOpen(
            f"{started.rotation} is open: resume it, or abort it",
            extras={"rotation": started.rotation, "kind": started.kind, "phase": state.open.phase},
        )
    return statement


def decide_exposure(state: RotationStream, revoked_at: Timestamp, policy: Policy) -> list[RotationDue]:
    """Decide what a revocation makes due: both keys were known to a device that may be in other hands."""
    enforcement = derive_policy(state, policy).enforcement
    return [
        RotationDue(kind, revoked_at, DueCause.REVOCATION, enforcement)
        for kind in RotationKind
        if kind not in state.due
    ]


def decide_due(state: RotationStream, ages: KeyAges, policy: Policy, now: datetime) -> list[RotationDue]:
    """Decide which keys have become too old; stated once until they are rotated."""
    enforcement = derive_policy(state, policy).enforcement
    return [
        RotationDue(kind, Timestamp.from_datetime(moment), DueCause.AGE, enforcement)
        for kind, moment in sorted(derive_due(state, ages, policy).items())
        if moment <= now
    ]
