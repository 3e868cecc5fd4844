"""Decides what may be said in the rotation stream; its state is the protocol's fold. Spec: rotation.md §3.

Pure: no clock, no storage, no network. ``RotationStream`` holds the order of a saga's steps; added here is
what only somebody who follows devices and vault sees: whether a step has really happened.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from solekey_eventlog.errors import StaleHeads
from solekey_protocol.encoding import Json
from solekey_protocol.events import rotation as said
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import LiveWrap, Rotation, RotationStream, VaultStream, derive_wraps_digest
from solekey_rotation.commands import (
    AbortRotation,
    Command,
    CommitRotation,
    CompleteRotation,
    StartRotation,
    Surroundings,
    VerifyRotation,
)
from solekey_rotation.key_ages import KeyAges, Policy, derive_due
from solekey_rotation.refusals import (
    RotationIncomplete,
    RotationIrrevocable,
    RotationOpen,
    WrapsDiffer,
)


def decide(state: RotationStream, around: Surroundings, command: Command) -> list[SignedStatement]:
    """Decide what a command adds to the stream: its statement, once everything about it holds.

    Raises:
        TransitionError: the stream's own rules.
        RotationOpen, StaleHeads: StartRotation.
        RotationIncomplete, RotationIrrevocable, WrapsDiffer: a step that the other streams do not show.
    """
    if isinstance(command, StartRotation):
        _verify_start(state, around, command.body)
    state.transition(command.body)
    if state.open is not None:
        match command:
            case VerifyRotation(_, body):
                _verify_wraps(state.open.started, body, around.vault)
            case CommitRotation():
                _verify_in_force(state.open, around)
            case CompleteRotation():
                _verify_retired(state.open, around)
            case AbortRotation():
                _verify_taken_back(state.open, around)
    return [command.signed]


MAX_TOLD: Final = 100
"""Wraps that a refusal lists."""


def decide_exposure(state: RotationStream, revoked_at: Timestamp) -> list[said.RotationDue]:
    """Decide what a revocation makes due: both keys were known to a device that may be in other hands."""
    return [said.RotationDue(kind, revoked_at) for kind in RotationKind if kind not in state.due]


def find_new_wraps(started: said.RotationStarted, vault: VaultStream) -> list[LiveWrap]:
    """Find the live wraps that a rotation has made: what must be read back."""
    wraps = vault.live_wraps(started.to_key_id)
    if started.kind is RotationKind.USER_KEY:
        return wraps
    return [wrap for wrap in wraps if wrap.wrapped.epoch == started.to_epoch]


def find_old_wraps(started: said.RotationStarted, vault: VaultStream) -> list[LiveWrap]:
    """Find the live wraps that a rotation must retire.

    A re-key may leave wraps of older epochs: items that do not open stay sealed under them (rotation.md §3).
    """
    if started.kind is RotationKind.DATA_KEY:
        return []
    return [wrap for wrap in vault.live_wraps() if wrap.wrapped.key_id != started.to_key_id]


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
        raise StaleHeads(
            "the rotation must start from the account's user key and newest epoch", extras=_keys(around)
        )


def _verify_wraps(started: said.RotationStarted, body: said.RotationVerified, vault: VaultStream) -> None:
    """Verify that no secret was forgotten, and that exactly the live new wraps were read back (P3)."""
    new = find_new_wraps(started, vault)
    done = {(wrap.wrapped.secret, wrap.wrapped.epoch) for wrap in new}
    live = vault.live_wraps() if started.kind is RotationKind.USER_KEY else []
    forgotten = [wrap for wrap in live if (wrap.wrapped.secret, wrap.wrapped.epoch) not in done]
    _refuse_left("without a successor under the new user key", forgotten)
    if not new:
        raise RotationIncomplete("the new data key is not wrapped yet")
    if (body.count, body.wraps) != (len(new), derive_wraps_digest(new)):
        raise WrapsDiffer(f"{len(new)} new wraps are live; others were read back")


def _verify_in_force(rotation: Rotation, around: Surroundings) -> None:
    if not _is_in_force(rotation, around):
        raise RotationIncomplete("the new key is not in force yet", extras=_keys(around))


def _verify_retired(rotation: Rotation, around: Surroundings) -> None:
    _refuse_left("of the old key, not retired yet", find_old_wraps(rotation.started, around.vault))


def _verify_taken_back(rotation: Rotation, around: Surroundings) -> None:
    """Verify that a user key change leaves nothing behind.

    A re-key may be given up although its epoch has begun: perhaps nobody can open the new data key, and then
    the only way is another re-key, to yet another epoch.
    """
    if rotation.started.kind is RotationKind.DATA_KEY:
        return
    if _is_in_force(rotation, around):
        raise RotationIrrevocable("the new key is in force: resume the rotation")
    left = around.vault.live_wraps(rotation.started.to_key_id)
    _refuse_left("of the new key, not taken back yet", left)


def _is_in_force(rotation: Rotation, around: Surroundings) -> bool:
    started = rotation.started
    if started.kind is RotationKind.USER_KEY:
        return around.key_id == started.to_key_id
    return around.vault.epoch >= started.to_epoch


def _refuse_left(what: str, wraps: Sequence[LiveWrap]) -> None:
    places = [(wrap.wrapped.secret, wrap.wrapped.epoch, wrap.wrapped.wrap_version) for wrap in wraps]
    if places:
        left: list[Json] = [
            {"secret": secret.value, "epoch": epoch, "wrap_version": version}
            for secret, epoch, version in places[:MAX_TOLD]
        ]
        raise RotationIncomplete(f"{len(places)} wraps are live {what}", extras={"wraps": left})


def _keys(around: Surroundings) -> dict[str, Json]:
    return {"key_id": around.key_id, "epoch": around.vault.epoch}
