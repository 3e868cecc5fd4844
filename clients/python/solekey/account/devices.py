"""This account's devices: who is trusted, what they are called, and how a device becomes one of them.

A name travels beside the certificate, which commits to it; a name that does not fit is not shown as the
device's own. Trust comes only from the user key, entered on the device itself. Spec: devices.md §3.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solekey.connection.connection import Connection
from solekey.errors import BadAnswerError, ForeignDeviceError, WrongUserKeyError
from solekey.streams.author import Author
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey
from solekey_protocol.encoding import Json
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.devices import AccountFounded, DeviceCertificate, DeviceEnrolled, DeviceTrusted
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import DeviceId, Digest, Timestamp
from solekey_protocol.streams import DeviceStatus

NAME_CONTEXT: Final = b"solekey/v1/device-name\x00"
MAX_NAME_CHARS: Final = 64
_SALT_BYTES: Final = 16
_PLATFORMS: Final[Mapping[str, Platform]] = {
    "linux": Platform.LINUX,
    "darwin": Platform.MACOS,
    "win32": Platform.WINDOWS,
    "android": Platform.ANDROID,
    "ios": Platform.IOS,
}


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device. ``name`` is None when the server shows none that the certificate vouches for."""

    id: DeviceId
    name: str | None
    platform: Platform
    status: DeviceStatus
    enrolled_at: Timestamp
    this_device: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of one account, as the verified stream says."""

    connection: Connection
    streams: Streams
    author: Author

    @property
    def own_id(self) -> DeviceId:
        """This device's id."""
        return self.connection.profile.device_key.device_id

    @property
    def own_status(self) -> DeviceStatus | None:
        """This device's standing; None before it is enrolled."""
        device = self.streams.devices.devices.get(self.own_id)
        return device.status if device else None

    def list(self) -> "tuple[DeviceInfo, ...]":
        """List all devices, in the order of their enrolment."""
        self.streams.sync(Stream.DEVICES)
        names = self._fetch_names()
        events = self.streams.events(Stream.DEVICES)
        found = [
            DeviceInfo(
                id=device_id,
                name=names.get(device_id),
                platform=device.certificate.platform,
                status=device.status,
                enrolled_at=events[device.enrolled_at - 1].time,
                this_device=device_id == self.own_id,
            )
            for device_id, device in self.streams.devices.devices.items()
        ]
        return tuple(sorted(found, key=lambda info: self.streams.devices.devices[info.id].enrolled_at))

    def find(self, name_or_id: str) -> DeviceInfo:
        """Find one device. Raises ForeignDeviceError: none, or several of this name."""
        found = [info for info in self.list() if name_or_id in (info.id, info.name)]
        if len(found) != 1:
            raise ForeignDeviceError(f"{len(found)} devices are called {name_or_id!r}")
        return found[0]

    def found_account(self, user_key: UnlockedUserKey) -> None:
        """Found the account: the user key certifies its first device. Nothing to do if it is founded."""
        name = self._make_name()

        def decide() -> AccountFounded | None:
            if self.streams.devices.account_key is not None:
                return None
            certificate = self._make_certificate(name)
            return AccountFounded(user_key.signing_key.public_key, user_key.key_id, certificate)

        self.author.say(
            decide, co_signers={Signer.ACCOUNT: user_key.signing_key}, besides={"name": _encode_name(name)}
        )

    def enrol(self) -> None:
        """Ask for trust: the device is pending from then on. Nothing to do if it is known."""
        name = self._make_name()

        def decide() -> DeviceEnrolled | None:
            if self.own_status is not None:
                return None
            return DeviceEnrolled(self._make_certificate(name))

        self.author.say(decide, besides={"name": _encode_name(name)})

    def trust_own(self, user_key: UnlockedUserKey) -> None:
        """Certify this pending device with the user key. Nothing to do if it is trusted.

        Raises:
            WrongUserKeyError: another user key's words. Nothing was said.
        """
        user_key.verify_current(self.streams)

        def decide() -> DeviceTrusted | None:
            state = self.streams.devices
            if self.own_status is DeviceStatus.TRUSTED:
                return None
            if state.key_id != user_key.key_id or state.account_key is None:
                raise WrongUserKeyError("the user key was replaced meanwhile")
            return DeviceTrusted(state.account_key, state.devices[self.own_id].certificate)

        self.author.say(decide, co_signers={Signer.ACCOUNT: user_key.signing_key})

    def _make_name(self) -> "_DeviceName":
        salt = self.connection.runtime.random(_SALT_BYTES)
        return _DeviceName(self.connection.profile.details.device_name[:MAX_NAME_CHARS], salt)

    def _make_certificate(self, name: "_DeviceName") -> DeviceCertificate:
        return DeviceCertificate(
            device=self.own_id,
            device_key=self.connection.profile.device_key.public_key,
            platform=_PLATFORMS.get(sys.platform, Platform.OTHER),
            name_commitment=name.derive_commitment(),
        )

    def _fetch_names(self) -> dict[DeviceId, str]:
        rows = self.connection.call_json(Stream.DEVICES, "GET", "names").get("names")
        if not isinstance(rows, list):
            raise BadAnswerError("devices/names: expected a list")
        names: dict[DeviceId, str] = {}
        for row in rows:
            name = _parse_name(row)
            for device_id, device in self.streams.devices.devices.items():
                if name and device.certificate.name_commitment == name.derive_commitment():
                    names[device_id] = name.text
        return names


@dataclass(frozen=True, slots=True)
class _DeviceName:
    text: str
    salt: bytes

    def derive_commitment(self) -> Digest:
        """Derive what a certificate holds of the name: SHA-256(label ‖ salt (16) ‖ UTF-8). devices.md §4."""
        return Digest(hashlib.sha256(NAME_CONTEXT + self.salt + self.text.encode()).hexdigest())


def _encode_name(name: _DeviceName) -> dict[str, Json]:
    return {"name": name.text, "salt": name.salt.hex()}


def _parse_name(row: Json) -> _DeviceName | None:
    if not isinstance(row, Mapping):
        return None
    try:
        return _DeviceName(str(row["name"]), bytes.fromhex(str(row["salt"])))
    except (KeyError, ValueError):
        return None
