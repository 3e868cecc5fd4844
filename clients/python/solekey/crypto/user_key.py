"""The user key: the sole key that opens an account's data. Spec: keys.md §3."""

import os
from typing import Self

from solekey.crypto.hkdf import KEY_BYTES, Label, derive_bytes
from solekey.crypto.phrase import encode_phrase, parse_phrase
from solekey.crypto.secrets import SecretBytes
from solekey.crypto.signing import AccountSigningKey
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, KeyId


class WrappingKey(SecretBytes):
    """Seals and opens the wraps of one account; derived from the user key. Knows its key id."""

    __slots__ = ("key_id",)

    def __init__(self, secret: bytes, key_id: KeyId) -> None:
        super().__init__(secret)
        self.key_id = key_id


class UserKey(SecretBytes):
    """32 random bytes that only the user has."""

    __slots__ = ()

    @classmethod
    def make(cls) -> Self:
        """Make a new user key from the operating system's random bytes."""
        return cls(os.urandom(cls.SIZE))

    @classmethod
    def from_phrase(cls, phrase: str) -> Self:
        """Parse the 24 words that the user wrote down; letter case and spacing do not matter.

        Raises:
            PhraseLengthError: not 24 words.
            UnknownWordError: a word that is not in the list: which, where, and what may be meant.
            PhraseChecksumError: known words that are no phrase.
        """
        entropy = parse_phrase(phrase)
        try:
            return cls(entropy)
        finally:
            entropy[:] = bytes(len(entropy))

    def copy(self) -> Self:
        """Copy it, for what takes a user key over and wipes it."""
        return type(self)(self.expose())

    def to_phrase(self) -> str:
        """Encode as 24 BIP-39 words, to be written down. The result is a secret that cannot be wiped."""
        return encode_phrase(bytes(self.expose()))

    def derive_key_id(self, account: AccountId) -> KeyId:
        """Derive the public name of this key for one account: 16 bytes. Spec: keys.md §3.2."""
        return KeyId(self._derive(account, Label.KEY_ID, RAW_ID_BYTES).hex())

    def derive_wrapping_key(self, account: AccountId) -> WrappingKey:
        """Derive the key that wraps the account's secrets. Spec: keys.md §3.3."""
        secret = self._derive(account, Label.WRAPPING_KEY, KEY_BYTES)
        return WrappingKey(secret, self.derive_key_id(account))

    def derive_account_signing_key(self, account: AccountId) -> AccountSigningKey:
        """Derive the key that certifies the account's devices. Spec: keys.md §3.4."""
        return AccountSigningKey(self._derive(account, Label.ACCOUNT_SIGNING_KEY, KEY_BYTES))

    def _derive(self, account: AccountId, label: Label, size: int) -> bytes:
        return derive_bytes(self.expose(), salt=account.raw, label=label, size=size)
