"""Journals in a profile folder: records that are sealed one by one under the data key. Spec: keys.md §5.4.

What a client keeps about items on disk is sealed like the items themselves. A journal is appended to, and
written anew under the newest epoch when the data key was replaced. No key is kept between two calls.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solekey.crypto.data_key import DataKey
from solekey.crypto.hkdf import COMMITMENT_BYTES, Label, derive_key_block
from solekey.crypto.secrets import RandomSource
from solekey.errors import OpenError
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MAX_EPOCH, MIB

HEADER_BYTES: Final = 72
MAX_RECORD_BYTES: Final = 64 * MIB
_MAGIC: Final = b"SKJ1"
_SALT_BYTES: Final = 32
_SALT_AT: Final = 8
_NONCE_BYTES: Final = 12
_LENGTH_BYTES: Final = 4
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class JournalContext:
    """What a journal is bound to. ``purpose``: a word of lower-case letters, such as ``seen``."""

    account: AccountId
    purpose: str

    def encode(self) -> bytes:
        """Encode the context of its key: account (16 bytes) ‖ purpose."""
        return self.account.raw + self.purpose.encode("ascii")


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """The first bytes of a journal.

    Wire format (72 bytes): ``SKJ1`` ‖ epoch (4) ‖ salt (32) ‖ commitment (32). Spec: keys.md §5.4.
    """

    raw: bytes

    @classmethod
    def make(cls, data_key: DataKey, context: JournalContext, random: RandomSource) -> Self:
        """Make the header of a new journal."""
        prefix = _MAGIC + data_key.epoch.to_bytes(4, "big")
        salt = random(_SALT_BYTES)
        return cls(prefix + salt + _derive(data_key, salt, context)[1])

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse the header at the beginning of a journal. Raises OpenError."""
        header = cls(data[:HEADER_BYTES])
        if (
            len(header.raw) < HEADER_BYTES
            or not data.startswith(_MAGIC)
            or not 1 <= header.epoch <= MAX_EPOCH
        ):
            raise OpenError("header")
        return header

    @property
    def epoch(self) -> int:
        """The epoch of the data key that it is sealed under."""
        return int.from_bytes(self.raw[len(_MAGIC) : _SALT_AT], "big")

    def seal(
        self, record: bytes, *, data_key: DataKey, context: JournalContext, random: RandomSource
    ) -> bytes:
        """Seal one record, to be appended.

        Wire format: length of what follows (4) ‖ nonce (12, random) ‖ AES-256-GCM(record) ‖ tag (16).
        Associated data: header ‖ account. Spec: keys.md §5.4.
        """
        nonce = random(_NONCE_BYTES)
        sealed = nonce + self._cipher(data_key, context).encrypt(
            nonce, record, self.raw + context.account.raw
        )
        return len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed

    def iter_records(self, journal: bytes, *, data_key: DataKey, context: JournalContext) -> Iterator[bytes]:
        """Open the records of a journal, in order.

        Raises:
            OpenError: another data key, account or purpose; a record that was altered or cut. What was
                yielded before is authentic.
        """
        cipher, associated_data = self._cipher(data_key, context), self.raw + context.account.raw
        at = HEADER_BYTES
        while at < len(journal):
            start = at + _LENGTH_BYTES
            size = int.from_bytes(journal[at:start], "big")
            at = start + size
            if not _NONCE_BYTES + _TAG_BYTES <= size <= MAX_RECORD_BYTES or at > len(journal):
                raise OpenError("chunk")
            try:
                yield cipher.decrypt(
                    journal[start : start + _NONCE_BYTES], journal[start + _NONCE_BYTES : at], associated_data
                )
            except InvalidTag as error:
                raise OpenError("chunk") from error

    def _cipher(self, data_key: DataKey, context: JournalContext) -> AESGCM:
        key, commitment = _derive(data_key, self.raw[_SALT_AT : _SALT_AT + _SALT_BYTES], context)
        if data_key.epoch != self.epoch or not hmac.compare_digest(
            commitment, self.raw[HEADER_BYTES - COMMITMENT_BYTES :]
        ):
            raise OpenError("commitment")
        return AESGCM(key)


def _derive(data_key: DataKey, salt: bytes, context: JournalContext) -> tuple[bytes, bytes]:
    return derive_key_block(data_key.expose(), salt=salt, label=Label.JOURNAL, context=context.encode())
