"""This account's devices: who is trusted, what they are called, and how a device becomes one of them.

Trust comes only from the user key, entered on the device itself or on a trusted one that approves it.
Spec: devices.md §2, §3.
"""

from dataclasses import dataclass, replace

from solekey.account.device_list import (
    DeviceInfo,
    ShownDevices,
    choose_device,
    describe_devices,
    is_vouched_for,
)
from solekey.account.device_names import (
    MAX_NAME_CHARS,
    SALT_BYTES,
    DeviceName,
    choose_free_name,
    default_name,
    find_platform,
)
from solekey.account.known_names import remember_names
from solekey.connection.connection import Connection
from solekey.crypto.device_code import DeviceCode
from solekey.errors import BadAnswerError, DeviceGoneError, UnknownDeviceError, WrongUserKeyError
from solekey.streams.author import Author
from solekey.streams.exclusive import AccountLock, exclusive
from solekey.streams.streams import Streams
from solekey.vault.keyring import UnlockedUserKey
from solekey_protocol.events import Signer, Stream
from solekey_protocol.events.devices import AccountFounded, DeviceCertificate, DeviceEnrolled, DeviceTrusted
from solekey_protocol.ids import DeviceId
from solekey_protocol.services import Service
from solekey_protocol.streams import DeviceStatus


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of one account, as the verified stream says."""

    connection: Connection
    streams: Streams
    author: Author

    @property
    def _lock(self) -> AccountLock:
        return self.streams.lock

    @property
    def own_id(self) -> DeviceId:
        """This device's id."""
        return self.connection.profile.device_key.device_id

    @property
    def own_status(self) -> DeviceStatus | None:
        """This device's standing; None before it is enrolled."""
        device = self.streams.devices.devices.get(self.own_id)
        return device.status if device else None

    @exclusive
    def list(self) -> "tuple[DeviceInfo, ...]":
        """List all devices, in the order of their enrolment."""
        self.streams.sync(Stream.DEVICES)
        events = self.streams.events(Stream.DEVICES)
        return describe_devices(self.streams.devices, events, self._fetch_shown(), self.own_id)

    @exclusive
    def derive_code(self, device: DeviceId) -> DeviceCode:
        """Derive a device's code from the verified stream, to compare with what that device shows.

        Raises:
            UnknownDeviceError: no such device.
        """
        state = self.streams.devices
        known = state.devices.get(device)
        if known is None or state.account_key is None or state.key_id is None:
            raise UnknownDeviceError(f"{device} is no device of this account")
        device_key = known.certificate.device_key
        return DeviceCode.derive(self.connection.profile.account, state.account_key, state.key_id, device_key)

    @exclusive
    def find(self, name_or_id: str) -> DeviceInfo:
        """Find one device; see `choose_device`. Raises UnknownDeviceError, DeviceNameUncertainError."""
        return choose_device(self.list(), name_or_id)

    @exclusive
    def found_account(self, user_key: UnlockedUserKey) -> None:
        """Found the account: the user key certifies its first device. Nothing to do if it is founded."""
        name = self._make_name()

        def decide() -> AccountFounded | None:
            if self.streams.devices.account_key is not None:
                return None
            certificate = self._make_certificate(name)
            return AccountFounded(user_key.signing_key.public_key, user_key.key_id, certificate)

        self.author.say(
            decide,
            signers=lambda _: {Signer.ACCOUNT: user_key.signing_key},
            besides={"name": name.encode()},
        )
        self._remember_own(name)

    @exclusive
    def enrol(self) -> None:
        """Ask for trust: the device is pending from then on. Nothing to do if it is known."""
        if self.own_status is None and self.connection.profile.details.device_name == default_name():
            taken = [name.text for name in self._fetch_shown().names.values()]
            self.connection.profile.update(device_name=choose_free_name(default_name(), taken))
        name = self._make_name()

        def decide() -> DeviceEnrolled | None:
            if self.own_status is not None:
                return None
            return DeviceEnrolled(self._make_certificate(name))

        self.author.say(decide, besides={"name": name.encode()})
        self._remember_own(name)

    @exclusive
    def trust(self, device: DeviceId, user_key: UnlockedUserKey) -> None:
        """Certify a pending device with the user key: this one, or another. Nothing to do if it is trusted.

        Raises:
            WrongUserKeyError: another user key's words. Nothing was signed.
            DeviceGoneError: another device revoked it meanwhile.
            UnknownDeviceError: no such device.
        """
        user_key.verify_current(self.streams)

        def decide() -> DeviceTrusted | None:
            state = self.streams.devices
            found = state.devices.get(device)
            if found is None:
                raise UnknownDeviceError(f"{device} is no device of this account")
            if found.status is DeviceStatus.REVOKED:
                raise DeviceGoneError(f"{device} was revoked")
            if found.status is DeviceStatus.TRUSTED:
                return None
            if state.key_id != user_key.key_id or state.account_key is None:
                raise WrongUserKeyError("the user key was replaced meanwhile")
            return DeviceTrusted(state.account_key, found.certificate)

        self.author.say(decide, signers=lambda _: {Signer.ACCOUNT: user_key.signing_key})

    def _make_name(self) -> DeviceName:
        salt = self.connection.runtime.random(SALT_BYTES)
        return DeviceName(self.connection.profile.details.device_name[:MAX_NAME_CHARS], salt)

    def _make_certificate(self, name: DeviceName) -> DeviceCertificate:
        return DeviceCertificate(
            device=self.own_id,
            device_key=self.connection.profile.device_key.public_key,
            platform=find_platform(),
            name_commitment=name.derive_commitment(self.own_id),
        )

    def _remember_own(self, name: DeviceName) -> None:
        own = self.streams.devices.devices.get(self.own_id)
        if own is not None and is_vouched_for(name, own.certificate):
            folder = self.connection.profile.folder
            remember_names(folder, self.streams.devices, {self.own_id: name})

    def _fetch_shown(self) -> ShownDevices:
        if self.connection.is_offline:
            return self._remember(ShownDevices({}, {}))
        rows = self.connection.call_json(Service.DEVICES, "GET", "names").get("names")
        if not isinstance(rows, list):
            raise BadAnswerError("devices/names: expected a list")
        return self._remember(ShownDevices.parse(rows, self.streams.devices))

    def _remember(self, shown: ShownDevices) -> ShownDevices:
        """Add the names that the server showed before, or that are this device's own, and shows no more."""
        folder = self.connection.profile.folder
        return replace(shown, names=remember_names(folder, self.streams.devices, shown.names))
