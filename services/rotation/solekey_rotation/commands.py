"""What a client may ask of the rotation service: one command a statement. Spec: rotation.md §3."""

from dataclasses import dataclass

from solekey_protocol.errors import SchemaError
from solekey_protocol.events import rotation as said
from solekey_protocol.ids import KeyId
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import VaultStream


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Set how old the keys may become."""

    signed: SignedStatement
    body: said.PolicySet


@dataclass(frozen=True, slots=True)
class StartRotation:
    """Open a saga."""

    signed: SignedStatement
    body: said.RotationStarted


@dataclass(frozen=True, slots=True)
class VerifyRotation:
    """Say that the new wraps were read back and open."""

    signed: SignedStatement
    body: said.RotationVerified


@dataclass(frozen=True, slots=True)
class CommitRotation:
    """Say that the new key is in force."""

    signed: SignedStatement
    body: said.RotationCommitted


@dataclass(frozen=True, slots=True)
class CompleteRotation:
    """Close a saga: what the old key opened is retired."""

    signed: SignedStatement
    body: said.RotationCompleted


@dataclass(frozen=True, slots=True)
class AbortRotation:
    """Give a saga up."""

    signed: SignedStatement
    body: said.RotationAborted


Command = SetPolicy | StartRotation | VerifyRotation | CommitRotation | CompleteRotation | AbortRotation


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the account's other streams say."""

    key_id: KeyId | None
    """The account's user key (devices)."""
    vault: VaultStream
    """Epoch and live wraps."""


def parse_command(signed: SignedStatement) -> Command:
    """Find the command that a statement is. Raises SchemaError when it belongs to another stream."""
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
            raise SchemaError(f"{body.TYPE} does not belong to the rotation stream")
