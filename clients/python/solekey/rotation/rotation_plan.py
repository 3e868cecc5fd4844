"""What an open rotation needs next, from the verified streams alone: any trusted device can go on with it.

::

    user key   STAGED     a live secret without a wrap under the new key -> WRAP, else VERIFY
               VERIFIED   not decided yet -> CHANGE_KEY, else COMMIT
               abandoned  a live wrap under the new key -> RETIRE, else ABORT
               COMMITTED  a live wrap under the old key -> RETIRE, else COMPLETE
    data key   STAGED     no wrap of the new epoch -> WRAP; begun by another rotation -> ABORT, else VERIFY
               VERIFIED   an item under an old epoch -> REKEY; no snapshot since -> SNAPSHOT, else COMMIT
               COMMITTED  a live wrap of an old epoch that no live item needs -> RETIRE; not purged -> PURGE,
                          else COMPLETE

An item that does not open stays under its old epoch, and so does that epoch's wrap.

Pure. Spec: rotation.md §3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from solekey_protocol import lineage
from solekey_protocol.event import Event
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationStarted
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped
from solekey_protocol.streams import DevicesStream, Outcome, Phase, Rotation, VaultStream, WrapRecord


class Step(StrEnum):
    """The next thing to do."""

    WRAP = "wrap"
    VERIFY = "verify"
    CHANGE_KEY = "change_key"
    REKEY = "rekey"
    SNAPSHOT = "snapshot"
    COMMIT = "commit"
    RETIRE = "retire"
    PURGE = "purge"
    COMPLETE = "complete"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the next step depends on.

    Attributes:
        old_items: live items under an older epoch that are to be re-encrypted, in a data re-key.
        sealed_epochs: the older epochs that live items are sealed under, in a data re-key: their wraps stay.
    """

    rotation: Rotation
    devices: DevicesStream
    vault: VaultStream
    vault_events: Sequence[Event]
    old_items: int = 0
    sealed_epochs: frozenset[int] = frozenset()

    @property
    def started(self) -> RotationStarted:
        """How the rotation was started."""
        return self.rotation.started

    @property
    def outcome(self) -> Outcome | None:
        """What ``devices`` has decided about this user key change; None: nothing yet."""
        decision = self.devices.decisions.get(self.started.rotation)
        return decision.outcome if decision is not None else None

    @property
    def left_epochs(self) -> tuple[int, ...]:
        """The older epochs that live items stay sealed under."""
        return tuple(sorted(self.sealed_epochs))


def plan_next(situation: Situation) -> Step:
    """Plan the next step."""
    if situation.started.kind is RotationKind.USER_KEY:
        return _plan_user_key(situation)
    return _plan_data_key(situation)


def find_unwrapped(situation: Situation) -> list[int]:
    """Find the epochs whose data key has a live wrap, but none under the new user key."""
    left = lineage.find_unwrapped(situation.started, situation.vault.live_wraps())
    return sorted({wrap.wrapped.epoch for wrap in left})


def find_new_wraps(situation: Situation) -> list[WrapRecord]:
    """Find the wraps that the rotation has made: what must be read back before there is no way back."""
    return lineage.find_new_wraps(situation.started, situation.vault.live_wraps())


def find_retirable(situation: Situation) -> list[WrapRecord]:
    """Find the live wraps that the rotation has made superfluous: not those that a live item needs."""
    started, live = situation.started, situation.vault.live_wraps()
    if started.kind is RotationKind.USER_KEY:
        abandoned = situation.outcome is Outcome.ABANDONED
        return (lineage.find_new_wraps if abandoned else lineage.find_old_wraps)(started, live)
    left = situation.sealed_epochs | frozenset(situation.rotation.left_epochs)
    return find_unneeded(situation.vault, started.to_epoch, left)


def find_unneeded(vault: VaultStream, epoch: int, sealed_epochs: frozenset[int]) -> list[WrapRecord]:
    """Find the live wraps of epochs before this one that no live item is sealed under."""
    return [
        wrap
        for wrap in vault.live_wraps()
        if wrap.wrapped.epoch < epoch and wrap.wrapped.epoch not in sealed_epochs
    ]


def _plan_user_key(situation: Situation) -> Step:
    if situation.outcome is Outcome.ABANDONED:
        return Step.RETIRE if find_retirable(situation) else Step.ABORT
    match situation.rotation.phase:
        case Phase.STAGED:
            return Step.WRAP if find_unwrapped(situation) else Step.VERIFY
        case Phase.VERIFIED:
            return Step.CHANGE_KEY if situation.outcome is None else Step.COMMIT
        case Phase.COMMITTED:
            return Step.RETIRE if find_retirable(situation) else Step.COMPLETE


def _plan_data_key(situation: Situation) -> Step:
    match situation.rotation.phase:
        case Phase.STAGED:
            if situation.vault.epoch < situation.started.to_epoch:
                return Step.WRAP
            begun_by = situation.vault.epoch_rotations[situation.started.to_epoch]
            return Step.VERIFY if begun_by == situation.started.rotation else Step.ABORT
        case Phase.VERIFIED:
            if situation.old_items:
                return Step.REKEY
            return Step.COMMIT if _has_snapshot(situation) else Step.SNAPSHOT
        case Phase.COMMITTED:
            if find_retirable(situation):
                return Step.RETIRE
            purged = situation.vault.purged_through >= situation.vault.last_snapshot
            return Step.COMPLETE if purged else Step.PURGE


def _has_snapshot(situation: Situation) -> bool:
    """Whether a snapshot follows the last re-encrypted batch (or, with no items, the new epoch's wrap)."""
    for event in reversed(situation.vault_events):
        body = event.body
        if isinstance(body, ItemsCommitted) and body.kind is CommitKind.SNAPSHOT:
            return True
        rekeyed = isinstance(body, ItemsCommitted) and body.kind is CommitKind.REKEY
        begun = isinstance(body, KeyWrapped) and body.epoch == situation.started.to_epoch
        if rekeyed or begun:
            return False
    return False
