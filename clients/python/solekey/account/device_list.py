"""The list of devices: what this device has verified of each, and apart from it what the server says.

::

    verified    id, key, platform, name (the device's own words, by its signed commitment), standing, who
                certified and who revoked it
    stated      dates and the day of the last visit: the server's clock and memory, which nobody signs

Spec: devices.md §2, §4, §5.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from solekey.account.device_names import DeviceName, parse_name
from solekey.crypto.device_key import compute_thumbprint
from solekey.errors import DeviceNameUncertainError, UnknownDeviceError
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.devices import DeviceCertificate, DeviceRevoked, RevocationReason
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import DeviceId, Timestamp
from solekey_protocol.streams import DevicesStream, DeviceStatus
from solekey_protocol.streams.devices import Device

RIGHTS: Final[Mapping[DeviceStatus, tuple[str, ...]]] = {
    DeviceStatus.PENDING: ("follow",),
    DeviceStatus.TRUSTED: ("follow", "read", "write", "approve", "revoke", "rotate"),
    DeviceStatus.REVOKED: (),
}
"""What a device may do, by its standing; all but ``follow`` needs the user key as well."""

MIN_PREFIX_CHARS: Final = 8
"""How much of an id is enough, if it is unique: ``dev_`` and four characters."""
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServerSays:
    """What only the server says of a device. Nothing is decided by it.

    Attributes:
        enrolled_at, trusted_at, revoked_at: when, by the server's clock; their order is verified.
        last_seen: the last day (UTC) on which the device was there, as ``2026-11-24``; None if it says none.
    """

    enrolled_at: Timestamp
    trusted_at: Timestamp | None
    revoked_at: Timestamp | None
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device, as this device has verified it.

    Attributes:
        id, thumbprint: of its key; the thumbprint is what its tokens are bound to.
        name: what it calls itself; None when the server shows none that the certificate vouches for.
        platform: what kind of machine it says it is.
        status: where it stands.
        this_device: whether it is this very device.
        certified_by: which device's words made it trusted, with the user key; itself, or a trusted one.
        revoked_by, reason: which device revoked it, and why.
        server_says: what is not verified.
    """

    id: DeviceId
    thumbprint: str
    name: str | None
    platform: Platform
    status: DeviceStatus
    this_device: bool
    certified_by: DeviceId | None
    revoked_by: DeviceId | None
    reason: RevocationReason | None
    server_says: ServerSays

    @property
    def may(self) -> tuple[str, ...]:
        """What it may do; see `RIGHTS`."""
        return RIGHTS[self.status]


@dataclass(frozen=True, slots=True)
class ShownDevices:
    """What the server shows of devices beside the events, as far as their certificates vouch for it."""

    names: Mapping[DeviceId, DeviceName]
    last_seen: Mapping[DeviceId, str]

    @classmethod
    def parse(cls, rows: list[Json], stream: DevicesStream) -> "ShownDevices":
        """Take the names that the devices' own certificates commit to, and days that are days."""
        names: dict[DeviceId, DeviceName] = {}
        days: dict[DeviceId, str] = {}
        for row in rows:
            device = _find_device(row, stream)
            name = parse_name(row)
            if device is None or name is None or not isinstance(row, Mapping):
                continue
            if not is_vouched_for(name, device.certificate):
                continue
            names[device.certificate.device] = name
            seen = row.get("last_seen")
            if isinstance(seen, str) and _DAY.fullmatch(seen):
                days[device.certificate.device] = seen
        return cls(names, days)


def is_vouched_for(name: DeviceName, certificate: DeviceCertificate) -> bool:
    """Tell whether a device's certificate commits to a name."""
    return name.derive_commitment(certificate.device) == certificate.name_commitment


def choose_device(devices: Sequence[DeviceInfo], wanted: str) -> DeviceInfo:
    """Choose a device by its id, by how its id begins, or by its name where that cannot be mistaken.

    A name chooses nothing while a device that is not revoked shows none: it may be the one that is meant. Of
    devices of one name those that are revoked are passed over.

    Raises:
        UnknownDeviceError: none. DeviceNameUncertainError: several, or perhaps another.
    """
    if wanted.startswith(f"{DeviceId.PREFIX}_") and len(wanted) >= MIN_PREFIX_CHARS:
        found = [info for info in devices if info.id.startswith(wanted)]
    else:
        nameless = [info.id for info in devices if info.name is None and _is_present(info)]
        if nameless:
            raise DeviceNameUncertainError(
                f"the name {wanted!r} chooses nothing while the server shows no name of {', '.join(nameless)}"
            )
        named = [info for info in devices if info.name == wanted]
        found = [info for info in named if _is_present(info)] or named
    if not found:
        raise UnknownDeviceError(f"no device is called {wanted!r}")
    if len(found) > 1:
        ids = ", ".join(info.id for info in found)
        raise DeviceNameUncertainError(f"{len(found)} devices are called {wanted!r}: {ids}")
    return found[0]


def _is_present(info: DeviceInfo) -> bool:
    return info.status is not DeviceStatus.REVOKED


def _find_device(row: Json, stream: DevicesStream) -> Device | None:
    device = row.get("device") if isinstance(row, Mapping) else None
    return stream.devices.get(cast("DeviceId", device)) if isinstance(device, str) else None


def describe_devices(
    stream: DevicesStream, events: Sequence[Event], shown: ShownDevices, own: DeviceId
) -> tuple[DeviceInfo, ...]:
    """Describe all devices of a verified stream, in the order of their enrolment."""
    ordered = sorted(stream.devices.values(), key=lambda device: device.enrolled_at)
    return tuple(_describe(device, events, shown, own) for device in ordered)


def _describe(device: Device, events: Sequence[Event], shown: ShownDevices, own: DeviceId) -> DeviceInfo:
    certificate = device.certificate
    trusted, revoked = _at(events, device.trusted_at), _at(events, device.revoked_at)
    revocation = revoked.body if revoked else None
    return DeviceInfo(
        id=certificate.device,
        thumbprint=compute_thumbprint(certificate.device_key),
        name=shown.names[certificate.device].text if certificate.device in shown.names else None,
        platform=certificate.platform,
        status=device.status,
        this_device=certificate.device == own,
        certified_by=_author(trusted),
        revoked_by=_author(revoked),
        reason=revocation.reason if isinstance(revocation, DeviceRevoked) else None,
        server_says=ServerSays(
            enrolled_at=events[device.enrolled_at - 1].time,
            trusted_at=trusted.time if trusted else None,
            revoked_at=revoked.time if revoked else None,
            last_seen=shown.last_seen.get(certificate.device),
        ),
    )


def _at(events: Sequence[Event], seq: int | None) -> Event | None:
    return events[seq - 1] if seq else None


def _author(event: Event | None) -> DeviceId | None:
    return event.signed.statement.device if event and event.signed else None
