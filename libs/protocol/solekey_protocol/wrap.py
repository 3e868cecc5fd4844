"""A wrap's outside: what the vault may read of a wrapped secret without a key. Spec: keys.md §5.

Nothing here can decrypt: the services and the auditor use it to check a wrap against its statement.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.ids import KeyId
from solekey_protocol.limits import MAX_EPOCH, MAX_SEQ

WRAP_FAMILY: Final = b"SKW"
WRAP_MAGIC: Final = b"SKW1"
"""The family, then the format version as one ASCII digit."""
WRAP_SUITE_AES_256_GCM: Final = 0x01
"""HKDF-SHA256, AES-256-GCM, 64-byte key block (key ‖ commitment)."""

_PREFIX: Final = struct.Struct(">4sBBII16s")
_SALT_BYTES: Final = 32
WRAP_PREFIX_BYTES: Final = _PREFIX.size
WRAP_HEADER_BYTES: Final = WRAP_PREFIX_BYTES + _SALT_BYTES + 32
WRAPPED_SECRET_BYTES: Final = 32 + 16
"""A 32-byte secret and its tag."""
WRAP_BYTES: Final = WRAP_HEADER_BYTES + WRAPPED_SECRET_BYTES


class SecretKind(StrEnum):
    """What a wrap holds; one byte on the wire. One table holds all wraps: a rotation cannot miss one."""

    DATA_KEY = "data_key"

    @property
    def wire_code(self) -> int:
        """The kind's byte in a wrap."""
        return _KIND_CODES[self]

    @classmethod
    def from_wire_code(cls, code: int) -> Self:
        """Find the kind of a byte. Raises UnsupportedError for an unknown one."""
        for kind, known in _KIND_CODES.items():
            if known == code:
                return cls(kind)
        raise UnsupportedError(f"secret kind {code} is unknown")


_KIND_CODES: Final = {SecretKind.DATA_KEY: 0x01}


@dataclass(frozen=True, slots=True)
class WrapHeader:
    """The 94 bytes that open a wrap."""

    suite: int
    kind: SecretKind
    epoch: int
    wrap_version: int
    key_id: KeyId
    salt: bytes
    commitment: bytes


def encode_wrap_prefix(suite: int, kind: SecretKind, epoch: int, wrap_version: int, key_id: KeyId) -> bytes:
    """Encode the header's first 30 bytes, magic to key id: what the wrap's key binds."""
    return _PREFIX.pack(WRAP_MAGIC, suite, kind.wire_code, epoch, wrap_version, bytes.fromhex(key_id))


def encode_wrap_header(header: WrapHeader) -> bytes:
    """Encode a wrap's header.

    Wire format (94 bytes): magic ``SKW1`` (4) ‖ suite (1) ‖ kind (1) ‖ epoch (4, big-endian) ‖
    wrap version (4, big-endian) ‖ key id (16) ‖ salt (32) ‖ commitment (32). Spec: keys.md §5.
    """
    prefix = encode_wrap_prefix(header.suite, header.kind, header.epoch, header.wrap_version, header.key_id)
    return prefix + header.salt + header.commitment


def parse_wrap_header(wrap: bytes) -> WrapHeader:
    """Parse the header of a whole wrap (142 bytes). Spec: keys.md §5.

    Raises:
        UnsupportedError: another format version, suite or secret kind.
        MalformedError: another length or magic, or an epoch or wrap version outside its limits.
    """
    if not wrap.startswith(WRAP_FAMILY) or len(wrap) < len(WRAP_MAGIC):
        raise MalformedError("not a Solekey wrap")
    if not wrap.startswith(WRAP_MAGIC):
        raise UnsupportedError(f"wrap format {wrap[3:4]!r} is unknown")
    if len(wrap) != WRAP_BYTES:
        raise MalformedError(f"a wrap is {WRAP_BYTES} bytes, this one {len(wrap)}")
    _, suite, kind, epoch, wrap_version, key_id = _PREFIX.unpack_from(wrap)
    if suite != WRAP_SUITE_AES_256_GCM:
        raise UnsupportedError(f"wrap suite {suite} is unknown")
    if not 1 <= epoch <= MAX_EPOCH or not 1 <= wrap_version <= MAX_SEQ:
        raise MalformedError("wrap epoch or version is outside its limits")
    known_kind = SecretKind.from_wire_code(kind)
    salt = wrap[WRAP_PREFIX_BYTES : WRAP_PREFIX_BYTES + _SALT_BYTES]
    commitment = wrap[WRAP_PREFIX_BYTES + _SALT_BYTES : WRAP_HEADER_BYTES]
    return WrapHeader(suite, known_kind, epoch, wrap_version, KeyId(key_id.hex()), salt, commitment)
