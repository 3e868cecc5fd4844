"""Where a device key is kept: the profile's own file, the OS keyring, or a token. Spec: key-providers.md §5.

The one place that reads and writes a device key's seed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from solekey.crypto import DeviceKey, RandomSource, SoftwareDeviceKey
from solekey.errors import (
    DamagedProfileError,
    DeviceKeyMissingError,
    KeyringEntryError,
    ProfileError,
    SpecError,
)
from solekey.files.private_folder import PrivateFolder
from solekey.providers.extras import require_keyring, require_pkcs11
from solekey.providers.pkcs11_uri import parse_pkcs11_uri
from solekey.providers.question import Ask
from solekey.providers.spec import FILE, KEYRING, PKCS11, ProviderSpec, parse_spec
from solekey_protocol.ids import PublicKey, derive_device_id

if TYPE_CHECKING:
    from solekey.providers.os_keyring import KeyringEntries

IN_PROFILE: Final = "file:"
"""The default: `device.key` in the profile folder, 0600."""

KEY_FILE: Final = "device.key"
_TAG: Final = "solekey-device-key-1"


@dataclass(frozen=True, slots=True)
class DeviceKeyStore:
    """A place for one profile's device key."""

    spec: str
    folder: PrivateFolder
    ask: Ask

    def make(self, random: RandomSource) -> DeviceKey:
        """Make a new device's key: on the token, which alone can; else in memory, until `keep`."""
        parsed = parse_device_spec(self.spec)
        if parsed.scheme == PKCS11:
            require_pkcs11()
            from solekey.providers.token_device_key import TokenDeviceKey

            return TokenDeviceKey.make(parse_pkcs11_uri(self.spec), self.ask, random)
        if parsed.scheme == KEYRING:
            _open_entries(parsed)  # says now if there is none, not after the login
        return SoftwareDeviceKey.make(random)

    def keep(self, key: DeviceKey) -> None:
        """Keep a key that was made; one on a token is there already."""
        if not isinstance(key, SoftwareDeviceKey):
            return
        parsed = parse_device_spec(self.spec)
        seed = key.to_private_bytes().hex()
        if parsed.scheme == KEYRING:
            _open_entries(parsed).write(key.device_id, f"{_TAG} {seed}")
        else:
            self.folder.write(KEY_FILE, seed.encode())

    def open(self, public_key: PublicKey | None) -> DeviceKey:
        """Open the key of a known device; a token is logged in to when it signs.

        Raises:
            DeviceKeyMissingError: the place does not have it.
            ProfileError: the profile's file does not hold a seed.
        """
        parsed = parse_device_spec(self.spec)
        if parsed.scheme == FILE:
            return self._open_file(public_key)
        if public_key is None:
            raise ProfileError("the profile does not say which device key is its own")
        if parsed.scheme == KEYRING:
            return _open_keyring(parsed, public_key)
        require_pkcs11()
        from solekey.providers.token_device_key import TokenDeviceKey

        return TokenDeviceKey(parse_pkcs11_uri(self.spec), public_key, self.ask)

    def _open_file(self, public_key: PublicKey | None) -> DeviceKey:
        seed = self.folder.read(KEY_FILE)
        if seed is None:
            raise DeviceKeyMissingError(f"{self.folder.path} has no {KEY_FILE}")
        try:
            key = SoftwareDeviceKey.from_private_bytes(bytes.fromhex(seed.decode()))
        except ValueError as error:
            raise DamagedProfileError(f"{self.folder.path / KEY_FILE} is damaged") from error
        if public_key not in (None, key.public_key):
            raise DamagedProfileError(f"{self.folder.path / KEY_FILE} is the key of another device")
        return key


def parse_device_spec(spec: str) -> ProviderSpec:
    """Parse where a device key is kept: ``file:``, ``keyring:[NAME]`` or ``pkcs11:…``. Raises SpecError."""
    if spec == IN_PROFILE:
        return ProviderSpec(FILE, "")
    parsed = parse_spec(spec)
    if parsed.scheme not in (KEYRING, PKCS11):
        raise SpecError("a device key is kept in file: (the profile folder), keyring:[NAME] or pkcs11:…")
    if parsed.scheme == PKCS11:
        parse_pkcs11_uri(spec)
    return parsed


def _open_entries(parsed: ProviderSpec) -> "KeyringEntries":
    require_keyring()
    from solekey.providers.os_keyring import SERVICE, KeyringEntries

    return KeyringEntries(f"{SERVICE} device {parsed.rest}".rstrip())


def _open_keyring(parsed: ProviderSpec, public_key: PublicKey) -> DeviceKey:
    device = derive_device_id(public_key)
    value = _open_entries(parsed).read(device)
    if value is None:
        raise DeviceKeyMissingError(f"the keyring does not have the key of {device}")
    tag, _, seed = value.partition(" ")
    try:
        key = SoftwareDeviceKey.from_private_bytes(bytes.fromhex(seed))
    except ValueError as error:
        raise KeyringEntryError("the keyring's entry is not a device key") from error
    if tag != _TAG or key.public_key != public_key:
        raise KeyringEntryError("the keyring's entry is the key of another device")
    return key
