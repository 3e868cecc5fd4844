"""Solekey's client cryptography: the only code that holds a secret key.

A map::

    password ──Argon2id, HKDF──▶ LoginKey ········· proves who you are; decrypts nothing   (login_key)
    UserKey ◀──▶ 24 words                                                                (user_key, phrase)
       ├─HKDF─▶ key id                              which user key made a wrap
       ├─HKDF─▶ AccountSigningKey                   certifies devices                      (signing)
       └─HKDF─▶ WrappingKey ──seal_wrap/open_wrap──▶ wrap of a DataKey                     (wrap)
    DataKey (one an epoch)                                                                 (data_key)
       └─HKDF, fresh salt─▶ item key + commitment   one an item version                    (stream)
             └─STREAM, AES-256-GCM─▶ envelope       metadata ‖ content ‖ padding            (envelope,
                                                             envelope_reader, inner_plaintext, metadata)
    DeviceKey ····················· signs statements and DPoP proofs                       (device_key)

The short of it::

    user_key = UserKey.make()                      # show user_key.to_phrase() once
    wrapping_key = user_key.derive_wrapping_key(account)
    data_key = DataKey.make(1, os.urandom)
    place = WrapContext(account, epoch=1, wrap_version=1, key_id=wrapping_key.key_id)
    wrap = seal_wrap(wrapping_key, data_key, place, os.urandom)
    data_key = open_wrap(wrapping_key, wrap, place)

    context = ItemContext(account, item, version=1)          # from the signed commit, never from the server
    envelope = seal_bytes(b"...", metadata=metadata, data_key=data_key, context=context, random=os.urandom)
    item = open_bytes(envelope, data_key=data_key, context=context)

    for piece in seal_envelope(file.read, content_size=size, metadata=metadata, ...):    # constant memory
    reader = EnvelopeReader(source, data_key=data_key, context=context)
    reader.open_metadata(), reader.open_range(start, size), reader.iter_content()

    parameters = accept_kdf_parameters(UntrustedKdfParameters.parse(from_server))
    login_key = derive_login_key(password, parameters, LoginIdentity(origin, username))

Every secret is a `SecretBytes`: it prints ``<redacted>``, refuses copying and pickling, and wipes itself at
the end of a ``with`` block (best effort). Randomness is an argument; errors are in `solekey.errors`; no
clock, file or network here. Spec: keys.md, envelope.md.
"""

from solekey.crypto.data_key import DataKey
from solekey.crypto.device_key import DeviceKey, SoftwareDeviceKey
from solekey.crypto.envelope import OpenedItem, open_bytes, seal_bytes, seal_envelope
from solekey.crypto.envelope_reader import EnvelopeReader, MemorySource, RangeSource
from solekey.crypto.inner_plaintext import ContentSource
from solekey.crypto.login_key import (
    KdfParameters,
    KdfStrength,
    KnownKdf,
    LoginIdentity,
    LoginKey,
    UntrustedKdfParameters,
    accept_kdf_parameters,
    derive_login_key,
)
from solekey.crypto.metadata import Conflict, ItemMetadata
from solekey.crypto.secrets import Confidential, RandomSource, SecretBytes
from solekey.crypto.signing import AccountSigningKey, SigningKey
from solekey.crypto.stream import ItemContext
from solekey.crypto.user_key import UserKey, WrappingKey
from solekey.crypto.wrap import WrapContext, open_wrap, seal_wrap

__all__ = [
    "AccountSigningKey",
    "Confidential",
    "Conflict",
    "ContentSource",
    "DataKey",
    "DeviceKey",
    "EnvelopeReader",
    "ItemContext",
    "ItemMetadata",
    "KdfParameters",
    "KdfStrength",
    "KnownKdf",
    "LoginIdentity",
    "LoginKey",
    "MemorySource",
    "OpenedItem",
    "RandomSource",
    "RangeSource",
    "SecretBytes",
    "SigningKey",
    "SoftwareDeviceKey",
    "UntrustedKdfParameters",
    "UserKey",
    "WrapContext",
    "WrappingKey",
    "accept_kdf_parameters",
    "derive_login_key",
    "open_bytes",
    "open_wrap",
    "seal_bytes",
    "seal_envelope",
    "seal_wrap",
]
