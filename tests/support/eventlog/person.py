"""A person with devices who says signed statements: histories, signed here and not by our client."""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Stream, devices, rotation, vault
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import (
    AccountId,
    KeyId,
    PublicKey,
    SignatureHex,
    Timestamp,
    compute_digest,
    derive_device_id,
)
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement, Statement
from solekey_protocol.wrap import SecretKind

NOON = Timestamp("2026-11-23T12:00:00.000Z")


class Key:
    """An Ed25519 key from a label."""

    def __init__(self, label: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
        self.public = PublicKey(self._key.public_key().public_bytes_raw().hex())
        self.certificate = devices.DeviceCertificate(
            derive_device_id(self.public), self.public, Platform.LINUX, compute_digest(label.encode())
        )

    def sign(self, message: bytes) -> SignatureHex:
        return SignatureHex(self._key.sign(message).hex())


class Person:
    """An account, its keys, and what its streams say so far."""

    def __init__(self, name: str) -> None:
        self.account = AccountId.from_raw(hashlib.sha256(name.encode()).digest()[:16])
        self.user_key, self.laptop, self.phone = (Key(f"{name} {key}") for key in ("user", "laptop", "phone"))
        self.key_id = KeyId(hashlib.sha256(name.encode()).hexdigest()[:32])
        self.events: dict[Stream, list[Event]] = {stream: [] for stream in Stream}

    def head(self, stream: Stream) -> Head:
        return self.events[stream][-1].head if self.events[stream] else EMPTY_HEAD

    def commit_key(self, epoch: int) -> Key:
        return Key(f"commit key of epoch {epoch}")

    def sign(
        self, body: Body, *, device: Key | None = None, heads: Mapping[Stream, Head] | None = None
    ) -> SignedStatement:
        """Sign a statement for the next place, having seen all that was said before."""
        device = device or self.laptop
        if heads is None:
            heads = {s: self.head(s) for s in Stream if s is not body.STREAM and self.events[s]}
        after = self.head(body.STREAM)
        statement = Statement(
            self.account, after.seq + 1, after.digest, heads, device.certificate.device, body
        )
        commit_key = self.commit_key(getattr(body, "epoch", 1))
        keys = {"device": device, "account": self.user_key, "commit": commit_key}
        message = statement.signing_bytes()
        return SignedStatement(statement, {s: keys[s.value].sign(message) for s in body.SIGNERS})

    def say(self, body: Body | SignedStatement, **how: Key) -> Event:
        """Say something, as a service would write it down."""
        said = self.sign(body, **how) if isinstance(body, Body) and body.SIGNERS else body
        stream = said.statement.stream if isinstance(said, SignedStatement) else said.STREAM
        event = encode_event(said, account=self.account, after=self.head(stream), time=NOON)
        self.events[stream].append(event)
        return event

    def found(self) -> Event:
        return self.say(devices.AccountFounded(self.user_key.public, self.key_id, self.laptop.certificate))

    def enrol(self) -> Event:
        return self.say(devices.DeviceEnrolled(self.phone.certificate), device=self.phone)

    def trust(self) -> Event:
        body = devices.DeviceTrusted(self.user_key.public, self.phone.certificate)
        return self.say(body, device=self.phone)

    def revoke(
        self, reason: devices.RevocationReason = devices.RevocationReason.LOST, device: Key | None = None
    ) -> Event:
        revoked = (device or self.phone).certificate.device
        return self.say(devices.DeviceRevoked(revoked, reason))

    def wrapped(self, version: int = 1) -> vault.KeyWrapped:
        return vault.KeyWrapped(
            SecretKind.DATA_KEY,
            1,
            version,
            self.key_id,
            vault.WrapSuite.HKDF_SHA256_AES256GCM,
            compute_digest(f"wrap {version}".encode()),
            self.commit_key(1).public,
            None,
        )

    def policy(self, days: int = 90) -> rotation.PolicySet:
        return rotation.PolicySet(days, days)
