"""Who speaks in service tests: an Actor is one device of one account, and signs with its own keys.

Nothing here is Solekey's client: the services are tested against independent signing code.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from solekey_protocol.encoding import encode_cbor
from solekey_protocol.events import Body, Signer, Stream, devices
from solekey_protocol.events.fields import Platform
from solekey_protocol.ids import (
    AccountId,
    DeviceId,
    Digest,
    KeyId,
    RotationId,
    SessionId,
    derive_device_id,
)
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from solekey_service.http import Caller, Headers, Request
from tests.support.keys import Key, derive_raw, sign_statement


@dataclass(frozen=True)
class UserKey:
    """A user key as far as a server can tell: its id and the account signing key derived from it."""

    label: str
    key_id: KeyId = field(init=False)
    signing: Key = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_id", KeyId(derive_raw(f"key id {self.label}").hex()))
        object.__setattr__(self, "signing", Key(f"account key {self.label}"))


def derive_name_commitment(device: DeviceId, name: str, salt: str) -> Digest:
    """Spec: devices.md §4."""
    message = b"solekey/v2/device-name\x00" + device.raw + bytes.fromhex(salt) + name.encode()
    return Digest(hashlib.sha256(message).hexdigest())


class Actor:
    """One device of one account."""

    def __init__(self, account: str, device: str, user_key: UserKey | None = None) -> None:
        self.account = AccountId.from_raw(derive_raw(f"account {account}"))
        self.user_key = user_key or UserKey(f"{account}'s first user key")
        self.key = Key(f"device {device} of {account}")
        self.device = derive_device_id(self.key.public)
        self.session = SessionId.from_raw(derive_raw(f"session {device} of {account}"))
        self.name = {"name": device, "salt": derive_raw(f"salt {device}").hex()}
        self.certificate = devices.DeviceCertificate(
            self.device, self.key.public, Platform.LINUX, derive_name_commitment(self.device, **self.name)
        )

    @property
    def caller(self) -> Caller:
        return Caller(self.account, self.device, self.session, self.key.public)

    def sign(
        self,
        body: Body,
        after: Head = EMPTY_HEAD,
        heads: Mapping[Stream, Head] | None = None,
        *,
        account: Key | None = None,
        next_account: Key | None = None,
        device: Key | None = None,
        commit: Key | None = None,
    ) -> SignedStatement:
        """Sign a statement that follows ``after``; another key may be given for each signer."""
        keys = {
            Signer.DEVICE: device or self.key,
            Signer.ACCOUNT: account or self.user_key.signing,
            Signer.NEXT_ACCOUNT: next_account or self.user_key.signing,
            **({Signer.COMMIT: commit} if commit else {}),
        }
        return sign_statement(self.account, body, after, heads or {}, keys, device=self.device)

    def request(
        self,
        document: Any = None,
        *,
        method: str = "POST",
        path: str = "/v1/test",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request of this actor as the guard would hand it on: JSON for a document, as it is for bytes."""
        raw = isinstance(document, bytes)
        content_type = "application/octet-stream" if raw else "application/json"
        body = document if raw else b"" if document is None else json.dumps(document).encode()
        fields = Headers({"Content-Type": content_type, **(headers or {})})
        return Request(method, path, query or {}, fields, body, self.caller)

    def cbor_request(self, document: Any) -> Request:
        """A request with a CBOR body."""
        request = self.request(encode_cbor(document))
        return replace(request, headers=Headers({"Content-Type": "application/cbor"}))

    def founded(self) -> devices.AccountFounded:
        return devices.AccountFounded(self.user_key.signing.public, self.user_key.key_id, self.certificate)

    def enrolled(self) -> devices.DeviceEnrolled:
        return devices.DeviceEnrolled(self.certificate)

    def trusted(self) -> devices.DeviceTrusted:
        return devices.DeviceTrusted(self.user_key.signing.public, self.certificate)

    def key_changed(self, new: UserKey, rotation: RotationId, *others: "Actor") -> devices.AccountKeyChanged:
        return devices.AccountKeyChanged(
            self.user_key.signing.public,
            new.signing.public,
            new.key_id,
            rotation,
            tuple(actor.certificate for actor in (self, *others)),
        )


def derive_rotation_id(label: str) -> RotationId:
    """A rotation's id from a label."""
    return RotationId.from_raw(derive_raw(f"rotation {label}"))
