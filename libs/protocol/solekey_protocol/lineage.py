"""The rules that tie an account's streams together. Spec: lineage.md.

A statement is judged by what its author had seen: every rule is evaluated at the heads that the statement
claims, so that a service before it takes a statement, a client before it believes an event, and an auditor
who replays the log come to the same answer. Nothing depends on how far somebody happens to have followed.
What is irrevocable is decided by one event in one stream, which every later step cites by its heads:

::

    a user key takes over, or never will    devices    AccountKeyChanged or KeyChangeAbandoned
    a data key takes over, or never will    rotation   RotationCommitted or RotationAborted
    a device speaks no more                 devices    DeviceRevoked
    a wrap is not needed any more           vault      WrapRetired, citing one of the first two

Pure: no clock, no I/O, no key. The folds must have followed at least to the claimed heads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from solekey_protocol.errors import GapError, LineageError
from solekey_protocol.event import Event
from solekey_protocol.events import devices as device_events
from solekey_protocol.events import rotation as rotation_events
from solekey_protocol.events import vault as vault_events
from solekey_protocol.events.body import Body
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.services import Stream
from solekey_protocol.statements import EMPTY_HEAD, SignedStatement, Statement
from solekey_protocol.streams import (
    DevicesStream,
    Outcome,
    Phase,
    Rotation,
    RotationStream,
    VaultStream,
    WrapRecord,
    derive_wraps_digest,
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account's signed streams, each followed at least as far as the statements in question claim."""

    devices: DevicesStream
    vault: VaultStream
    rotation: RotationStream

    def before(self, stream: DevicesStream | VaultStream | RotationStream) -> "Account":
        """This account with one stream as it was before the statement in question."""
        match stream:
            case DevicesStream():
                return replace(self, devices=stream)
            case VaultStream():
                return replace(self, vault=stream)
            case _:
                return replace(self, rotation=stream)


def verify_lineage(signed: SignedStatement, account: Account) -> Statement:
    """Verify what a statement needs of the other streams, at the heads that it claims. Spec: lineage.md §3.

    The statement's own stream must stand where the statement continues it.

    Raises:
        GapError: a claimed head is ahead of what was followed.
        LineageError: a rule is broken; its ``code`` says which.
    """
    statement = signed.statement
    for stream, head in statement.heads.items():
        known = _followed(account, stream)
        if known is not None and head.seq > known:
            raise GapError(f"the statement saw {stream} seq {head.seq}; only {known} followed here")
    rule = _RULES.get(type(statement.body))
    if rule is not None:
        rule(statement, account)
    return statement


def find_unconfirmed(devices: DevicesStream, seen_devices: int, events: Sequence[Event]) -> list[Event]:
    """Find what revoked devices said in a stream behind their revocation, and nobody has confirmed since.

    Spec: lineage.md §4.

    Args:
        devices: the account's devices stream.
        seen_devices: how much of it the last author of the stream in question had seen.
        events: that stream's events, from its first.
    """
    return [
        event
        for device in devices.devices.values()
        if device.revoked_at is not None and seen_devices < device.revoked_at
        for event in events
        if event.signed is not None
        and event.signed.statement.device == device.certificate.device
        and devices.is_behind_revocation(event.signed)
    ]


def find_owed(revoked_at: int, rotation: RotationStream) -> frozenset[RotationKind]:
    """Find which rotations the revocation of a device that had the keys still lacks. Spec: lineage.md §4.

    A user key change counts that was started in knowledge of the revocation; a re-key, only after that
    change: before it, the new data key is wrapped under a user key that the device knows.

    Args:
        revoked_at: the position of the revocation in ``devices``.
        rotation: the account's rotation stream.
    """
    changed_at = min(
        (
            each.completed_at
            for each in rotation.rotations
            if each.started.kind is RotationKind.USER_KEY
            and each.completed_at is not None
            and each.started_devices >= revoked_at
        ),
        default=None,
    )
    if changed_at is None:
        return frozenset(RotationKind)
    rekeyed = any(
        each.started.kind is RotationKind.DATA_KEY
        and each.completed_at is not None
        and each.started_at > changed_at
        for each in rotation.rotations
    )
    return frozenset() if rekeyed else frozenset({RotationKind.DATA_KEY})


def is_tied(body: Body) -> bool:
    """Whether a body of this type needs something of the other streams."""
    return type(body) in _RULES


