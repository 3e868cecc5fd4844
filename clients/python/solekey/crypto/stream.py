"""STREAM: the chunks of one envelope under one single-use key. Spec: envelope.md §4.

`ItemCipher` holds no position: chunks are sealed and opened in any order, also from several threads.
"""

import hmac
import struct
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.utils import Buffer

from solekey.crypto.data_key import DataKey
from solekey.crypto.hkdf import Label, derive_key_block
from solekey.crypto.secrets import RandomSource
from solekey.errors import OpenError, UnsupportedFormatError
from solekey_protocol.envelope import (
    PREFIX_BYTES,
    SALT_BYTES,
    SUITE_AES_256_GCM,
    encode_prefix,
    unpack_envelope_header,
)
from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MAX_SAFE_INTEGER

_NONCE_BYTES: Final = 12
_PLACE: Final = struct.Struct(">16s16sQ")
_LABEL: Final = Label.ITEM  # looked up once: finding a member takes as long as encoding a place


@dataclass(frozen=True, slots=True)
class ItemContext:
    """The place that an envelope is bound to; taken from a signed commit, never from the envelope itself.

    Raises:
        ValueError: a version outside 1..2^53-1.
    """

    account: AccountId
    item: ItemId
    version: int

    def __post_init__(self) -> None:
        if not 1 <= self.version <= MAX_SAFE_INTEGER:
            raise ValueError(f"item version {self.version} is outside 1..2^53-1")

    def encode(self) -> bytes:
        """Encode as account (16) ‖ item (16) ‖ version (8, big-endian): what every chunk authenticates."""
        return _PLACE.pack(self.account.raw, self.item.raw, self.version)


class ItemCipher:
    """Seals or opens the chunks of one envelope.

    Attributes:
        header_bytes: the envelope's header (74 bytes).
        chunk_size: plaintext bytes in every chunk but the last.
    """

    __slots__ = ("_aead", "_associated_data", "chunk_size", "header_bytes")

    def __init__(self, header_bytes: bytes, chunk_size: int, key: bytes, place: bytes) -> None:
        self.header_bytes = header_bytes
        self.chunk_size = chunk_size
        self._aead = AESGCM(key)
        self._associated_data = header_bytes + place

    @classmethod
    def make(
        cls, data_key: DataKey, context: ItemContext, chunk_size_log2: int, random: RandomSource
    ) -> Self:
        """Make the cipher of a new envelope: a fresh salt, hence a fresh item key."""
        salt = random(SALT_BYTES)
        prefix = encode_prefix(SUITE_AES_256_GCM, chunk_size_log2, data_key.epoch)
        place = context.encode()
        key, commitment = _derive(data_key, salt, prefix + place)
        return cls(prefix + salt + commitment, 1 << chunk_size_log2, key, place)

    @classmethod
    def open(cls, header_bytes: bytes, data_key: DataKey, context: ItemContext) -> Self:
        """Open an envelope's header: the key must be the one that sealed it, for this item and version.

        Raises:
            UnsupportedFormatError: another format version or suite than this release knows.
            OpenError: stage ``header`` (malformed, another epoch) or ``commitment``.
        """
        try:
            _, chunk_size_log2, epoch, salt, commitment = unpack_envelope_header(header_bytes)
        except UnsupportedError as error:
            raise UnsupportedFormatError(str(error)) from error
        except MalformedError as error:
            raise OpenError("header") from error
        if epoch != data_key.epoch:
            raise OpenError("header")
        place = context.encode()
        key, derived_commitment = _derive(data_key, salt, header_bytes[:PREFIX_BYTES] + place)
        if not hmac.compare_digest(derived_commitment, commitment):
            raise OpenError("commitment")
        return cls(header_bytes, 1 << chunk_size_log2, key, place)

    def seal_chunk(self, index: int, chunk: Buffer, *, final: bool) -> bytes:
        """Seal one chunk. Wire format: AES-256-GCM(chunk) ‖ tag (16)."""
        return self._aead.encrypt(_encode_nonce(index, final=final), chunk, self._associated_data)

    def seal_chunk_into(self, index: int, chunk: Buffer, sealed: Buffer, *, final: bool) -> None:
        """Seal one chunk into a buffer of its sealed size: no memory is allocated."""
        self._aead.encrypt_into(_encode_nonce(index, final=final), chunk, self._associated_data, sealed)

    def open_chunk(self, index: int, sealed: Buffer, *, final: bool) -> bytes:
        """Open one chunk; nothing of it is returned unless it is authentic.

        Raises:
            OpenError: stage ``chunk``.
        """
        try:
            return self._aead.decrypt(_encode_nonce(index, final=final), sealed, self._associated_data)
        except InvalidTag as error:
            raise OpenError("chunk") from error

    def open_chunk_into(self, index: int, sealed: Buffer, chunk: Buffer, *, final: bool) -> None:
        """Open one chunk into a buffer of its opened size; what is in it after a failure is to be dropped.

        Raises:
            OpenError: stage ``chunk``.
        """
        try:
            self._aead.decrypt_into(_encode_nonce(index, final=final), sealed, self._associated_data, chunk)
        except InvalidTag as error:
            raise OpenError("chunk") from error


def _derive(data_key: DataKey, salt: bytes, context: bytes) -> tuple[bytes, bytes]:
    return derive_key_block(data_key.expose(), salt=salt, label=_LABEL, context=context)


def _encode_nonce(index: int, *, final: bool) -> bytes:
    """Encode counter (11, big-endian) ‖ final flag (1)."""
    return (index << 8 | final).to_bytes(_NONCE_BYTES, "big")
