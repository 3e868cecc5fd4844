"""Rotations of an account: a saga is staged, verified, committed, completed. Spec: rotation.md §2.

::

    (none open) --RotationStarted----> STAGED
    STAGED      --RotationVerified---> VERIFIED
    VERIFIED    --RotationCommitted--> COMMITTED     from here on there is no way back
    COMMITTED   --RotationCompleted--> (none open)
    STAGED, VERIFIED --RotationAborted--> (none open)
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from solekey_protocol.errors import TransitionError
from solekey_protocol.event import Event
from solekey_protocol.events import rotation as events
from solekey_protocol.events.body import Body
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import RotationId
from solekey_protocol.services import Stream
from solekey_protocol.statements import EMPTY_HEAD
from solekey_protocol.streams.fold import Fold
from solekey_protocol.streams.vault import WrapRecord


class Phase(StrEnum):
    """How far the open rotation is."""

    STAGED = "staged"
    VERIFIED = "verified"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation, and the positions in the ``rotation`` stream of its steps.

    ``verified_vault`` and ``committed_vault`` are how much of the ``vault`` stream their authors had seen,
    ``started_devices`` how much of ``devices``.
    """

    started: events.RotationStarted
    started_at: int
    started_devices: int = 0
    verified: events.RotationVerified | None = None
    verified_at: int | None = None
    verified_vault: int = 0
    committed: events.RotationCommitted | None = None
    committed_at: int | None = None
    committed_vault: int = 0
    completed_at: int | None = None
    aborted_at: int | None = None

    @property
    def phase(self) -> Phase:
        """How far it is, or was when it ended."""
        if self.committed_at is not None:
            return Phase.COMMITTED
        return Phase.STAGED if self.verified_at is None else Phase.VERIFIED

    @property
    def left_epochs(self) -> tuple[int, ...]:
        """Older epochs that a committed re-key has left live items under: their ciphertext did not open."""
        return self.committed.left_epochs if self.committed is not None else ()

    @property
    def ended_at(self) -> int | None:
        """Where it was completed or aborted; None while it is open."""
        return self.completed_at or self.aborted_at

    def phase_at(self, seq: int) -> Phase | None:
        """How far it was once the stream had reached ``seq``; None where it was not open."""
        if seq < self.started_at or (self.ended_at is not None and self.ended_at <= seq):
            return None
        if self.committed_at is not None and self.committed_at <= seq:
            return Phase.COMMITTED
        return Phase.VERIFIED if self.is_verified_at(seq) else Phase.STAGED

    def is_verified_at(self, seq: int) -> bool:
        """Whether its wraps had been read back once the stream had reached ``seq``."""
        return self.verified_at is not None and self.verified_at <= seq

    def is_committed_at(self, seq: int) -> bool:
        """Whether it was committed, perhaps completed, once the stream had reached ``seq``."""
        return self.committed_at is not None and self.committed_at <= seq

    def is_aborted_at(self, seq: int) -> bool:
        """Whether it had been given up once the stream had reached ``seq``."""
        return self.aborted_at is not None and self.aborted_at <= seq

    def proves(self, wrap: WrapRecord) -> bool:
        """Whether this rotation has read a wrap back, opened and compared it."""
        started, wrapped = self.started, wrap.wrapped
        made_here = wrapped.key_id == started.to_key_id and (
            started.kind is RotationKind.USER_KEY or wrapped.epoch == started.to_epoch
        )
        return self.verified is not None and made_here and wrap.is_live_at(self.verified_vault)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStream(Fold):
    """The folded ``rotation`` stream of one account."""

    STREAM = Stream.ROTATION

    policy: events.PolicySet | None = None
    rotations: tuple[Rotation, ...] = ()
    dues: tuple[events.RotationDue, ...] = ()

    @property
    def due(self) -> frozenset[RotationKind]:
        """The kinds of rotation that are due."""
        return frozenset(due.kind for due in self.dues)

    @property
    def enforced(self) -> frozenset[RotationKind]:
        """The kinds that are due and that writes wait for: by the account's policy, or the operator's."""
        enforced = events.Enforcement.ENFORCED
        if self.policy is not None:
            return self.due if self.policy.enforcement is enforced else frozenset()
        return frozenset(due.kind for due in self.dues if due.enforcement is enforced)

    @property
    def open(self) -> Rotation | None:
        """The open rotation."""
        last = self.rotations[-1] if self.rotations else None
        return last if last is not None and last.ended_at is None else None

    @property
    def completed(self) -> tuple[RotationId, ...]:
        """The rotations that were completed."""
        return tuple(r.started.rotation for r in self.rotations if r.completed_at is not None)

    def open_at(self, seq: int) -> Rotation | None:
        """The rotation that was open once the stream had reached ``seq``."""
        return next((r for r in reversed(self.rotations) if r.phase_at(seq) is not None), None)

    def find(self, rotation: RotationId) -> Rotation | None:
        """Find a rotation, open or ended."""
        return next((r for r in self.rotations if r.started.rotation == rotation), None)

    def _transition(self, event: Event) -> Self:
        heads = event.signed.statement.heads if event.signed else {}
        vault, devices = (heads.get(stream, EMPTY_HEAD).seq for stream in (Stream.VAULT, Stream.DEVICES))
        return self.transition(event.body, vault, devices)

    def transition(self, body: Body, seen_vault: int = 0, seen_devices: int = 0) -> Self:
        """Derive the stream after ``body``; its author saw so much of others. Raises TransitionError."""
        match body:
            case events.PolicySet():
                return replace(self, policy=body)
            case events.RotationDue():
                return replace(self, dues=(*self._dues_without(body.kind), body))
            case events.RotationStarted():
                return self._begin(body, seen_devices)
            case events.RotationVerified(rotation):
                verified = replace(
                    self._require(rotation, Phase.STAGED),
                    verified=body,
                    verified_at=self.head.seq + 1,
                    verified_vault=seen_vault,
                )
                return self._with(verified)
            case events.RotationCommitted(rotation):
                verified = self._require(rotation, Phase.VERIFIED)
                _check_left(verified.started, body.left_epochs)
                committed = replace(
                    verified, committed=body, committed_at=self.head.seq + 1, committed_vault=seen_vault
                )
                return self._with(committed)
            case events.RotationCompleted(rotation):
                done = self._require(rotation, Phase.COMMITTED)
                ended = self._with(replace(done, completed_at=self.head.seq + 1))
                return replace(ended, dues=self._dues_without(done.started.kind))
            case events.RotationAborted(rotation):
                given_up = self._require(rotation, Phase.STAGED, Phase.VERIFIED)
                return self._with(replace(given_up, aborted_at=self.head.seq + 1))
            case _:
                raise TransitionError(f"{body.TYPE} does not belong to the rotation stream")

    def _begin(self, body: events.RotationStarted, seen_devices: int) -> Self:
        if self.open is not None:
            raise TransitionError(f"{self.open.started.rotation} is open already")
        if self.find(body.rotation) is not None:
            raise TransitionError(f"{body.rotation} was used before")
        same_key, same_epoch = body.from_key_id == body.to_key_id, body.from_epoch == body.to_epoch
        if body.kind is RotationKind.USER_KEY and (same_key or not same_epoch):
            raise TransitionError("a user key change has another key id and the same epoch")
        if body.kind is RotationKind.DATA_KEY and (not same_key or body.to_epoch != body.from_epoch + 1):
            raise TransitionError("a data re-key has the same key id and the next epoch")
        used = {key for r in self.rotations for key in (r.started.from_key_id, r.started.to_key_id)}
        if body.kind is RotationKind.USER_KEY and body.to_key_id in used:
            raise TransitionError("a user key that a rotation has led to before is never used again")
        begun = Rotation(body, started_at=self.head.seq + 1, started_devices=seen_devices)
        return replace(self, rotations=(*self.rotations, begun))

    def _dues_without(self, kind: RotationKind) -> tuple[events.RotationDue, ...]:
        return tuple(due for due in self.dues if due.kind is not kind)

    def _with(self, rotation: Rotation) -> Self:
        return replace(self, rotations=(*self.rotations[:-1], rotation))

    def _require(self, rotation: RotationId, *phases: Phase) -> Rotation:
        if self.open is None or self.open.started.rotation != rotation or self.open.phase not in phases:
            raise TransitionError(f"{rotation} is not open and {' or '.join(phases)}")
        return self.open


def _check_left(started: events.RotationStarted, left: tuple[int, ...]) -> None:
    """Refuse left epochs of a user key change, one that is not older, and any order but the ascending."""
    if started.kind is RotationKind.USER_KEY and left:
        raise TransitionError("a user key change leaves no epoch")
    if any(epoch >= started.to_epoch for epoch in left) or list(left) != sorted(set(left)):
        raise TransitionError("the epochs that a re-key leaves are older ones, ascending, each once")
