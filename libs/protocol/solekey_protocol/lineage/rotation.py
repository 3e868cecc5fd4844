"""What statements of the rotation stream need of the others. Spec: lineage.md §3.2, §3.3."""

from solekey_protocol.errors import LineageError
from solekey_protocol.events import rotation as rotation_events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage.account import Account, find_seen
from solekey_protocol.lineage.wraps import find_new_wraps, find_old_wraps, find_unwrapped, refuse_left
from solekey_protocol.services import Stream
from solekey_protocol.statements import Statement
from solekey_protocol.streams import Outcome, Rotation, VaultStream, derive_wraps_digest


def verify_start(body: rotation_events.RotationStarted, statement: Statement, account: Account) -> None:
    """A rotation leads away from the account's user key and the newest epoch, and never to a known key."""
    seen_devices = find_seen(statement, Stream.DEVICES)
    current = account.devices.key_at(seen_devices)
    epoch = account.vault.epoch_at(find_seen(statement, Stream.VAULT))
    if current is None or body.from_key_id != current.key_id or body.from_epoch != epoch:
        raise LineageError("stale_heads", "a rotation starts from the account's user key and newest epoch")
    if body.kind is RotationKind.USER_KEY and (
        account.devices.was_replaced_at(body.to_key_id, seen_devices)
        or account.devices.was_abandoned_at(body.to_key_id, seen_devices)
    ):
        raise LineageError("key_not_current", "the new user key was the account's before, or abandoned")


def verify_verification(
    body: rotation_events.RotationVerified, statement: Statement, account: Account
) -> None:
    """What was read back is exactly what the rotation has made, and nothing is missing."""
    rotation = _require_open(account, body.rotation)
    live = account.vault.live_wraps(seq=find_seen(statement, Stream.VAULT))
    if rotation.started.kind is RotationKind.USER_KEY:
        refuse_left("have no successor under the new user key", find_unwrapped(rotation.started, live))
    else:
        _verify_began_by(rotation, account.vault)
    new = find_new_wraps(rotation.started, live)
    if not new:
        raise LineageError("rotation_incomplete", "the new key has no wrap yet")
    if (body.count, body.wraps) != (len(new), derive_wraps_digest(new)):
        raise LineageError("wraps_differ", f"{len(new)} new wraps are live; others were read back")


def verify_commitment(
    body: rotation_events.RotationCommitted, statement: Statement, account: Account
) -> None:
    """A user key change cites the decision in ``devices``; a re-key, a snapshot under the new epoch."""
    rotation = _require_open(account, body.rotation)
    if rotation.started.kind is RotationKind.USER_KEY:
        _require_decision(statement, account, rotation, Outcome.TAKEN)
        return
    _verify_began_by(rotation, account.vault)
    snapshot_at = account.vault.first_snapshots.get(rotation.started.to_epoch)
    if snapshot_at is None or snapshot_at > find_seen(statement, Stream.VAULT):
        raise LineageError("rotation_incomplete", "no snapshot follows the new epoch")
    live = account.vault.live_wraps(seq=find_seen(statement, Stream.VAULT))
    if retired := sorted(set(body.left_epochs) - {wrap.wrapped.epoch for wrap in live}):
        raise LineageError("rotation_incomplete", f"no wrap of epochs {retired} is live: nothing is left")


def verify_completion(
    body: rotation_events.RotationCompleted, statement: Statement, account: Account
) -> None:
    """A rotation ends when nothing that it made superfluous is live."""
    rotation = _require_open(account, body.rotation)
    live = account.vault.live_wraps(seq=find_seen(statement, Stream.VAULT))
    old = find_old_wraps(rotation.started, live)
    left = [wrap for wrap in old if wrap.wrapped.epoch not in rotation.left_epochs]
    refuse_left("of the old key are not retired yet", left)


def verify_abort(body: rotation_events.RotationAborted, statement: Statement, account: Account) -> None:
    """A user key change is given up only after ``devices`` has decided so, and leaves no wrap behind."""
    rotation = _require_open(account, body.rotation)
    if rotation.started.kind is RotationKind.DATA_KEY:
        return
    _require_decision(statement, account, rotation, Outcome.ABANDONED)
    live = account.vault.live_wraps(rotation.started.to_key_id, seq=find_seen(statement, Stream.VAULT))
    refuse_left("of the new key are not taken back yet", live)


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
    decided = account.devices.decision_at(rotation.started.rotation, find_seen(statement, Stream.DEVICES))
    if decided is Outcome.TAKEN and needed is Outcome.ABANDONED:
        raise LineageError("rotation_irrevocable", "the new user key has taken over: resume the rotation")
    if decided is not needed:
        raise LineageError("rotation_incomplete", f"the devices stream does not say that it is {needed}")
