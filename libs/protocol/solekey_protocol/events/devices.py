"""Events of the ``devices`` stream: who may speak for an account; signed by clients. Spec: events.md §4.2."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from solekey_protocol.events.body import Body, Signer, event
from solekey_protocol.events.fields import DeviceBounds, Platform
from solekey_protocol.ids import DeviceId, Digest, KeyId, PublicKey, RotationId
from solekey_protocol.services import Stream


class RevocationReason(StrEnum):
    """Why a device is not trusted any more."""

    LOST = "lost"
    STOLEN = "stolen"
    COMPROMISED = "compromised"
    REPLACED = "replaced"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """What is certified of a device. ``name_commitment`` binds the name that the devices service shows."""

    device: DeviceId
    device_key: PublicKey
    platform: Platform
    name_commitment: Digest


@event(Stream.DEVICES, "account_founded.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class AccountFounded(Body):
    """The account's first user key and first device; the first event of the stream."""

    account_key: PublicKey
    key_id: KeyId
    certificate: DeviceCertificate


@event(Stream.DEVICES, "device_enrolled.v1", Signer.DEVICE)
@dataclass(frozen=True, slots=True)
class DeviceEnrolled(Body):
    """A device logged in and asks for trust: pending. It signs for itself."""

    certificate: DeviceCertificate


@event(Stream.DEVICES, "device_trusted.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class DeviceTrusted(Body):
    """The holder of the user key certified a pending device, on that device or on a trusted one."""

    account_key: PublicKey
    certificate: DeviceCertificate


@event(Stream.DEVICES, "device_revoked.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class DeviceRevoked(Body):
    """A trusted device, with the user key, took trust from a device, for ever."""

    device: DeviceId
    reason: RevocationReason


@event(Stream.DEVICES, "account_key_changed.v1", Signer.DEVICE, Signer.ACCOUNT, Signer.NEXT_ACCOUNT)
@dataclass(frozen=True, slots=True)
class AccountKeyChanged(Body):
    """A new user key took over and certified exactly the devices that were trusted."""

    previous_account_key: PublicKey
    account_key: PublicKey
    key_id: KeyId
    rotation: RotationId
    certificates: Annotated[tuple[DeviceCertificate, ...], DeviceBounds]


@event(Stream.DEVICES, "key_change_abandoned.v1", Signer.DEVICE, Signer.ACCOUNT)
@dataclass(frozen=True, slots=True)
class KeyChangeAbandoned(Body):
    """The user key change ``rotation`` never takes over; the key id that it led to is never used again."""

    rotation: RotationId
    key_id: KeyId
