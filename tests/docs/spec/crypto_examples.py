"""Recomputes every example of spec/keys.md and spec/envelope.md from fixed inputs."""

from solekey.crypto import (
    DataKey,
    ItemContext,
    ItemMetadata,
    KdfParameters,
    LoginIdentity,
    SoftwareDeviceKey,
    UserKey,
    WrapContext,
    derive_login_key,
    seal_bytes,
    seal_wrap,
)
from solekey.crypto.metadata import encode_metadata
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import MIN_INNER_BYTES
from tests.support.crypto.fixtures import counting

ACCOUNT = AccountId.from_raw(counting(0x20, 16))
ITEM = ItemId.from_raw(counting(0x30, 16))
PASSWORD = "cafe\u0301 au lait"
MESSAGE = b"solekey"


def compute_keys_examples() -> dict[str, str]:
    user_key = UserKey(counting(0x00, 32))
    wrapping_key = user_key.derive_wrapping_key(ACCOUNT)
    signing_key = user_key.derive_account_signing_key(ACCOUNT)
    context = WrapContext(ACCOUNT, epoch=1, wrap_version=2, key_id=wrapping_key.key_id)
    wrap = seal_wrap(wrapping_key, DataKey(1, counting(0x40, 32)), context, lambda size: counting(0x60, size))
    identity = LoginIdentity("https://solekey.example", "Ana@example.org")
    login_key = derive_login_key(PASSWORD, KdfParameters(65536, 3, 4, counting(0x80, 16)), identity)
    device_key = SoftwareDeviceKey(counting(0xA0, 32))
    return {
        "account": ACCOUNT,
        "account raw": ACCOUNT.raw.hex(),
        "user key": bytes(user_key.expose()).hex(),
        "phrase": user_key.to_phrase(),
        "key id": user_key.derive_key_id(ACCOUNT),
        "wrapping key": bytes(wrapping_key.expose()).hex(),
        "account signing seed": bytes(signing_key.expose()).hex(),
        "account public key": signing_key.public_key,
        "signature of 736f6c656b6579": signing_key.sign(MESSAGE),
        "data key, epoch 1": counting(0x40, 32).hex(),
        "wrap salt": counting(0x60, 32).hex(),
        "wrap, version 2": wrap.hex(),
        "password, NFKC": "café au lait".encode().hex(),
        "kdf salt": counting(0x80, 16).hex(),
        "origin": identity.origin,
        "user name": identity.username,
        "bound salt": identity.bind(counting(0x80, 16)).hex(),
        "login seed": bytes(login_key.expose()).hex(),
        "login public key": login_key.public_key,
        "device seed": device_key.to_private_bytes().hex(),
        "device public key": device_key.public_key,
        "device id": device_key.device_id,
        "device thumbprint": device_key.thumbprint,
    }


def compute_envelope_examples() -> dict[str, str]:
    metadata = ItemMetadata(
        name="Wi-Fi",
        type="login",
        created_ms=1_700_000_000_000,
        modified_ms=1_700_000_000_001,
        tags=("home",),
        attributes={"user": "ada"},
        revision=2,
    )
    content = b"correct horse"
    data_key = DataKey(1, counting(0x40, 32))
    context = ItemContext(ACCOUNT, ITEM, version=3)
    envelope = seal_bytes(
        content,
        metadata=metadata,
        data_key=data_key,
        context=context,
        random=lambda size: counting(0x60, size),
    )
    encoded = encode_metadata(metadata)
    head = len(encoded).to_bytes(4, "big") + encoded + content
    inner = head.ljust(MIN_INNER_BYTES - 8, b"\x00") + len(content).to_bytes(8, "big")
    return {
        "account raw": ACCOUNT.raw.hex(),
        "item": ITEM,
        "item raw": ITEM.raw.hex(),
        "version": "3",
        "data key, epoch 1": bytes(data_key.expose()).hex(),
        "salt": counting(0x60, 32).hex(),
        "metadata": encoded.decode(),
        "content": content.hex(),
        "inner plaintext": inner.hex(),
        "header": envelope[:74].hex(),
        "nonce of the only chunk": "00" * 11 + "01",
        "associated data": (envelope[:74] + context.encode()).hex(),
        "envelope": envelope.hex(),
    }
