"""Identifiers: random, opaque, each a distinct type. Spec: conventions.md §2.

Wire format of a prefixed id: a three-letter kind, ``_``, then 16 bytes as 26 characters of lower-case
RFC 4648 base32 without padding, for example ``acc_aaaqeayeaudaocajbifqydiob4``. Digests, keys and
signatures are lower-case hex.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Self

from solekey_protocol.errors import MalformedError

RAW_ID_BYTES = 16
_DIGEST_BYTES = 32

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
"""What ten bits are in base 32."""
_BASE32_TO_INT = bytes.maketrans(_LETTERS.encode(), b"0123456789abcdefghijklmnopqrstuv")
"""From RFC 4648's letters to the digits that `int` reads in base 32."""


class _PatternStr(str):
    """A str that exists only when it matches its class's pattern."""

    __slots__ = ()
    PATTERN: ClassVar[str]
    _compiled: ClassVar[re.Pattern[str]]
    _match: ClassVar[Callable[[str], object]]

    def __init_subclass__(cls) -> None:
        if pattern := cls.__dict__.get("PATTERN"):
            cls._compiled = re.compile(pattern, re.ASCII)
            cls._match = cls._compiled.fullmatch

    def __new__(cls, value: str) -> Self:
        if not cls._match(value):
            raise MalformedError(f"{cls.__name__}: expected {cls.PATTERN}, got {value[:80]!r}")
        return str.__new__(cls, value)


class _RawId(_PatternStr):
    """A prefixed id over 16 bytes."""

    __slots__ = ("_raw",)
    PREFIX: ClassVar[str]
    _raw: bytes | None

    def __init_subclass__(cls) -> None:
        # The last base32 character of 16 bytes carries 3 bits: only 8 of the 32 letters are canonical.
        cls.PATTERN = f"^{cls.PREFIX}_[a-z2-7]{{25}}[aeimquy4]$"
        super().__init_subclass__()

    def __new__(cls, value: str) -> Self:
        """Take an id's text; its bytes are decoded when they are first needed. Raises MalformedError."""
        made = _PatternStr.__new__(cls, value)
        made._raw = None  # noqa: SLF001  # a new value of this very class
        return made

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """Encode 16 bytes. Raises MalformedError for another length."""
        if len(raw) != RAW_ID_BYTES:
            raise MalformedError(f"{cls.__name__}: expected {RAW_ID_BYTES} bytes, got {len(raw)}")
        # Always canonical, so the pattern is not matched again.
        made = str.__new__(cls, f"{cls.PREFIX}_{_encode_base32(raw)}")
        made._raw = bytes(raw)  # noqa: SLF001  # a new value of this very class
        return made

    @property
    def raw(self) -> bytes:
        """The 16 bytes that the id encodes; what associated data binds."""
        raw = self._raw
        if raw is None:
            # 26 letters are 130 bits, and the pattern has made sure that the last two are 0. A tenth of
            # b32decode's time, which was a third of what sealing a small item took.
            digits = self.encode()[len(self.PREFIX) + 1 :].translate(_BASE32_TO_INT)
            raw = self._raw = (int(digits, 32) >> 2).to_bytes(RAW_ID_BYTES, "big")
        return raw


def _encode_base32(raw: bytes) -> str:
    """Encode 16 bytes as 26 letters: written out, in half the time of `base64`."""
    number, p = int.from_bytes(raw, "big"), _PAIRS
    high, low = number >> 68, (number & 0xFFFFFFFFFFFFFFFFF) << 2  # 60 bits, and 68 with two zeros behind
    return (
        f"{p[high >> 50]}{p[high >> 40 & 1023]}{p[high >> 30 & 1023]}{p[high >> 20 & 1023]}"
        f"{p[high >> 10 & 1023]}{p[high & 1023]}{p[low >> 60]}{p[low >> 50 & 1023]}{p[low >> 40 & 1023]}"
        f"{p[low >> 30 & 1023]}{p[low >> 20 & 1023]}{p[low >> 10 & 1023]}{p[low & 1023]}"
    )


class AccountId(_RawId):
    """A user's account; made by the client; says nothing about the person."""

    __slots__ = ()
    PREFIX = "acc"


class DeviceId(_RawId):
    """A device; derived from its public key, so that nobody can claim another's."""

    __slots__ = ()
    PREFIX = "dev"


class ItemId(_RawId):
    """An item in the vault; random."""

    __slots__ = ()
    PREFIX = "itm"


class RotationId(_RawId):
    """One rotation saga; random, made by the device that starts it."""

    __slots__ = ()
    PREFIX = "rot"


class SessionId(_RawId):
    """A login session; random, made by the auth service."""

    __slots__ = ()
    PREFIX = "ses"


