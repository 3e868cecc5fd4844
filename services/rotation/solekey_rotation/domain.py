"""Decides what may be said in the rotation stream; the state is the protocol's own fold. Spec: rotation.md §3.

Pure: no clock, no storage, no network. ``RotationStream`` holds the order of a saga's steps; added here is
what only somebody who follows devices and vault sees: whether a step has really happened.
"""

from datetime import datetime

from solekey_protocol.encoding import Json
from solekey_protocol.events import rotation as said
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import Rotation, RotationStream
from solekey_rotation.commands import (
    AbortRotation,
    Command,
    CommitRotation,
    CompleteRotation,
    StartRotation,
    Surroundings,
)
from solekey_rotation.key_ages import KeyAges, Policy, derive_due
from solekey_rotation.refusals import (
    RotationIncomplete,
    RotationIrrevocable,
    RotationMismatch,
    RotationOpen,
)


def decide(state: RotationStream, around: Surroundings, command: Command) -> list[SignedStatement]:
    """Decide what a command adds to the stream: its statement, once everything about it holds.

    Raises:
        TransitionError: the stream's own rules.
        RotationOpen, RotationMismatch, RotationIncomplete, RotationIrrevocable
    """
    if isinstance(command, StartRotation):
        _verify_start(state, around, command.body)
    state.transition(command.body)
    if state.open is not None:
        match command:
            case CommitRotation():
                _verify_in_force(state.open, around)
            case CompleteRotation():
                _verify_retired(state.open, around)
            case AbortRotation():
                _verify_taken_back(state.open, around)
    return [command.signed]


def decide_due(state: RotationStream, ages: KeyAges, policy: Policy, now: datetime) -> list[said.RotationDue]:
    """Decide which keys have become too old; said once until they are rotated."""
    return [
        said.RotationDue(kind, Timestamp.from_datetime(moment))
        for kind, moment in sorted(derive_due(state, ages, policy).items())
        if moment <= now
    ]


def _verify_start(state: RotationStream, around: Surroundings, body: said.RotationStarted) -> None:
    if state.open is not None:
        started = state.open.started
        raise RotationOpen(
            f"{started.rotation} is open: resume it, or abort it",
            extras={"rotation": started.rotation, "kind": started.kind, "phase": state.open.phase},
        )
    if body.from_key_id != around.key_id or body.from_epoch != around.vault.epoch:
        raise RotationMismatch(
            "the rotation must start from the account's user key and newest epoch", extras=_keys(around)
        )


def _verify_in_force(rotation: Rotation, around: Surroundings) -> None:
    if not _is_in_force(rotation, around):
        raise RotationMismatch("the new key is not in force yet", extras=_keys(around))


def _verify_retired(rotation: Rotation, around: Surroundings) -> None:
    started = rotation.started
    if started.kind is RotationKind.USER_KEY:
        left = around.vault.live_wraps(started.from_key_id)
    else:
        left = [wrap for wrap in around.vault.live_wraps() if wrap.wrapped.epoch < started.to_epoch]
    if left:
        raise RotationIncomplete(f"{len(left)} wraps of the old key are not retired yet")


def _verify_taken_back(rotation: Rotation, around: Surroundings) -> None:
    if _is_in_force(rotation, around):
        raise RotationIrrevocable("the new key is in force: resume the rotation")
    if rotation.started.kind is RotationKind.USER_KEY:
        left = around.vault.live_wraps(rotation.started.to_key_id)
        if left:
            raise RotationIncomplete(f"{len(left)} wraps of the new key are not taken back yet")


def _is_in_force(rotation: Rotation, around: Surroundings) -> bool:
    started = rotation.started
    if started.kind is RotationKind.USER_KEY:
        return around.key_id == started.to_key_id
    return around.vault.epoch >= started.to_epoch


def _keys(around: Surroundings) -> dict[str, Json]:
    return {"key_id": around.key_id, "epoch": around.vault.epoch}
