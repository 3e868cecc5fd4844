"""What devices are called: a name beside the certificate, which commits to it. Spec: devices.md §4.

Any device that logs in with the password may call itself anything: a name is what it says of itself. The
server sees names, so the default says what kind of machine it is, not whose.
"""

import hashlib
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from solekey_protocol.encoding import Json
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import DeviceId, Digest

NAME_CONTEXT: Final = b"solekey/v2/device-name\x00"
MAX_NAME_CHARS: Final = 64
SALT_BYTES: Final = 16
PLATFORMS: Final[Mapping[str, Platform]] = {
    "linux": Platform.LINUX,
    "darwin": Platform.MACOS,
    "win32": Platform.WINDOWS,
    "android": Platform.ANDROID,
    "ios": Platform.IOS,
}
_DEFAULT_NAMES: Final[Mapping[Platform, str]] = {
    Platform.LINUX: "Linux computer",
    Platform.MACOS: "Mac",
    Platform.WINDOWS: "Windows computer",
    Platform.ANDROID: "Android device",
    Platform.IOS: "iOS device",
}
_DEFAULT_NAME: Final = "device"


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A name and the salt that hides it from those who see only the commitment."""

    text: str
    salt: bytes

    def derive_commitment(self, device: DeviceId) -> Digest:
        """Derive what a device's certificate holds of its name, which no other device can hold.

        Wire format: SHA-256(label ‖ device id (16) ‖ salt (16) ‖ name in UTF-8). Spec: devices.md §4.
        """
        message = NAME_CONTEXT + device.raw + self.salt + self.text.encode()
        return Digest(hashlib.sha256(message).hexdigest())

    def encode(self) -> dict[str, Json]:
        """Encode for a request: ``{"name", "salt"}``."""
        return {"name": self.text, "salt": self.salt.hex()}


def find_platform() -> Platform:
    """Find what kind of machine this is."""
    return PLATFORMS.get(sys.platform, Platform.OTHER)


def default_name() -> str:
    """Say what kind of machine this is, and no more: not the host name, which the server would see."""
    return _DEFAULT_NAMES.get(find_platform(), _DEFAULT_NAME)


def choose_free_name(wanted: str, taken: Collection[str]) -> str:
    """Add a number to a default name that another device has."""
    numbered = (f"{wanted} {number}" for number in range(2, len(taken) + 2))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def parse_name(row: Json) -> DeviceName | None:
    """Parse what the server shows beside a device; None for what is no name: 1 to 64 printable characters."""
    if not isinstance(row, Mapping):
        return None
    try:
        name = DeviceName(str(row["name"]), bytes.fromhex(str(row["salt"])))
        name.text.encode()
    except (KeyError, ValueError):
        return None
    fits = 1 <= len(name.text) <= MAX_NAME_CHARS and name.text.isprintable() and len(name.salt) == SALT_BYTES
    return name if fits else None
