"""The key of the item index on this device's disk: seals its rows, and names without showing them.

Spec: item-index.md §2.
"""

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solekey.crypto.data_key import DataKey
from solekey.crypto.hkdf import KEY_BYTES, Label, derive_bytes, derive_key_block
from solekey.crypto.secrets import Confidential, RandomSource, SecretBytes
from solekey.errors import OpenError, WipedSecretError
from solekey_protocol.ids import AccountId

SALT_BYTES: Final = 32
NAME_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12


class _NameKey(SecretBytes):
    """The key of the name tags."""

    __slots__ = ()


class IndexKey(Confidential):
    """Derived from one epoch's data key and the index file's salt. Wipe it when the account is locked.

    Attributes:
        epoch: of the data key.
        salt: of the file.
        commitment: binds the file to this key; it stands in the file.
    """

    __slots__ = ("_aead", "_name_key", "_place", "_random", "commitment", "epoch", "salt")

    def __init__(self, data_key: DataKey, account: AccountId, salt: bytes, random: RandomSource) -> None:
        context = account.raw + data_key.epoch.to_bytes(4, "big")
        secret = data_key.expose()
        key, self.commitment = derive_key_block(secret, salt=salt, label=Label.INDEX, context=context)
        names = derive_bytes(secret, salt=salt, label=Label.INDEX_NAMES, size=KEY_BYTES, context=context)
        self.epoch, self.salt = data_key.epoch, salt
        self._aead: AESGCM | None = AESGCM(key)
        self._name_key = _NameKey(names)
        self._place = account.raw
        self._random = random

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        """Seal a row. Wire format: nonce (12) ‖ AES-256-GCM(plaintext) ‖ tag (16)."""
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, self._place + place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Open a row.

        Raises:
            OpenError: it was sealed for another place, or under another key, or was altered.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._place + place)
        except (InvalidTag, ValueError) as error:
            raise OpenError("chunk") from error

    def derive_name_tag(self, folded_name: str) -> bytes:
        """Derive what stands for a name in the file: the first 16 bytes of HMAC-SHA256."""
        message = folded_name.encode("utf-8", "surrogatepass")
        return hmac.digest(self._name_key.expose(), message, hashlib.sha256)[:NAME_TAG_BYTES]

    def wipe(self) -> None:
        """Forget the keys (best effort); every later use raises."""
        self._aead = None
        self._name_key.wipe()

    @property
    def _cipher(self) -> AESGCM:
        if self._aead is None:
            raise WipedSecretError("the account is locked again")
        return self._aead
