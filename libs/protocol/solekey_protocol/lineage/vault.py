"""What statements of the vault stream need of the others. Spec: lineage.md §3.4."""

from solekey_protocol.errors import LineageError
from solekey_protocol.events import vault as vault_events
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.lineage.account import Account, find_seen
from solekey_protocol.services import Stream
from solekey_protocol.statements import Statement
from solekey_protocol.streams import Outcome, Phase, Rotation, RotationStream, VaultStream, WrapRecord


def verify_wrap(body: vault_events.KeyWrapped, statement: Statement, account: Account) -> None:
    """A wrap is under the account's user key or the open change's; only a staged re-key begins an epoch."""
    seen_devices = find_seen(statement, Stream.DEVICES)
    current = account.devices.key_at(seen_devices)
    rotation = account.rotation.open_at(find_seen(statement, Stream.ROTATION))
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
    if account.vault.epoch and not _is_staged_rekey(rotation, body, find_seen(statement, Stream.ROTATION)):
        raise LineageError("key_not_current", f"no staged data re-key leads to epoch {body.epoch}")


def _is_staged_rekey(rotation: Rotation | None, body: vault_events.KeyWrapped, seq: int) -> bool:
    return (
        rotation is not None
        and rotation.started.kind is RotationKind.DATA_KEY
        and rotation.started.to_epoch == body.epoch
        and rotation.started.rotation == body.rotation
        and rotation.phase_at(seq) is Phase.STAGED
    )


def verify_reencryption(body: vault_events.ItemsCommitted, statement: Statement, account: Account) -> None:
    """Items are re-encrypted for a re-key, while there is something to re-encrypt."""
    seen = find_seen(statement, Stream.ROTATION)
    if not may_reencrypt(account.vault, account.rotation, body.epoch, seen):
        raise LineageError("rotation_incomplete", f"no re-key has anything to re-encrypt under {body.epoch}")


def may_reencrypt(vault: VaultStream, rotation: RotationStream, epoch: int, seq: int) -> bool:
    """Whether items may be re-encrypted under an epoch by who has seen so much of ``rotation``.

    They may while the re-key that began the epoch is verified, and for what it has left, while that lives.
    """
    began = vault.epoch_rotations.get(epoch)
    rekey = None if began is None else rotation.find(began)
    if rekey is None or not rekey.is_verified_at(seq) or rekey.is_aborted_at(seq):
        return False
    live = {wrap.wrapped.epoch for wrap in vault.live_wraps()}
    return not rekey.is_committed_at(seq) or not live.isdisjoint(rekey.left_epochs)


def verify_retirement(body: vault_events.WrapRetired, statement: Statement, account: Account) -> None:
    """A wrap goes only when its user key is decided against, or its epoch was re-encrypted away."""
    wrap = account.vault.wraps.get((body.secret, body.epoch, body.wrap_version))
    if wrap is None:
        return  # the stream's own rule refuses it
    key_id, seen_devices = wrap.wrapped.key_id, find_seen(statement, Stream.DEVICES)
    seen_rotation = find_seen(statement, Stream.ROTATION)
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
