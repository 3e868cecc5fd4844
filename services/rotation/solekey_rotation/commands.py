"""What may be asked of the rotation service: one command a statement, and one of its own timer.

Spec: rotation.md §3.
"""

from dataclasses import dataclass
from datetime import datetime

from solekey_protocol.errors import SchemaError
from solekey_protocol.events import rotation as said
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import KeyId
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import VaultStream


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Say how old the keys may become."""

    signed: SignedStatement
    body: said.PolicySet


@dataclass(frozen=True, slots=True)
class StartRotation:
    """Open a rotation."""

    signed: SignedStatement
    body: said.RotationStarted


@dataclass(frozen=True, slots=True)
class VerifyRotation:
    """State that the new wraps were read back, unwrapped and compared."""

    signed: SignedStatement
    body: said.RotationVerified


@dataclass(frozen=True, slots=True)
class CommitRotation:
    """State that the new key is the key."""

    signed: SignedStatement
    body: said.RotationCommitted


@dataclass(frozen=True, slots=True)
class CompleteRotation:
    """State that what the old key opened is retired."""

    signed: SignedStatement
    body: said.RotationCompleted


@dataclass(frozen=True, slots=True)
class AbortRotation:
    """Give up, while the old key is the key."""

    signed: SignedStatement
    body: said.RotationAborted


Command = SetPolicy | StartRotation | VerifyRotation | CommitRotation | CompleteRotation | AbortRotation


@dataclass(frozen=True, slots=True)
class AnnounceDue:
    """Say that a key is older than the policy allows; the service's own timer asks."""

    kind: RotationKind
    made_at: datetime
    """When the key came into being."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the account's other streams say."""

    key_id: KeyId | None
    """The account's user key (devices)."""
    vault: VaultStream


def parse_command(signed: SignedStatement) -> Command:
    """Find the command that a statement is.

    Raises:
        SchemaError: the statement belongs to another stream.
    """
    match signed.statement.body:
        case said.PolicySet() as body:
            return SetPolicy(signed, body)
        case said.RotationStarted() as body:
            return StartRotation(signed, body)
        case said.RotationVerified() as body:
            return VerifyRotation(signed, body)
        case said.RotationCommitted() as body:
            return CommitRotation(signed, body)
        case said.RotationCompleted() as body:
            return CompleteRotation(signed, body)
        case said.RotationAborted() as body:
            return AbortRotation(signed, body)
        case body:
            raise SchemaError(f"{body.TYPE} does not belong to the rotation stream, or is not a client's")
