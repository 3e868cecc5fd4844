"""An author of statements: an account, its devices, and what its streams say so far."""

from collections.abc import Mapping

from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Signer, Stream, devices, rotation, vault
from solekey_protocol.ids import (
    AccountId,
    KeyId,
    Timestamp,
    compute_digest,
)
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from solekey_protocol.wrap import SecretKind
from tests.support.keys import Key, derive_commit_key, derive_raw, sign_statement

NOON = Timestamp("2026-11-23T12:00:00.000Z")


class Author:
    """An account, its keys, and what its streams say so far."""

    def __init__(self, name: str) -> None:
        self.account = AccountId.from_raw(derive_raw(name))
        self.user_key, self.laptop, self.phone = (Key(f"{name} {key}") for key in ("user", "laptop", "phone"))
        self.key_id = KeyId(derive_raw(name).hex())
        self.events: dict[Stream, list[Event]] = {stream: [] for stream in Stream}

    def head(self, stream: Stream) -> Head:
        return self.events[stream][-1].head if self.events[stream] else EMPTY_HEAD

    def sign(
        self, body: Body, *, device: Key | None = None, heads: Mapping[Stream, Head] | None = None
    ) -> SignedStatement:
        """Sign a statement for the next place, having seen all that was said before."""
        device = device or self.laptop
        if heads is None:
            heads = {s: self.head(s) for s in Stream if s is not body.STREAM and self.events[s]}
        keys = {Signer.DEVICE: device, Signer.ACCOUNT: self.user_key}
        return sign_statement(self.account, body, self.head(body.STREAM), heads, keys)

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
            derive_commit_key(1).public,
            None,
        )

    def policy(self, days: int = 90) -> rotation.PolicySet:
        return rotation.PolicySet(days, days)
