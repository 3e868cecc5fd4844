"""Wraps: a secret sealed under the user key for one place, and for no other. Spec: keys.md §5."""

import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solekey.crypto.data_key import DataKey
from solekey.crypto.hkdf import Label, derive_key_block
from solekey.crypto.secrets import RandomSource
from solekey.crypto.user_key import WrappingKey
from solekey.errors import TamperedWrapError, UnsupportedFormatError, WrongUserKeyError
from solekey_protocol.errors import MalformedError, UnsupportedError
from solekey_protocol.ids import AccountId, KeyId
from solekey_protocol.wrap import (
    WRAP_HEADER_BYTES,
    WRAP_SUITE_AES_256_GCM,
    SecretKind,
    encode_wrap_prefix,
    parse_wrap_header,
)

_SALT_BYTES: Final = 32
_NONCE: Final = bytes(12)  # the key is derived from a fresh salt and used once


@dataclass(frozen=True, slots=True)
class WrapContext:
    """The place that a wrap is bound to; taken from a signed statement, never from the wrap itself."""

    account: AccountId
    epoch: int
    wrap_version: int
    key_id: KeyId
    kind: SecretKind = SecretKind.DATA_KEY
    suite: int = WRAP_SUITE_AES_256_GCM

    def encode_prefix(self) -> bytes:
        """Encode the header's first 30 bytes, which say all but the account."""
        return encode_wrap_prefix(self.suite, self.kind, self.epoch, self.wrap_version, self.key_id)


def seal_wrap(
    wrapping_key: WrappingKey, secret: DataKey, context: WrapContext, random: RandomSource
) -> bytes:
    """Seal a data key for its place.

    Wire format (142 bytes): header (94; see `solekey_protocol.wrap`) ‖ AES-256-GCM(secret) (32) ‖ tag (16).
    Associated data: header ‖ account (16). Spec: keys.md §5.

    Raises:
        ValueError: the secret's epoch or the wrapping key's id is not the context's.
    """
    if secret.epoch != context.epoch or wrapping_key.key_id != context.key_id:
        raise ValueError("the wrap's context names another epoch or user key")
    salt = random(_SALT_BYTES)
    key, commitment = _derive(wrapping_key, context, salt)
    header = context.encode_prefix() + salt + commitment
    return header + AESGCM(key).encrypt(_NONCE, secret.expose(), header + context.account.raw)


def open_wrap(wrapping_key: WrappingKey, wrap: bytes, context: WrapContext) -> DataKey:
    """Open a wrap that must have been sealed for this place. Spec: keys.md §5.

    Raises:
        WrongUserKeyError: the place's key id is another user key's.
        UnsupportedFormatError: another format version, suite or kind than this release knows.
        TamperedWrapError: altered, cut, or sealed for another account, epoch, version, kind or user key.
    """
    if wrapping_key.key_id != context.key_id:
        raise WrongUserKeyError("this user key did not make the wrap")
    try:
        header = parse_wrap_header(wrap)
    except UnsupportedError as error:
        raise UnsupportedFormatError(str(error)) from error
    except MalformedError as error:
        raise TamperedWrapError("header") from error
    if not wrap.startswith(context.encode_prefix()):
        raise TamperedWrapError("place")
    key, commitment = _derive(wrapping_key, context, header.salt)
    if not hmac.compare_digest(commitment, header.commitment):
        raise TamperedWrapError("commitment")
    associated_data = wrap[:WRAP_HEADER_BYTES] + context.account.raw
    try:
        secret = AESGCM(key).decrypt(_NONCE, wrap[WRAP_HEADER_BYTES:], associated_data)
    except InvalidTag as error:
        raise TamperedWrapError("tag") from error
    return DataKey(header.epoch, secret)


def _derive(wrapping_key: WrappingKey, context: WrapContext, salt: bytes) -> tuple[bytes, bytes]:
    info = context.encode_prefix() + context.account.raw
    return derive_key_block(wrapping_key.expose(), salt=salt, label=Label.WRAP, context=info)