_FIELD = 2**255 - 19
_Y_BITS = 2**255 - 1  # the highest bit is the sign of x
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({1, _FIELD - 1, 0, _ORDER_8_Y, _FIELD - _ORDER_8_Y})  # orders 1, 2, 4, 8, 8


class _HexStr(_PatternStr):
    """Bytes as lower-case hex. They are decoded and encoded again: half the time of matching the pattern."""

    __slots__ = ()
    CHARS: ClassVar[int]

    def __new__(cls, value: str) -> Self:
        """Take what is exactly so many bytes in hex. Raises MalformedError."""
        try:
            is_hex = len(value) == cls.CHARS and bytes.fromhex(value).hex() == value
        except ValueError:
            is_hex = False
        return str.__new__(cls, value) if is_hex else _PatternStr.__new__(cls, value)


class Digest(_HexStr):
    """SHA-256, 64 lower-case hex characters."""

    __slots__ = ()
    CHARS = 64
    PATTERN = "^[0-9a-f]{64}$"

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """Encode 32 bytes. Raises MalformedError for another length."""
        if len(raw) != _DIGEST_BYTES:
            raise MalformedError(f"Digest: expected {_DIGEST_BYTES} bytes, got {len(raw)}")
        return str.__new__(cls, raw.hex())  # always canonical: not matched again


class PublicKey(_HexStr):
    """An Ed25519 public key (RFC 8032), 64 lower-case hex characters: canonical, not of small order.

    Under a key of small order one signature can fit every message, and implementations disagree on keys that
    are spelt otherwise than RFC 8032 §5.1.2 encodes them. Spec: conventions.md §2.
    """

    __slots__ = ()
    CHARS = 64
    PATTERN = "^[0-9a-f]{64}$"

    def __new__(cls, value: str) -> Self:
        """Take a key that can be one. Raises MalformedError."""
        key = super().__new__(cls, value)
        y = int.from_bytes(bytes.fromhex(key), "little") & _Y_BITS
        if y >= _FIELD:
            raise MalformedError("PublicKey: not the canonical encoding of a point")
        if y in _SMALL_ORDER_Y:
            raise MalformedError("PublicKey: a point of small order")
        return key


class SignatureHex(_HexStr):
    """An Ed25519 signature (RFC 8032), 128 lower-case hex characters."""

    __slots__ = ()
    CHARS = 128
    PATTERN = "^[0-9a-f]{128}$"


class KeyId(_HexStr):
    """Identifies a user key for one account: 16 derived bytes, 32 lower-case hex characters (keys.md §3)."""

    __slots__ = ()
    CHARS = 32
    PATTERN = "^[0-9a-f]{32}$"


ZERO_DIGEST = Digest("0" * 64)
"""``prev`` of the first event of a stream."""

SYSTEM_ACCOUNT = AccountId.from_raw(bytes(RAW_ID_BYTES))
"""The subject of events that belong to a service and to no user, such as a token signing key."""


def derive_device_id(device_key: PublicKey) -> DeviceId:
    """Derive a device's id: the first 16 bytes of SHA-256("solekey/v1/device-id" ‖ 0x00 ‖ public key)."""
    message = b"solekey/v1/device-id\x00" + bytes.fromhex(device_key)
    return DeviceId.from_raw(hashlib.sha256(message).digest()[:RAW_ID_BYTES])


def derive_signing_key_id(public_key: PublicKey) -> KeyId:
    """Derive a signing key's id: 16 bytes of SHA-256("solekey/v1/signing-key-id" ‖ 0x00 ‖ public key).

    Spec: tokens.md §2.
    """
    message = b"solekey/v1/signing-key-id\x00" + bytes.fromhex(public_key)
    return KeyId(hashlib.sha256(message).hexdigest()[:32])


def compute_digest(data: bytes) -> Digest:
    """Compute SHA-256 of bytes as a Digest."""
    return Digest.from_raw(hashlib.sha256(data).digest())


class Timestamp(_PatternStr):
    """A moment in UTC with millisecond precision (RFC 3339), for example ``2026-11-23T21:36:00.000Z``.

    A day or an hour that does not exist is no Timestamp.
    """

    __slots__ = ("_moment",)
    _moment: "datetime"
    PATTERN = r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$"

    def __new__(cls, value: str) -> Self:
        """Take a moment that exists. Raises MalformedError."""
        moment = super().__new__(cls, value)
        try:
            moment._moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise MalformedError(f"Timestamp: {error}") from error
        if value[11:13] == "24":  # Python 3.13 reads it as the next day's midnight
            raise MalformedError("Timestamp: hour must be in 0..23")
        return moment

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """Encode an aware datetime; finer than a millisecond is cut off."""
        return cls(moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))

    @property
    def datetime(self) -> datetime:
        """The moment as an aware datetime."""
        return self._moment
