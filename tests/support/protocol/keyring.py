"""Keys and a statement writer for protocol tests; nothing here is Solekey's own signing code."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Stream, devices
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import (
    AccountId,
    Digest,
    KeyId,
    PublicKey,
    SignatureHex,
    Timestamp,
    compute_digest,
    derive_device_id,
)
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement, Statement

ACCOUNT = AccountId.from_raw(b"account of tests")
NOON = Timestamp.from_datetime(datetime(2026, 11, 23, 12, tzinfo=UTC))


class Key:
    """An Ed25519 key from a label."""

    def __init__(self, label: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
        self.public = PublicKey(self._key.public_key().public_bytes_raw().hex())
        self.device = derive_device_id(self.public)
        self.certificate = devices.DeviceCertificate(
            self.device, self.public, Platform.LINUX, compute_digest(label.encode())
        )

    def sign(self, message: bytes) -> SignatureHex:
        return SignatureHex(self._key.sign(message).hex())


def commit_key(epoch: int) -> Key:
    """The commit key of an epoch."""
    return Key(f"commit key of epoch {epoch}")


LAPTOP, PHONE, GHOST = Key("laptop"), Key("phone"), Key("ghost")
USER, NEXT_USER, MALLORY = Key("user key"), Key("next user key"), Key("mallory")
KEY_ID, NEXT_KEY_ID = KeyId("01" * 16), KeyId("02" * 16)


def say(
    body: Body,
    after: Head,
    *,
    device: Key = LAPTOP,
    heads: Mapping[Stream, Head] | None = None,
    **signers: Key,
) -> SignedStatement:
    """Sign a statement that follows ``after``; who is not given signs with the right key."""
    statement = Statement(ACCOUNT, after.seq + 1, after.digest, heads or {}, device.device, body)
    true = {"device": device, "account": USER, "commit": commit_key(getattr(body, "epoch", 1))}
    keys = {**true, **signers}
    message = statement.signing_bytes()
    signatures = {signer: keys[signer.value].sign(message) for signer in body.SIGNERS}
    return SignedStatement(statement, signatures)


def record(said: Body | SignedStatement, after: Head = EMPTY_HEAD, account: AccountId = ACCOUNT) -> Event:
    """The event that a service would write."""
    return encode_event(said, account=account, after=after, time=NOON)


def founded() -> devices.AccountFounded:
    """The laptop founds the account."""
    return devices.AccountFounded(USER.public, KEY_ID, LAPTOP.certificate)


def digest(label: str) -> Digest:
    """A digest from a label."""
    return compute_digest(label.encode())
