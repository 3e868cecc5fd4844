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
from solekey_protocol.events import rotation as said
from solekey_protocol.events.body import Body, Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import AccountId, RotationId
from solekey_protocol.statements import Head
from solekey_protocol.streams.chain import Chain
from solekey_protocol.streams.devices import DevicesStream


class Phase(StrEnum):
    """How far the open rotation is."""

    STAGED = "staged"
    VERIFIED = "verified"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The open rotation."""

    started: said.RotationStarted
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStream:
    """The folded ``rotation`` stream of one account."""

    chain: Chain
    policy: said.PolicySet | None = None
    open: Rotation | None = None
    due: frozenset[RotationKind] = frozenset()
    completed: tuple[RotationId, ...] = ()

    @classmethod
    def start(cls, account: AccountId) -> Self:
        """The stream before its first event."""
        return cls(chain=Chain(account=account, stream=Stream.ROTATION))

    @property
    def head(self) -> Head:
        """The last event followed."""
        return self.chain.head

    def apply(self, event: Event, devices: DevicesStream) -> "RotationStream":
        """Verify that a trusted device said the next event (or that it is the service's fact), and follow it.

        Raises:
            SignatureError, UntrustedDeviceError, GapError, ForkError: see DevicesStream.verify_statement.
            ChainError, TransitionError: as ``evolve``.
        """
        if event.signed is not None:
            devices.verify_statement(event.signed)
        return self.evolve(event)

    def evolve(self, event: Event) -> "RotationStream":
        """Follow the next event without verifying signatures. Raises ChainError or TransitionError."""
        chain = self.chain.follow(event)
        return replace(self.transition(event.body), chain=chain)

    def transition(self, body: Body) -> "RotationStream":
        """What the stream is once ``body`` is said. Raises TransitionError when it may not be."""
        match body:
            case said.PolicySet():
                return replace(self, policy=body)
            case said.RotationDue(kind):
                return replace(self, due=self.due | {kind})
            case said.RotationStarted():
                return self._begin(body)
            case said.RotationVerified(rotation):
                return self._advance(rotation, Phase.STAGED, Phase.VERIFIED)
            case said.RotationCommitted(rotation):
                return self._advance(rotation, Phase.VERIFIED, Phase.COMMITTED)
            case said.RotationCompleted(rotation):
                done = self._require(rotation, Phase.COMMITTED)
                return replace(
                    self,
                    open=None,
                    due=self.due - {done.started.kind},
                    completed=(*self.completed, rotation),
                )
            case said.RotationAborted(rotation):
                self._require(rotation, Phase.STAGED, Phase.VERIFIED)
                return replace(self, open=None)
            case _:
                raise TransitionError(f"{body.TYPE} does not belong to the rotation stream")

    def _begin(self, body: said.RotationStarted) -> "RotationStream":
        if self.open is not None:
            raise TransitionError(f"{self.open.started.rotation} is open already")
        if body.rotation in self.completed:
            raise TransitionError(f"{body.rotation} was used before")
        same_key, same_epoch = body.from_key_id == body.to_key_id, body.from_epoch == body.to_epoch
        if body.kind is RotationKind.USER_KEY and (same_key or not same_epoch):
            raise TransitionError("a user key change has another key id and the same epoch")
        if body.kind is RotationKind.DATA_KEY and (not same_key or body.to_epoch != body.from_epoch + 1):
            raise TransitionError("a data re-key has the same key id and the next epoch")
        return replace(self, open=Rotation(body, Phase.STAGED))

    def _advance(self, rotation: RotationId, before: Phase, after: Phase) -> "RotationStream":
        return replace(self, open=replace(self._require(rotation, before), phase=after))

    def _require(self, rotation: RotationId, *phases: Phase) -> Rotation:
        if self.open is None or self.open.started.rotation != rotation or self.open.phase not in phases:
            raise TransitionError(f"{rotation} is not open and {' or '.join(phases)}")
        return self.open
