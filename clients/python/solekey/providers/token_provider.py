"""``pkcs11:…`` for a user key: sealed by a key that never leaves the token. Spec: key-providers.md §4.2.

On the token lie, for each account, an AES key (label = the URI's object, id = account raw) that is sensitive
and cannot be extracted, and a private data object with the sealed user key. Wire format of its value
(97 bytes)::

    0   4  magic ``SKT1``
    4   1  suite: 0x01 = CKM_AES_GCM, 96-bit nonce, 128-bit tag
    5  16  account, raw
   21  16  key id
   37  12  nonce, random
   49  32  ciphertext
   81  16  tag
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

from pkcs11 import (
    Attribute,
    DataInvalid,
    DataLenRange,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GCMParams,
    GeneralError,
    KeyType,
    Mechanism,
    MechanismFlag,
    ObjectClass,
    Session,
)

from solekey.crypto import RandomSource, UserKey
from solekey.errors import (
    ProviderEmptyError,
    ProviderOccupiedError,
    TamperedTokenObjectError,
    TokenError,
    TokenUnsuitableError,
)
from solekey.providers.pkcs11_uri import Pkcs11Uri
from solekey.providers.question import Ask
from solekey.providers.token import TokenObject, open_token, verify_mechanisms
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, KeyId

APPLICATION: Final = "solekey"
DEFAULT_OBJECT: Final = "solekey"
NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
_KEY_BITS: Final = 256
_MAGIC: Final = b"SKT1"
_SUITE: Final = 0x01
_PREFIX: Final = struct.Struct(f">4sB{RAW_ID_BYTES}s{RAW_ID_BYTES}s{NONCE_BYTES}s")
OBJECT_BYTES: Final = _PREFIX.size + UserKey.SIZE + _TAG_BITS // 8
_GCM_REFUSALS: Final = (
    DataInvalid,
    DataLenRange,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
)  # tokens do not agree on what a wrong tag is called; SoftHSM says GeneralError


@dataclass(frozen=True, slots=True)
class TokenProvider:
    """A user key that only the token's own key opens."""

    spec: str
    uri: Pkcs11Uri
    account: AccountId
    ask: Ask
    random: RandomSource

    def load(self) -> UserKey:
        """Have the token open the sealed key.

        Raises:
            TamperedTokenObjectError: what lies there does not open for this account.
            TokenUnsuitableError: the token's key could be taken out of it.
        """
        token = open_token(self.uri, self.ask)
        with token.use() as session:
            sealed = self._find_data(session)
            if sealed is None:
                raise ProviderEmptyError(f"the token {token.name} has no user key of {self.account}")
            sealing_key = self._find_key(session)
            if sealing_key is None:
                raise ProviderEmptyError(f"the token {token.name} has lost the key that opens the user key")
            return self._open(sealing_key, _read_value(sealed))

    def store(self, user_key: UserKey, *, replace: bool = False) -> None:
        """Seal the key on the token, with a key of the token's own; read it back."""
        token = open_token(self.uri, self.ask)
        with token.use() as session:
            present = self._find_data(session)
            key_id = user_key.derive_key_id(self.account)
            if present is not None and not replace and self._read_key_id(present) != key_id:
                raise ProviderOccupiedError(f"the token {token.name} has another user key of this account")
            sealing_key = self._find_key(session) or self._make_key(session)
            value = self._seal(sealing_key, user_key)
            with self._open(sealing_key, value) as opened:
                if opened != user_key:
                    raise TokenError(f"the token {token.name} does not return what it sealed")
            if present is not None:
                present.destroy()
            self._write_data(session, value)
        with self.load() as stored:
            if stored != user_key:
                raise TokenError(f"the token {token.name} does not return what was stored")

    def delete(self) -> None:
        """Delete the sealed key and the key that sealed it."""
        with open_token(self.uri, self.ask).use() as session:
            for found in (self._find_data(session), self._find_key(session, verify=False)):
                if found is not None:
                    found.destroy()

    @property
    def label(self) -> str:
        """The label of the sealing key."""
        return self.uri.object or DEFAULT_OBJECT

    def _find_key(self, session: Session, *, verify: bool = True) -> TokenObject | None:

        template = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: self.label,
            Attribute.ID: self.account.raw,
        }
        key = _find_one(session, template)
        if key is not None and verify:
            verify_unextractable(key)
        return key

    def _make_key(self, session: Session) -> TokenObject:
        verify_mechanisms(session, Mechanism.AES_KEY_GEN, Mechanism.AES_GCM)

        key = session.generate_key(
            KeyType.AES,
            _KEY_BITS,
            label=self.label,
            id=self.account.raw,
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template={Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        try:
            verify_unextractable(key)
        except TokenUnsuitableError:
            key.destroy()
            raise
        return key

    def _find_data(self, session: Session) -> TokenObject | None:

        template = {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.APPLICATION: APPLICATION,
            Attribute.LABEL: self._data_label,
        }
        return _find_one(session, template)

    def _write_data(self, session: Session, value: bytes) -> None:

        session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.APPLICATION: APPLICATION,
                Attribute.LABEL: self._data_label,
                Attribute.VALUE: value,
            }
        )

    @property
    def _data_label(self) -> str:
        return f"{self.label} {self.account}"

    def _read_key_id(self, data: TokenObject) -> KeyId | None:
        value = _read_value(data)
        return KeyId(_PREFIX.unpack_from(value)[3].hex()) if len(value) == OBJECT_BYTES else None

    def _seal(self, sealing_key: TokenObject, user_key: UserKey) -> bytes:

        key_id = bytes.fromhex(user_key.derive_key_id(self.account))
        nonce = self.random(NONCE_BYTES)
        prefix = _PREFIX.pack(_MAGIC, _SUITE, self.account.raw, key_id, nonce)
        sealed = sealing_key.encrypt(
            bytes(user_key.expose()),
            mechanism=Mechanism.AES_GCM,
            mechanism_param=GCMParams(nonce, prefix, _TAG_BITS),
        )
        return prefix + bytes(sealed)

    def _open(self, sealing_key: TokenObject, value: bytes) -> UserKey:

        prefix, sealed = value[: _PREFIX.size], value[_PREFIX.size :]
        if len(value) != OBJECT_BYTES or not prefix.startswith(_MAGIC + bytes([_SUITE]) + self.account.raw):
            raise TamperedTokenObjectError("what lies on the token is not a user key of this account")
        nonce = prefix[-NONCE_BYTES:]
        parameters = GCMParams(nonce, prefix, _TAG_BITS)
        try:
            opened = sealing_key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
        except _GCM_REFUSALS as error:
            raise TamperedTokenObjectError("what lies on the token was altered or moved") from error
        user_key = UserKey(opened)
        if user_key.derive_key_id(self.account) != _PREFIX.unpack(prefix)[3].hex():
            user_key.wipe()
            raise TamperedTokenObjectError("the key id on the token is not its key's")
        return user_key


def verify_unextractable(key: TokenObject) -> None:
    """Verify what the token says of a key: it was made there and cannot leave. Raises TokenUnsuitableError.

    The word of the token is all there is; `tests/unit/client/providers` tries to take the key out.
    """
    expected = {
        Attribute.SENSITIVE: True,
        Attribute.ALWAYS_SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.NEVER_EXTRACTABLE: True,
        Attribute.LOCAL: True,
    }
    for attribute, value in expected.items():
        if key[attribute] is not value:
            raise TokenUnsuitableError(f"the token's key can leave it: {attribute.name} is {key[attribute]}")


def _find_one(session: Session, template: dict[Attribute, Any]) -> TokenObject | None:
    found = list(session.get_objects(template))
    if len(found) > 1:
        raise TokenError(f"the token has {len(found)} objects where there should be one")
    return found[0] if found else None


def _read_value(data: TokenObject) -> bytes:

    return bytes(data[Attribute.VALUE])
