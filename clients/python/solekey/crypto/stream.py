"""STREAM: the chunks of one envelope under one single-use key. Spec: envelope.md §4.

`ItemCipher` holds no position: chunks are sealed and opened in any order, also from several threads.
"""

import hmac
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
    SALT_BYTES,
    SUITE_AES_256_GCM,
    EnvelopeHeader,
    encode_envelope_header,
    encode_prefix,
    parse_envelope_header,
)
from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MAX_SAFE_INTEGER

_COUNTER_BYTES: Final = 11
_VERSION_BYTES: Final = 8


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
        return self.account.raw + self.item.raw + self.version.to_bytes(_VERSION_BYTES, "big")


class ItemCipher:
    """Seals or opens the chunks of one envelope."""

    __slots__ = ("_aead", "_associated_data", "header", "header_bytes")

    def __init__(self, header: EnvelopeHeader, key: bytes, context: ItemContext) -> None:
        self.header = header
        self.header_bytes = encode_envelope_header(header)
        self._aead = AESGCM(key)
        self._associated_data = self.header_bytes + context.encode()

    @classmethod
    def make(
        cls, data_key: DataKey, context: ItemContext, chunk_size_log2: int, random: RandomSource
    ) -> Self:
        """Make the cipher of a new envelope: a fresh salt, hence a fresh item key."""
        salt = random(SALT_BYTES)
        prefix = encode_prefix(SUITE_AES_256_GCM, chunk_size_log2, data_key.epoch)
        key, commitment = _derive(data_key, salt, prefix, context)
        header = EnvelopeHeader(SUITE_AES_256_GCM, chunk_size_log2, data_key.epoch, salt, commitment)
        return cls(header, key, context)

    @classmethod
    def open(cls, header_bytes: bytes, data_key: DataKey, context: ItemContext) -> Self:
        """Open an envelope's header: the key must be the one that sealed it, for this item and version.

        Raises:
            UnsupportedFormatError: another format version or suite than this release knows.
            OpenError: stage ``header`` (malformed, another epoch) or ``commitment``.
        """
        try:
            header = parse_envelope_header(header_bytes)
        except UnsupportedError as error:
            raise UnsupportedFormatError(str(error)) from error
        except MalformedError as error:
            raise OpenError("header") from error
        if header.epoch != data_key.epoch:
            raise OpenError("header")
        prefix = encode_prefix(header.suite, header.chunk_size_log2, header.epoch)
        key, commitment = _derive(data_key, header.salt, prefix, context)
        if not hmac.compare_digest(commitment, header.commitment):
            raise OpenError("commitment")
        return cls(header, key, context)

    def seal_chunk(self, index: int, chunk: Buffer, *, final: bool) -> bytes:
        """Seal one chunk. Wire format: AES-256-GCM(chunk) ‖ tag (16)."""
        return self._aead.encrypt(_encode_nonce(index, final=final), chunk, self._associated_data)

    def open_chunk(self, index: int, sealed: Buffer, *, final: bool) -> bytes:
        """Open one chunk; nothing of it is returned unless it is authentic.

        Raises:
            OpenError: stage ``chunk``.
        """
        try:
            return self._aead.decrypt(_encode_nonce(index, final=final), sealed, self._associated_data)
        except InvalidTag as error:
            raise OpenError("chunk") from error


def _derive(data_key: DataKey, salt: bytes, prefix: bytes, context: ItemContext) -> tuple[bytes, bytes]:
    return derive_key_block(data_key.expose(), salt=salt, label=Label.ITEM, context=prefix + context.encode())


def _encode_nonce(index: int, *, final: bool) -> bytes:
    """Encode counter (11, big-endian) ‖ final flag (1)."""
    return index.to_bytes(_COUNTER_BYTES, "big") + (b"\x01" if final else b"\x00")
