"""What a revocation leaves to confirm and to rotate. Spec: lineage.md §4."""

from collections.abc import Sequence

from solekey_protocol.event import Event
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.streams import DevicesStream, RotationStream


def find_unconfirmed(devices: DevicesStream, seen_devices: int, events: Sequence[Event]) -> list[Event]:
    """Find the statements of revoked devices behind their revocation that nobody has confirmed since.

    Spec: lineage.md §4.

    Args:
        devices: the account's devices stream.
        seen_devices: how much of it the last author of the stream in question had seen.
        events: that stream's events, at least those that the authors of the revocations had not seen.
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
