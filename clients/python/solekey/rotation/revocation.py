"""Revoking a device: trust ends, its sessions end, and what it knew is rotated away. Spec: rotation.md §5."""

from dataclasses import dataclass

from solekey.crypto import UserKey
from solekey.errors import NewUserKeyNeededError, UnknownDeviceError
from solekey.progress import Progress, ignore_progress
from solekey.rotation.leftovers import find_leftovers
from solekey.rotation.rotation import abort_rotation, change_user_key, rekey_data, resume_rotation
from solekey.vault.unlocked import UnlockedAccount
from solekey.vault.unreadable import UnreadableItem
from solekey.vault.vault import Vault
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.events.devices import DeviceRevoked, RevocationReason
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.events.rotation import AbortReason, RotationReason
from solekey_protocol.events.vault import CommitKind, ItemsCommitted
from solekey_protocol.ids import DeviceId, Timestamp
from solekey_protocol.lineage import find_owed
from solekey_protocol.statements import EMPTY_HEAD
from solekey_protocol.streams import DeviceStatus, Phase, Rotation


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a revocation has done, and what the device may still have.

    Attributes:
        device: the revoked device.
        was_trusted: whether it ever was trusted; a pending device has had no data key.
        known_epochs: the epochs whose data keys it may have kept: they open what was sealed before.
        exposed_items: how many items were live, at most, while it could read them: it may have copied them.
        exposed_versions: in how many versions, at most: those that were stored until then.
        trusted_since: since when it could read, by the operator's clock; None: it never could.
        revoked_on: until when.
        epoch: the epoch that everything is sealed under now; its key was never on that device.
        left: items that do not open and could not be re-encrypted: they stay under an epoch before it.
        confirmed: what the device said while it was being revoked, and what now counts.
    """

    device: DeviceId
    was_trusted: bool
    known_epochs: tuple[int, ...]
    exposed_items: int
    exposed_versions: int
    trusted_since: Timestamp | None
    revoked_on: Timestamp
    epoch: int
    left: tuple[UnreadableItem, ...] = ()
    confirmed: tuple[Event, ...] = ()

    def describe(self) -> str:
        """Say plainly what the device can and cannot do now."""
        if not self.was_trusted:
            return "The device was never trusted: it had no key. All its access is refused."
        stored = "anything that is stored now"
        if self.left:
            stored = f"what is stored now, except {len(self.left)} items that could not be re-encrypted"
        return (
            f"The device is refused everywhere, and no key that it had opens {stored}. "
            f"What it had read before, it may have kept: from {self.trusted_since} to {self.revoked_on} it "
            f"could read up to {self.exposed_items} items, in up to {self.exposed_versions} versions."
        )


def revoke_device(
    vault: Vault,
    device: DeviceId,
    new_user_key: UserKey | None,
    *,
    reason: RevocationReason = RevocationReason.LOST,
    progress: Progress = ignore_progress,
) -> Revocation:
    """Revoke a device for ever, change the user key and re-encrypt everything. Call it again to resume.

    Have the new user key's words written down before: it is in force when this returns.

    Args:
        vault: the unlocked vault.
        device: which device.
        new_user_key: the user key that comes into force; None where an earlier run has changed it already.
        reason: why.
        progress: told how far the re-encryption is.

    Raises:
        UnknownDeviceError: no such device, or this very device.
        NewUserKeyNeededError: none was given, and the change is not made yet; or resumed with another new
            user key than it was begun with.
    """
    unlocked = vault.unlocked
    unlocked.streams.sync()
    unlocked.index.catch_up()
    _verify_target(unlocked, device)

    def decide() -> DeviceRevoked | None:
        status = unlocked.streams.devices.devices[device].status
        return None if status is DeviceStatus.REVOKED else DeviceRevoked(device, reason)

    unlocked.say(decide)
    unlocked.streams.sync()
    confirmed = tuple(unlocked.streams.find_unconfirmed())
    revoked = unlocked.streams.devices.devices[device]
    _finish_open(vault, new_user_key, revoked.revoked_at or 0, progress)
    if RotationKind.USER_KEY in find_owed(revoked.revoked_at or 0, unlocked.streams.rotation):
        if new_user_key is None:
            raise NewUserKeyNeededError("the user key is not changed yet, and no new one was given")
        change_user_key(vault, new_user_key, reason=RotationReason.REVOCATION, progress=progress)
    if RotationKind.DATA_KEY in find_owed(revoked.revoked_at or 0, unlocked.streams.rotation):
        rekey_data(vault, reason=RotationReason.REVOCATION, progress=progress)
    return _report(unlocked, device, confirmed)


def _report(unlocked: UnlockedAccount, device: DeviceId, confirmed: tuple[Event, ...]) -> Revocation:
    """Report what the device may have read, from what was committed before it was revoked."""
    known = unlocked.streams.devices.devices[device]
    devices = unlocked.streams.events(Stream.DEVICES)
    revoked = devices[(known.revoked_at or 1) - 1]
    seen = revoked.signed.statement.heads.get(Stream.VAULT, EMPTY_HEAD).seq if revoked.signed else 0
    if known.trusted_at is None:
        seen = 0
    bodies = [event.body for event in unlocked.streams.events(Stream.VAULT)[:seen]]
    commits = [body for body in bodies if isinstance(body, ItemsCommitted) and body.kind is CommitKind.DELTA]
    versions = sum(body.count for body in commits)
    wraps = unlocked.streams.vault.wraps.values()
    return Revocation(
        device,
        known.trusted_at is not None,
        tuple(sorted({wrap.wrapped.epoch for wrap in wraps if wrap.since <= seen})),
        min(versions, len(unlocked.index.newest)),
        versions,
        devices[known.trusted_at - 1].time if known.trusted_at is not None else None,
        revoked.time,
        unlocked.streams.vault.epoch,
        find_leftovers(unlocked),
        confirmed,
    )


def _verify_target(unlocked: UnlockedAccount, device: DeviceId) -> None:
    if device == unlocked.connection.profile.device_key.device_id:
        raise UnknownDeviceError("a device cannot revoke itself: do it from another trusted device")
    if device not in unlocked.streams.devices.devices:
        raise UnknownDeviceError(f"{device} is no device of this account")


def needs_new_user_key(vault: Vault, device: DeviceId) -> bool:
    """Tell whether revoking a device has still to change the user key; not so where an earlier run has."""
    unlocked = vault.unlocked
    unlocked.streams.sync()
    known = unlocked.streams.devices.devices.get(device)
    if known is None or known.status is not DeviceStatus.REVOKED:
        return True
    rotation = unlocked.streams.rotation.open
    if rotation is not None and rotation.started.kind is RotationKind.USER_KEY:
        return unlocked.streams.devices.key_id != rotation.started.to_key_id
    return RotationKind.USER_KEY in find_owed(known.revoked_at or 0, unlocked.streams.rotation)


def _finish_open(vault: Vault, new_user_key: UserKey | None, revoked_at: int, progress: Progress) -> None:
    """Finish the rotation that is open, or give it up.

    Given up are a user key change to a key that nobody here knows, and a re-key whose data key the revoked
    device may know, since whoever began it did not know of the revocation.
    """
    unlocked = vault.unlocked
    rotation = unlocked.streams.rotation.open
    if rotation is None:
        return
    started = rotation.started
    in_force = unlocked.streams.devices.key_id == started.to_key_id
    known = _was_begun_knowing(unlocked, rotation, revoked_at)
    if started.kind is RotationKind.DATA_KEY and rotation.phase is not Phase.COMMITTED and not known:
        abort_rotation(vault, AbortReason.SUPERSEDED)
    elif in_force or started.kind is RotationKind.DATA_KEY:
        resume_rotation(vault, progress=progress)
    elif new_user_key is not None and new_user_key.derive_key_id(unlocked.account) == started.to_key_id:
        copy = UserKey(new_user_key.expose())
        resume_rotation(vault, copy, progress=progress)
    else:
        abort_rotation(vault, AbortReason.SUPERSEDED)


def _was_begun_knowing(unlocked: UnlockedAccount, rotation: Rotation, revoked_at: int) -> bool:
    """Whether who began a rotation knew of the revocation."""
    signed = unlocked.streams.events(Stream.ROTATION)[rotation.started_at - 1].signed
    return signed is not None and signed.statement.heads.get(Stream.DEVICES, EMPTY_HEAD).seq >= revoked_at
