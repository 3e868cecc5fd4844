"""Decides what may be said in the rotation stream; the state is the protocol's own fold. Spec: rotation.md §3.

Pure: no clock, no storage, no network. ``RotationStream`` holds the saga's phases, which the auditor checks
too; added here is what a step asks of the other streams: no step is said before what it states is so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from solekey_protocol.encoding import Json
from solekey_protocol.events import rotation as said
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.ids import Timestamp, compute_digest
from solekey_protocol.statements import SignedStatement
from solekey_protocol.streams import LiveWrap, RotationStream, VaultStream
from solekey_rotation.commands import (
    AbortRotation,
    AnnounceDue,
    Command,
    CommitRotation,
    CompleteRotation,
    SetPolicy,
    StartRotation,
    Surroundings,
    VerifyRotation,
)
from solekey_rotation.refusals import RotationIncomplete, RotationIrrevocable, RotationOpen, RotationStale


@dataclass(frozen=True, slots=True)
class MaxAges:
    """How old the keys may become."""

    user_key: timedelta
    data_key: timedelta

    @classmethod
    def of_days(cls, user_key: int, data_key: int) -> Self:
        """Build from days."""
        return cls(timedelta(days=user_key), timedelta(days=data_key))

    def of(self, kind: RotationKind) -> timedelta:
        """The age of one kind of key."""
        return self.user_key if kind is RotationKind.USER_KEY else self.data_key


def decide(state: RotationStream, command: Command, around: Surroundings) -> list[SignedStatement]:
    """Decide what a command adds to the stream: its statement, once everything about it holds.

    The statement's signature and its device's trust were verified before (conventions.md §4).

    Raises:
        RotationOpen, RotationStale, RotationIncomplete, RotationIrrevocable: see refusals.
        TransitionError: not the step that follows (RotationStream.transition).
    """
    if isinstance(command, StartRotation):
        _verify_start(state, command.body, around)
    state.transition(command.body)
    if state.open is None or isinstance(command, SetPolicy | StartRotation):
        return [command.signed]
    started = state.open.started
    match command:
        case VerifyRotation(body=body):
            _verify_wraps(started, body, around.vault)
        case CommitRotation():
            _verify_in_force(started, around)
        case CompleteRotation():
            _verify_retired(started, around.vault)
        case AbortRotation():
            _verify_way_back(started, around)
    return [command.signed]


def decide_due(
    state: RotationStream, command: AnnounceDue, defaults: MaxAges, now: datetime
) -> list[said.RotationDue]:
    """Decide whether a key's age is announced: once, until a rotation of its kind is completed."""
    due_at = derive_due_at(state, command, defaults)
    if command.kind in state.due or now < due_at:
        return []
    return [said.RotationDue(command.kind, Timestamp.from_datetime(due_at))]


def derive_due_at(state: RotationStream, command: AnnounceDue, defaults: MaxAges) -> datetime:
    """Derive since when a key is older than the account's policy allows, or without one the defaults."""
    return command.made_at + (derive_max_ages(state.policy) or defaults).of(command.kind)


def derive_max_ages(policy: said.PolicySet | None) -> MaxAges | None:
    """Derive the ages that an account's policy allows."""
    if policy is None:
        return None
    return MaxAges.of_days(policy.user_key_max_age_days, policy.data_key_max_age_days)


def find_new_wraps(started: said.RotationStarted, vault: VaultStream) -> list[LiveWrap]:
    """Find the wraps that a rotation has made: those under the key, and of the epoch, that it leads to."""
    wraps = vault.live_wraps(started.to_key_id)
    if started.kind is RotationKind.DATA_KEY:
        return [wrap for wrap in wraps if wrap.wrapped.epoch == started.to_epoch]
    return wraps


def find_old_wraps(started: said.RotationStarted, vault: VaultStream) -> list[LiveWrap]:
    """Find the live wraps that a rotation makes superfluous."""
    if started.kind is RotationKind.USER_KEY:
        return vault.live_wraps(started.from_key_id)
    return [wrap for wrap in vault.live_wraps() if wrap.wrapped.epoch <= started.from_epoch]


def _verify_start(state: RotationStream, body: said.RotationStarted, around: Surroundings) -> None:
    if state.open is not None:
        rotation = state.open.started.rotation
        raise RotationOpen(f"{rotation} is open: resume or abort it", extras={"rotation": str(rotation)})
    if (body.from_key_id, body.from_epoch) != (around.key_id, around.vault.epoch):
        raise RotationStale(
            "the rotation must start from the account's present key id and epoch",
            extras={"key_id": around.key_id and str(around.key_id), "epoch": around.vault.epoch},
        )


def _verify_wraps(started: said.RotationStarted, body: said.RotationVerified, vault: VaultStream) -> None:
    """Verify that nothing is left to wrap, and that what was read back is what the vault has (promise P3)."""
    made = find_new_wraps(started, vault)
    done = {(wrap.wrapped.secret, wrap.wrapped.epoch) for wrap in made}
    missing = [wrap for wrap in find_old_wraps(started, vault) if _place(wrap) not in done]
    if started.kind is RotationKind.USER_KEY and missing:
        raise RotationIncomplete(
            "a live secret has no wrap under the new user key", extras={"wraps": _describe(missing)}
        )
    if not made:
        raise RotationIncomplete("there is no wrap of the new data key")
    digest = compute_digest(b"".join(sorted(bytes.fromhex(wrap.wrapped.wrap) for wrap in made)))
    if (body.count, body.wraps) != (len(made), digest):
        raise RotationIncomplete("the wraps that were verified are not those that the vault has")


def _verify_in_force(started: said.RotationStarted, around: Surroundings) -> None:
    if not _is_in_force(started, around):
        raise RotationIncomplete("the account's present key is not yet the new one")


def _verify_retired(started: said.RotationStarted, vault: VaultStream) -> None:
    if old := find_old_wraps(started, vault):
        raise RotationIncomplete("wraps of the old key are live: retire them", extras={"wraps": _describe(old)})


def _verify_way_back(started: said.RotationStarted, around: Surroundings) -> None:
    if _is_in_force(started, around):
        raise RotationIrrevocable("the new key is in force: resume the rotation")
    staged = around.vault.live_wraps(started.to_key_id)
    if started.kind is RotationKind.USER_KEY and staged:
        raise RotationIncomplete(
            "wraps under the new user key are live: retire them", extras={"wraps": _describe(staged)}
        )


def _is_in_force(started: said.RotationStarted, around: Surroundings) -> bool:
    """Whether the new key is the account's: the user key by the devices stream, the data key by its epoch."""
    if started.kind is RotationKind.USER_KEY:
        return around.key_id == started.to_key_id
    return around.vault.epoch >= started.to_epoch


def _place(wrap: LiveWrap) -> tuple[str, int]:
    return wrap.wrapped.secret, wrap.wrapped.epoch


def _describe(wraps: Sequence[LiveWrap]) -> list[Json]:
    return [
        {
            "secret": wrap.wrapped.secret.value,
            "epoch": wrap.wrapped.epoch,
            "wrap_version": wrap.wrapped.wrap_version,
        }
        for wrap in wraps
    ]
