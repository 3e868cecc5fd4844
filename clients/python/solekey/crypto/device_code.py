"""The code that two devices compare, or a person carries from one to the other. It is no secret.

::

    first half    what account:  Argon2id of its account key and key id
    second half   which device:  Argon2id of its device key

Each half is made of things that one honest party fixes before a server can answer, so that a server between
the two has to find a second preimage of a half; two things of its own choice that collide are of no use.
Spec: devices.md §6, decision 0030.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from solekey.errors import DeviceCodeError
from solekey_protocol.ids import AccountId, KeyId, PublicKey

ACCOUNT_LABEL: Final = b"solekey/v1/device-code/account"
DEVICE_LABEL: Final = b"solekey/v1/device-code/device"
ACCOUNT_DIGITS: Final = 15
DEVICE_DIGITS: Final = 20
"""More than the account's: a ghost's key can be sought before anybody enrols (devices.md §6)."""
CODE_DIGITS: Final = ACCOUNT_DIGITS + DEVICE_DIGITS
QR_PREFIX: Final = "SOLEKEY-DEVICE:"
_GROUP_DIGITS: Final = 5
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_MEMORY_KIB: Final = 64 * 1024  # 64 MiB
_ITERATIONS: Final = 3
_LANES: Final = 4
_CACHED: Final = 256
_BETWEEN: Final = re.compile(r"[\s-]+")
_DIGITS: Final = re.compile(f"[0-9]{{{CODE_DIGITS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A device code: 35 digits, of which 15 say what account, and 20 which device."""

    account_half: str
    device_half: str

    @classmethod
    def derive(cls, account: AccountId, account_key: PublicKey, key_id: KeyId, device_key: PublicKey) -> Self:
        """Derive the code of a device in an account, from what the one who derives it has verified.

        Wire format: see `_derive_half`; the messages are account key (32) ‖ key id (16), and device key (32).
        """
        account_said = bytes.fromhex(account_key) + bytes.fromhex(key_id)
        return cls(
            _derive_half(ACCOUNT_LABEL, account, account_said, ACCOUNT_DIGITS),
            _derive_half(DEVICE_LABEL, account, bytes.fromhex(device_key), DEVICE_DIGITS),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what a person typed or a QR code says; spaces, hyphens and the QR code's prefix are left out.

        Raises:
            DeviceCodeError: not 35 digits.
        """
        typed = text.strip().upper().removeprefix(QR_PREFIX)
        digits = _BETWEEN.sub("", typed)
        if not _DIGITS.fullmatch(digits):
            raise DeviceCodeError(f"a device code has {CODE_DIGITS} digits")
        return cls(digits[:ACCOUNT_DIGITS], digits[ACCOUNT_DIGITS:])

    def encode_qr(self) -> str:
        """Encode for a QR code: the prefix and the digits, all of the alphanumeric mode."""
        return f"{QR_PREFIX}{self.account_half}{self.device_half}"

    def encode_text(self) -> str:
        """Encode for people: seven groups of five digits."""
        digits = self.account_half + self.device_half
        return " ".join(digits[at : at + _GROUP_DIGITS] for at in range(0, len(digits), _GROUP_DIGITS))


@lru_cache(_CACHED)  # public values; a device that waits derives the same again with each poll
def _derive_half(label: bytes, account: AccountId, message: bytes, digits: int) -> str:
    """Derive so many digits: Argon2id's 16-byte tag as a big-endian integer, modulo 10^digits.

    Wire format: salt = SHA-256(label ‖ 0x00 ‖ account raw (16))[:16]; 64 MiB, 3 iterations, 4 lanes.
    """
    salt = hashlib.sha256(label + b"\x00" + account.raw).digest()[:_SALT_BYTES]
    tag = Argon2id(
        salt=salt, length=_TAG_BYTES, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB
    ).derive(message)
    return f"{int.from_bytes(tag, 'big') % 10**digits:0{digits}}"
