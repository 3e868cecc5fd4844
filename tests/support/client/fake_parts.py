"""What the fake server is made of: accounts in memory, answers, refusals."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from solekey_protocol.encoding import encode_cbor, encode_json
from solekey_protocol.event import Event
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, PublicKey
from solekey_protocol.streams import AuthStream, DevicesStream, RotationStream, VaultStream

Tamper = Callable[[httpx.Request, httpx.Response], httpx.Response]


@dataclass
class FakeAccount:
    account: AccountId
    username: str
    login_key: PublicKey
    kdf: Mapping[str, Any]
    events: dict[Stream, list[Event]] = field(default_factory=lambda: defaultdict(list))
    states: dict[Stream, Any] = field(default_factory=dict)
    wraps: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    names: list[dict[str, str]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    passkeys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {
            Stream.AUTH: AuthStream.start(self.account),
            Stream.DEVICES: DevicesStream.start(self.account),
            Stream.VAULT: VaultStream.start(self.account),
            Stream.ROTATION: RotationStream.start(self.account),
        }


@dataclass
class RefusedError(Exception):
    status: int
    code: str
    more: Mapping[str, Any] = field(default_factory=dict)


def answer(members: Mapping[str, Any], status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=encode_json(members))


def cbor(members: Mapping[str, Any]) -> httpx.Response:
    return httpx.Response(200, content=encode_cbor(members))


def problem(status: int, code: str, more: Mapping[str, Any] | None = None) -> httpx.Response:
    members = {"code": code, "title": code, "status": status, **(more or {})}
    return httpx.Response(status, content=encode_json(members))
