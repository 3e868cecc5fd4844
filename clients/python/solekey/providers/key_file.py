"""The key file: a user key sealed under a passphrase. Bytes in, bytes out. Spec: key-providers.md §2.

Wire format (146 bytes)::

    offset  size  field
         0     4  magic ``SKF1``: family SKF, format version 1
         4     1  suite: 0x01 = Argon2id, HKDF-SHA256, AES-256-GCM
         5     1  secret kind: 0x01 = user key
         6     4  Argon2id memory in KiB
        10     4  Argon2id iterations
        14     4  Argon2id lanes
        18    16  salt, random
        34    16  account, raw
        50    16  key id
        66    32  commitment
        98    32  ciphertext
       130    16  tag
"""

import hmac
import struct
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solekey.crypto import KdfParameters, RandomSource, UserKey
from solekey.crypto.hkdf import COMMITMENT_BYTES, KEY_BYTES, Label, derive_key_block
from solekey.crypto.login_key import MIN_ITERATIONS, MIN_LANES, MIN_MEMORY_KIB
from solekey.errors import (
    ForeignUserKeyError,
    KdfParametersError,
    KeyFileKdfError,
    MalformedKeyFileError,
    TamperedKeyFileError,
    UnsupportedFormatError,
    WeakPassphraseError,
    WrongPassphraseError,
)
from solekey_protocol.ids import RAW_ID_BYTES, AccountId, KeyId

FAMILY: Final = b"SKF"
VERSION: Final = b"1"
SUITE_ARGON2ID_AES_256_GCM: Final = 0x01
KIND_USER_KEY: Final = 0x01
SALT_BYTES: Final = 16
MIN_PASSPHRASE_CHARS: Final = 12

_TAG_BYTES: Final = 16
_PREFIX: Final = struct.Struct(f">3s1sBBIII{SALT_BYTES}s{RAW_ID_BYTES}s{RAW_ID_BYTES}s")
_HEADER_BYTES: Final = _PREFIX.size + COMMITMENT_BYTES
KEY_FILE_BYTES: Final = _HEADER_BYTES + KEY_BYTES + _TAG_BYTES
_NONCE: Final = bytes(12)  # the key is derived from a fresh salt and used once


@dataclass(frozen=True, slots=True)
class KeyFileHeader:
    """What a key file says without its passphrase. Nothing of it is authentic before the file is opened."""

    kdf: KdfParameters
    account: AccountId
    key_id: KeyId


def seal_key_file(user_key: UserKey, account: AccountId, passphrase: str, random: RandomSource) -> bytes:
    """Seal a user key under a new passphrase.

    Wire format: see the module. AEAD key ‖ commitment = HKDF(Argon2id(NFKC(passphrase), salt), salt, label
    key-file, context = bytes 0…65). Associated data: bytes 0…97.

    Raises:
        WeakPassphraseError: shorter than 12 characters, or no Unicode text.
    """
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise WeakPassphraseError(f"the passphrase has fewer than {MIN_PASSPHRASE_CHARS} characters")
    kdf = KdfParameters(MIN_MEMORY_KIB, MIN_ITERATIONS, MIN_LANES, random(SALT_BYTES))
    prefix = _PREFIX.pack(
        FAMILY,
        VERSION,
        SUITE_ARGON2ID_AES_256_GCM,
        KIND_USER_KEY,
        kdf.memory_kib,
        kdf.iterations,
        kdf.lanes,
        kdf.salt,
        account.raw,
        bytes.fromhex(user_key.derive_key_id(account)),
    )
    key, commitment = _derive(passphrase, kdf, prefix)
    header = prefix + commitment
    return header + AESGCM(key).encrypt(_NONCE, user_key.expose(), header)


def parse_key_file(data: bytes) -> KeyFileHeader:
    """Parse what a key file says, before anybody is asked for a passphrase. Spec: key-providers.md §2.3.

    Raises:
        MalformedKeyFileError: another length or magic.
        UnsupportedFormatError: another format version, suite or secret kind.
        KeyFileKdfError: Argon2id parameters below the floor or above the ceiling (keys.md §6.2).
    """
    if not data.startswith(FAMILY):
        raise MalformedKeyFileError("this is not a key file")
    if data[len(FAMILY) : len(FAMILY) + 1] not in (VERSION, b""):
        raise UnsupportedFormatError("the key file has a format version that this release does not know")
    if len(data) != KEY_FILE_BYTES:
        raise MalformedKeyFileError(f"a key file has {KEY_FILE_BYTES} bytes, this one has {len(data)}")
    _, _, suite, kind, memory_kib, iterations, lanes, salt, account, key_id = _PREFIX.unpack_from(data)
    if (suite, kind) != (SUITE_ARGON2ID_AES_256_GCM, KIND_USER_KEY):
        raise UnsupportedFormatError("the key file has a suite or kind that this release does not know")
    try:
        kdf = KdfParameters(memory_kib, iterations, lanes, salt)
    except KdfParametersError as error:
        raise KeyFileKdfError("the key file's Argon2id parameters are outside of what is used") from error
    return KeyFileHeader(kdf, AccountId.from_raw(account), KeyId(key_id.hex()))


def open_key_file(data: bytes, account: AccountId, passphrase: str) -> UserKey:
    """Open a key file of one account. Spec: key-providers.md §2.3.

    Raises:
        MalformedKeyFileError, UnsupportedFormatError, KeyFileKdfError: see `parse_key_file`.
        ForeignUserKeyError: it says that it is another account's; the passphrase was not used.
        WrongPassphraseError: another passphrase, or an altered header or commitment: which, nobody can tell.
        TamperedKeyFileError: the passphrase is right, the sealed key was altered.
    """
    header = parse_key_file(data)
    if header.account != account:
        raise ForeignUserKeyError(f"the key file is of account {header.account}, not of {account}")
    try:
        key, commitment = _derive(passphrase, header.kdf, data[: _PREFIX.size])
    except WeakPassphraseError as error:
        raise WrongPassphraseError("the passphrase is no Unicode text") from error
    if not hmac.compare_digest(commitment, data[_PREFIX.size : _HEADER_BYTES]):
        raise WrongPassphraseError("the passphrase does not open the file, or its header was altered")
    try:
        user_key = UserKey(AESGCM(key).decrypt(_NONCE, data[_HEADER_BYTES:], data[:_HEADER_BYTES]))
    except InvalidTag as error:
        raise TamperedKeyFileError("the sealed key in the file was altered") from error
    if user_key.derive_key_id(account) != header.key_id:
        user_key.wipe()
        raise TamperedKeyFileError("the file's key id is not its key's: its writer was broken")
    return user_key


def _derive(passphrase: str, kdf: KdfParameters, prefix: bytes) -> tuple[bytes, bytes]:
    try:
        normalised = unicodedata.normalize("NFKC", passphrase).encode()
    except UnicodeEncodeError as error:
        raise WeakPassphraseError("the passphrase is no Unicode text") from error
    stretched = kdf.strength.stretch(normalised, kdf.salt)
    return derive_key_block(stretched, salt=kdf.salt, label=Label.KEY_FILE, context=prefix)
