"""What an owner calls a device: events carry only its commitment. Spec: devices.md §4."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from solekey_devices.refusals import NameRefused
from solekey_protocol.encoding import Json
from solekey_protocol.ids import DeviceId, Digest

MAX_NAME_CHARS: Final = 64
"""A device's name; in characters, so at most four times as many bytes."""
_COMMITMENT_CONTEXT: Final = b"solekey/v2/device-name\x00"
_SALT: Final = re.compile("[0-9a-f]{32}", re.ASCII)  # 16 bytes


@dataclass(frozen=True, slots=True)
class DeviceName:
    """What the owner calls a device. Events carry only its commitment: names say something about a person."""

    name: str
    salt: str  # 32 lower-case hex characters

    @classmethod
    def parse(cls, document: Json) -> Self:
        """Parse the request's ``name``.

        Raises:
            NameRefused: not exactly a name of 1 to 64 printable characters and a salt of 16 bytes in hex.
        """
        match document:
            case {"name": str(name), "salt": str(salt), **rest} if not rest:
                pass
            case _:
                raise NameRefused("name: expected exactly the strings 'name' and 'salt'")
        if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise NameRefused(f"name.name: expected 1 to {MAX_NAME_CHARS} printable characters")
        if not _SALT.fullmatch(salt):
            raise NameRefused("name.salt: expected 32 lower-case hex characters")
        return cls(name, salt)

    def derive_commitment(self, device: DeviceId) -> Digest:
        """SHA-256("solekey/v2/device-name" ‖ 0x00 ‖ device id ‖ salt ‖ UTF-8 name). Spec: devices.md §4."""
        message = _COMMITMENT_CONTEXT + device.raw + bytes.fromhex(self.salt) + self.name.encode()
        return Digest(hashlib.sha256(message).hexdigest())