def find_new_wraps(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find, among live wraps, those that a rotation has made: what must be read back."""
    made = [wrap for wrap in live if wrap.wrapped.key_id == started.to_key_id]
    if started.kind is RotationKind.USER_KEY:
        return made
    return [wrap for wrap in made if wrap.wrapped.epoch == started.to_epoch]


def find_old_wraps(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find, among live wraps, those that a rotation makes superfluous once it is decided."""
    if started.kind is RotationKind.USER_KEY:
        return [wrap for wrap in live if wrap.wrapped.key_id != started.to_key_id]
    return [wrap for wrap in live if wrap.wrapped.epoch < started.to_epoch]


def find_unwrapped(started: rotation_events.RotationStarted, live: Sequence[WrapRecord]) -> list[WrapRecord]:
    """Find the live wraps of secrets that a user key change has not wrapped under the new key yet."""
    done = {(wrap.wrapped.secret, wrap.wrapped.epoch) for wrap in find_new_wraps(started, live)}
    return [wrap for wrap in live if (wrap.wrapped.secret, wrap.wrapped.epoch) not in done]


def _followed(account: Account, stream: Stream) -> int | None:
    match stream:
        case Stream.DEVICES:
            return account.devices.head.seq
        case Stream.VAULT:
            return account.vault.head.seq
        case Stream.ROTATION:
            return account.rotation.head.seq
        case _:
            return None


def _seen(statement: Statement, stream: Stream) -> int:
    """How much of a stream the author had seen; of its own stream: all before the statement."""
    if stream is statement.stream:
        return statement.seq - 1
    return statement.heads.get(stream, EMPTY_HEAD).seq


# -- devices ------------------------------------------------------------------------------------------------


def _verify_key_change(statement: Statement, account: Account) -> None:
    """A user key takes over only once its wraps were read back, and nothing was left out."""
    body = statement.body
    assert isinstance(body, device_events.AccountKeyChanged)  # noqa: S101  # _RULES calls it for no other
    rotation = _require_key_change(statement, account, body.rotation, body.key_id)
    if not rotation.is_verified_at(_seen(statement, Stream.ROTATION)):
        raise LineageError("rotation_incomplete", "the new wraps were not verified")
    current = account.devices.key_at(_seen(statement, Stream.DEVICES))
    if current is None or rotation.started.from_key_id != current.key_id:
        raise LineageError("stale_heads", "the rotation leads away from another user key")
    live = account.vault.live_wraps(seq=_seen(statement, Stream.VAULT))
    _refuse_left("have no successor under the new user key", find_unwrapped(rotation.started, live))
    _verify_same_wraps(rotation, find_new_wraps(rotation.started, live))


def _verify_abandonment(statement: Statement, account: Account) -> None:
    """Only a user key change that is open can be abandoned."""
    body = statement.body
    assert isinstance(body, device_events.KeyChangeAbandoned)  # noqa: S101
    _require_key_change(statement, account, body.rotation, body.key_id)


def _require_key_change(statement: Statement, account: Account, rotation: str, key_id: str) -> Rotation:
    found = account.rotation.open_at(_seen(statement, Stream.ROTATION))
    if found is None or found.started.rotation != rotation or found.started.kind is not RotationKind.USER_KEY:
        raise LineageError("rotation_incomplete", f"{rotation} is no open change of the user key")
    if found.started.to_key_id != key_id:
        raise LineageError("rotation_incomplete", f"{rotation} leads to another user key")
    return found


# -- vault --------------------------------------------------------------------------------------------------


def _verify_wrap(statement: Statement, account: Account) -> None:
    """A wrap is under the account's user key or the open change's; only a staged re-key begins an epoch."""
    body = statement.body
    assert isinstance(body, vault_events.KeyWrapped)  # noqa: S101
    seen_devices = _seen(statement, Stream.DEVICES)
    current = account.devices.key_at(seen_devices)
    rotation = account.rotation.open_at(_seen(statement, Stream.ROTATION))
    leads_there = (
        rotation is not None
        and rotation.started.kind is RotationKind.USER_KEY
        and rotation.started.to_key_id == body.key_id
        and account.devices.decision_at(rotation.started.rotation, seen_devices) is not Outcome.ABANDONED
    )
    if current is None or (body.key_id != current.key_id and not leads_there):
        raise LineageError("key_not_current", "the user key is neither the account's nor being changed to")
    expected = None if rotation is None else rotation.started.rotation
    if body.rotation is not None and body.rotation != expected:
        raise LineageError("key_not_current", f"{body.rotation} is not the open rotation")
    if body.key_id != current.key_id and body.rotation is None:
        raise LineageError("key_not_current", "a wrap under the next user key names its rotation")
    if body.epoch <= account.vault.epoch:
        return
    if body.key_id != current.key_id:
        raise LineageError("key_not_current", "a new data key is wrapped under the account's user key")
    if account.vault.epoch and not _is_staged_rekey(rotation, body, _seen(statement, Stream.ROTATION)):
        raise LineageError("key_not_current", f"no staged data re-key leads to epoch {body.epoch}")


def _is_staged_rekey(rotation: Rotation | None, body: vault_events.KeyWrapped, seq: int) -> bool:
    return (
        rotation is not None
        and rotation.started.kind is RotationKind.DATA_KEY
        and rotation.started.to_epoch == body.epoch
        and rotation.started.rotation == body.rotation
        and rotation.phase_at(seq) is Phase.STAGED
    )


def _verify_retirement(statement: Statement, account: Account) -> None:
    """A wrap goes only when its user key is decided against, or its epoch was re-encrypted away."""
    body = statement.body
    assert isinstance(body, vault_events.WrapRetired)  # noqa: S101
    wrap = account.vault.wraps.get((body.secret, body.epoch, body.wrap_version))
    if wrap is None:
        return  # the stream's own rule refuses it
    key_id, seen_devices = wrap.wrapped.key_id, _seen(statement, Stream.DEVICES)
    seen_rotation = _seen(statement, Stream.ROTATION)
    if account.devices.was_abandoned_at(key_id, seen_devices):
        return
    if _was_rekeyed_away(account, body.epoch, seen_rotation):
        return
    if not account.devices.was_replaced_at(key_id, seen_devices):
        raise LineageError("wrap_in_use", "its user key was neither replaced nor abandoned")
    current = account.devices.key_at(seen_devices)
    successors = [
        other
        for other in account.vault.live_wraps(current.key_id if current else None)
        if (other.wrapped.secret, other.wrapped.epoch) == (body.secret, body.epoch)
        and _was_shown_to_open(other, account.rotation, seen_rotation)
    ]
    if not successors:
        raise LineageError("wrap_in_use", "no wrap under the account's user key was shown to open")


def _was_shown_to_open(wrap: WrapRecord, rotation: RotationStream, seq: int) -> bool:
    """Whether a wrap was read back, opened and compared: by a verified rotation, or as a repair.

    A repair names no rotation; who signs it has both keys, and reads it back before the old wrap goes.
    """
    repairs = wrap.wrapped.rotation is None and wrap.wrapped.wrap_version > 1
    return repairs or any(each.is_verified_at(seq) and each.proves(wrap) for each in rotation.rotations)


def _was_rekeyed_away(account: Account, epoch: int, seq: int) -> bool:
    """Whether the newest committed re-key led past an epoch, and nothing is left under it.

    What a re-key could not open it names as left; a later snapshot may state that it is settled.
    """
    newest = next(
        (
            rotation
            for rotation in reversed(account.rotation.rotations)
            if rotation.started.kind is RotationKind.DATA_KEY and rotation.is_committed_at(seq)
        ),
        None,
    )
    if newest is None or epoch >= newest.started.to_epoch:
        return False
    settled = account.vault.last_snapshot_at > newest.committed_vault
    return epoch not in newest.left_epochs or settled


# -- rotation -----------------------------------------------------------------------------------------------


def _verify_start(statement: Statement, account: Account) -> None:
    """A rotation leads away from the account's user key and the newest epoch, and never to a known key."""
    body = statement.body
    assert isinstance(body, rotation_events.RotationStarted)  # noqa: S101
    seen_devices = _seen(statement, Stream.DEVICES)
    current = account.devices.key_at(seen_devices)
    epoch = account.vault.epoch_at(_seen(statement, Stream.VAULT))
    if current is None or body.from_key_id != current.key_id or body.from_epoch != epoch:
        raise LineageError("stale_heads", "a rotation starts from the account's user key and newest epoch")
    if body.kind is RotationKind.USER_KEY and (
        account.devices.was_replaced_at(body.to_key_id, seen_devices)
        or account.devices.was_abandoned_at(body.to_key_id, seen_devices)
    ):
        raise LineageError("key_not_current", "the new user key was the account's before, or abandoned")


def _verify_verification(statement: Statement, account: Account) -> None:
    """What was read back is exactly what the rotation has made, and nothing was forgotten."""
    body = statement.body
    assert isinstance(body, rotation_events.RotationVerified)  # noqa: S101
    rotation = _require_open(account, body.rotation)
    live = account.vault.live_wraps(seq=_seen(statement, Stream.VAULT))
    if rotation.started.kind is RotationKind.USER_KEY:
        _refuse_left("have no successor under the new user key", find_unwrapped(rotation.started, live))
    else:
        _verify_began_by(rotation, account.vault)
    new = find_new_wraps(rotation.started, live)
    if not new:
        raise LineageError("rotation_incomplete", "the new key has no wrap yet")
    if (body.count, body.wraps) != (len(new), derive_wraps_digest(new)):
        raise LineageError("wraps_differ", f"{len(new)} new wraps are live; others were read back")


def _verify_commitment(statement: Statement, account: Account) -> None:
    """A user key change cites the decision in ``devices``; a re-key, a snapshot under the new epoch."""
    body = statement.body
    assert isinstance(body, rotation_events.RotationCommitted)  # noqa: S101
    rotation = _require_open(account, body.rotation)
    if rotation.started.kind is RotationKind.USER_KEY:
        _require_decision(statement, account, rotation, Outcome.TAKEN)
        return
    _verify_began_by(rotation, account.vault)
    snapshot_at = account.vault.first_snapshots.get(rotation.started.to_epoch)
    if snapshot_at is None or snapshot_at > _seen(statement, Stream.VAULT):
        raise LineageError("rotation_incomplete", "no snapshot follows the new epoch")


def _verify_completion(statement: Statement, account: Account) -> None:
    """A rotation ends when nothing that it made superfluous is live."""
    body = statement.body
    assert isinstance(body, rotation_events.RotationCompleted)  # noqa: S101
    rotation = _require_open(account, body.rotation)
    live = account.vault.live_wraps(seq=_seen(statement, Stream.VAULT))
    old = find_old_wraps(rotation.started, live)
    left = [wrap for wrap in old if wrap.wrapped.epoch not in rotation.left_epochs]
    _refuse_left("of the old key are not retired yet", left)


def _verify_abort(statement: Statement, account: Account) -> None:
    """A user key change is given up only after ``devices`` has decided so, and leaves no wrap behind."""
    body = statement.body
    assert isinstance(body, rotation_events.RotationAborted)  # noqa: S101
    rotation = _require_open(account, body.rotation)
    if rotation.started.kind is RotationKind.DATA_KEY:
        return
    _require_decision(statement, account, rotation, Outcome.ABANDONED)
    live = account.vault.live_wraps(rotation.started.to_key_id, seq=_seen(statement, Stream.VAULT))
    _refuse_left("of the new key are not taken back yet", live)


def _verify_began_by(rotation: Rotation, vault: VaultStream) -> None:
    """The epoch is this rotation's own: who began it for another one knows its data key."""
    first = vault.epoch_rotations.get(rotation.started.to_epoch)
    if first != rotation.started.rotation:
        raise LineageError("rotation_incomplete", "the new epoch was begun by another rotation, or not yet")


def _require_open(account: Account, rotation: str) -> Rotation:
    current = account.rotation.open
    if current is None or current.started.rotation != rotation:
        raise LineageError("rotation_incomplete", f"{rotation} is not open")
    return current


def _require_decision(statement: Statement, account: Account, rotation: Rotation, needed: Outcome) -> None:
    decided = account.devices.decision_at(rotation.started.rotation, _seen(statement, Stream.DEVICES))
    if decided is Outcome.TAKEN and needed is Outcome.ABANDONED:
        raise LineageError("rotation_irrevocable", "the new user key has taken over: resume the rotation")
    if decided is not needed:
        raise LineageError("rotation_incomplete", f"the devices stream does not say that it is {needed}")


def _verify_same_wraps(rotation: Rotation, live: Sequence[WrapRecord]) -> None:
    verified = rotation.verified
    if verified is None or (verified.count, verified.wraps) != (len(live), derive_wraps_digest(live)):
        raise LineageError("wraps_differ", "other wraps are live under the new key than were verified")


def _refuse_left(what: str, wraps: Sequence[WrapRecord]) -> None:
    if wraps:
        places = tuple(
            (wrap.wrapped.secret.value, wrap.wrapped.epoch, wrap.wrapped.wrap_version) for wrap in wraps
        )
        raise LineageError("rotation_incomplete", f"{len(wraps)} wraps {what}", wraps=places)


_RULES: Final[dict[type[Body], Callable[[Statement, Account], None]]] = {
    device_events.AccountKeyChanged: _verify_key_change,
    device_events.KeyChangeAbandoned: _verify_abandonment,
    vault_events.KeyWrapped: _verify_wrap,
    vault_events.WrapRetired: _verify_retirement,
    rotation_events.RotationStarted: _verify_start,
    rotation_events.RotationVerified: _verify_verification,
    rotation_events.RotationCommitted: _verify_commitment,
    rotation_events.RotationCompleted: _verify_completion,
    rotation_events.RotationAborted: _verify_abort,
}
