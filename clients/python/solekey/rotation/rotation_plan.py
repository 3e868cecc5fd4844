"""What an open rotation needs next, from the verified streams alone: any trusted device can go on with it.

::

    user key   STAGED     a live secret without a wrap under the new key -> WRAP, else VERIFY
               VERIFIED   the account's key is still the old one -> CHANGE_KEY, else COMMIT
               COMMITTED  a live wrap under the old key -> RETIRE, else COMPLETE
    data key   STAGED     no wrap of the new epoch -> WRAP, else VERIFY
               VERIFIED   an item under an old epoch -> REKEY; no snapshot since -> SNAPSHOT, else COMMIT
               COMMITTED  a live wrap of an old epoch that no live item needs -> RETIRE; not purged -> PURGE,
                          else COMPLETE

An item that does not open stays under its old epoch, and so does that epoch's wrap.

Pure. Spec: rotation.md §3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from solekey_protocol.event import Event
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import RotationStarted
from solekey_protocol.events.vault import CommitKind, ItemsCommitted, KeyWrapped
from solekey_protocol.streams import DevicesStream, LiveWrap, Rotation, VaultStream
from solekey_protocol.streams.rotation import Phase


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


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the next step depends on.

    Attributes:
        old_items: live items under an older epoch that are to be re-encrypted.
        sealed_epochs: the epochs that live items are sealed under: their wraps stay.
    """

    rotation: Rotation
    devices: DevicesStream
    vault: VaultStream
    vault_events: Sequence[Event]
    old_items: int
    sealed_epochs: frozenset[int]

    @property
    def started(self) -> RotationStarted:
        """How the rotation was started."""
        return self.rotation.started


def plan_next(situation: Situation) -> Step:
    """Plan the next step."""
    if situation.started.kind is RotationKind.USER_KEY:
        return _plan_user_key(situation)
    return _plan_data_key(situation)


def find_unwrapped(situation: Situation) -> list[int]:
    """Find the epochs whose data key has a live wrap, but none under the new user key."""
    live = situation.vault.live_wraps()
    done = {wrap.wrapped.epoch for wrap in live if wrap.wrapped.key_id == situation.started.to_key_id}
    return sorted({wrap.wrapped.epoch for wrap in live} - done)


def find_new_wraps(situation: Situation) -> list[LiveWrap]:
    """Find the wraps that the rotation has made: what must be read back before there is no way back."""
    started = situation.started
    wraps = situation.vault.live_wraps(started.to_key_id)
    if started.kind is RotationKind.DATA_KEY:
        return [wrap for wrap in wraps if wrap.wrapped.epoch == started.to_epoch]
    return wraps


def find_retirable(situation: Situation) -> list[LiveWrap]:
    """Find the live wraps that the rotation has made superfluous: not those that a live item needs."""
    started = situation.started
    if started.kind is RotationKind.USER_KEY:
        return [w for w in situation.vault.live_wraps() if w.wrapped.key_id != started.to_key_id]
    return find_unneeded(situation.vault, started.to_epoch, situation.sealed_epochs)


def find_unneeded(vault: VaultStream, epoch: int, sealed_epochs: frozenset[int]) -> list[LiveWrap]:
    """Find the live wraps of epochs before this one that no live item is sealed under."""
    return [
        wrap
        for wrap in vault.live_wraps()
        if wrap.wrapped.epoch < epoch and wrap.wrapped.epoch not in sealed_epochs
    ]


def _plan_user_key(situation: Situation) -> Step:
    match situation.rotation.phase:
        case Phase.STAGED:
            return Step.WRAP if find_unwrapped(situation) else Step.VERIFY
        case Phase.VERIFIED:
            changed = situation.devices.key_id == situation.started.to_key_id
            return Step.COMMIT if changed else Step.CHANGE_KEY
        case Phase.COMMITTED:
            return Step.RETIRE if find_retirable(situation) else Step.COMPLETE


def _plan_data_key(situation: Situation) -> Step:
    match situation.rotation.phase:
        case Phase.STAGED:
            return Step.WRAP if situation.vault.epoch < situation.started.to_epoch else Step.VERIFY
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
