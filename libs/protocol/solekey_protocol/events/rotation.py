"""Events of the ``rotation`` stream: policies and rotation sagas. Spec: events.md §4.4, rotation.md."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from solekey_protocol.events.body import Body, Signer, event
from solekey_protocol.events.fields import Bounds, Count, Days, Epoch, RotationKind
from solekey_protocol.ids import Digest, KeyId, RotationId, Timestamp
from solekey_protocol.limits import MAX_LEFT_EPOCHS
from solekey_protocol.services import Stream


class RotationReason(StrEnum):
    """Why a rotation was started."""

    REQUESTED = "requested"
    POLICY = "policy"
    REVOCATION = "revocation"


class AbortReason(StrEnum):
    """Why a rotation was given up before it was committed."""

    USER_REQUEST = "user_request"
    VERIFICATION_FAILED = "verification_failed"
    SUPERSEDED = "superseded"


class DueCause(StrEnum):
    """Why a rotation is due."""

    AGE = "age"
    REVOCATION = "revocation"


class Enforcement(StrEnum):
    """What a due rotation leads to: a reminder, or refused writes until it is completed."""

    ADVISORY = "advisory"
    ENFORCED = "enforced"


@event(Stream.ROTATION, "policy_set.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class PolicySet(Body):
    """How old the keys may become before a rotation is due, and whether writes then wait for it."""

    user_key_max_age_days: Days
    data_key_max_age_days: Days
    enforcement: Enforcement = Enforcement.ADVISORY


@event(Stream.ROTATION, "rotation_due.v1")
@dataclass(frozen=True, slots=True)
class RotationDue(Body):
    """A key is older than the policy allows, or was known to a revoked device; the service's own fact.

    ``enforcement`` is the operator's; it counts while the account has set no policy of its own.
    """

    kind: RotationKind
    since: Timestamp
    cause: DueCause = DueCause.AGE
    enforcement: Enforcement = Enforcement.ADVISORY


@event(Stream.ROTATION, "rotation_started.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class RotationStarted(Body):
    """Staged. A user key change keeps the epoch; a data re-key keeps the key id."""

    rotation: RotationId
    kind: RotationKind
    reason: RotationReason
    from_key_id: KeyId
    to_key_id: KeyId
    from_epoch: Epoch
    to_epoch: Epoch


@event(Stream.ROTATION, "rotation_verified.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class RotationVerified(Body):
    """The new wraps were read back, unwrapped and compared; ``wraps`` digests their sorted digests."""

    rotation: RotationId
    count: Count
    wraps: Digest


@event(Stream.ROTATION, "rotation_committed.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class RotationCommitted(Body):
    """The new key is the key; there is no way back.

    ``left_epochs`` are the older epochs under which live items were left, because they do not open.
    """

    rotation: RotationId
    left_epochs: Annotated[tuple[Epoch, ...], Bounds(0, MAX_LEFT_EPOCHS)]


@event(Stream.ROTATION, "rotation_completed.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class RotationCompleted(Body):
    """What the old key opened is retired."""

    rotation: RotationId


@event(Stream.ROTATION, "rotation_aborted.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class RotationAborted(Body):
    """Given up before it was committed; the old key stays the key."""

    rotation: RotationId
    reason: AbortReason
