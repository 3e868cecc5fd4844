"""An account over HTTP: a laptop, and phones that it revokes. Signs without Solekey's code.

A ``Site`` says where the services are. A ``Device`` keeps one open connection to each service, and a session;
what it is refused is an ``Answer`` like any other. ``bench/revocation.py`` uses both.
"""

import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from typing import Any

from solekey_protocol.event import parse_event
from solekey_protocol.events import Body, devices
from solekey_protocol.services import Service
from solekey_protocol.statements import EMPTY_HEAD, Head, SignedStatement
from tests.support.actors import Actor
from tests.support.people.codes import Codes
from tests.support.people.person import Person
from tests.support.tickets import make_proof

SERVICES = tuple(Service)
_TIMEOUT_S = 30
_PATIENCE_S = 30
_PAUSE_S = 0.05
_REFUSED = 400
_BUSY = 503


@dataclass(frozen=True, slots=True)
class Site:
    """Where a platform is: its name to clients, the address of each service, and TLS where it is spoken."""

    origin: str
    addresses: Mapping[Service, str]
    tls: ssl.SSLContext | None = None

    def connect(self, service: Service) -> HTTPConnection:
        """Make a connection, which stays open."""
        address = self.addresses[service]
        if self.tls is None:
            return HTTPConnection(address, timeout=_TIMEOUT_S)
        return HTTPSConnection(address, timeout=_TIMEOUT_S, context=self.tls)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said, and when that was here, by the monotonic clock."""

    status: int
    raw: bytes
    at_s: float

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that it is."""
        members: dict[str, Any] = json.loads(self.raw)
        return members

    @property
    def told(self) -> str:
        """The status, with a problem's code: ``200``, or ``403 device_revoked``."""
        return f"{self.status} {self.document['code']}" if self.status >= _REFUSED else str(self.status)


@dataclass
class Device:
    """One device of an account, with its connections and what its session was given."""

    site: Site
    actor: Actor
    tokens: Mapping[str, str] = field(default_factory=dict)
    refresh_token: str = ""
    after: str = ""
    """What it has seen, as it says to the services."""
    lines: dict[Service, HTTPConnection] = field(default_factory=dict)
    nonce: str | None = None
    """The newest that auth gave for proofs without a token (RFC 9449 §8)."""

    def ask(self, service: Service, method: str = "GET", path: str = "events", body: Any = None) -> Answer:
        """Send a request of its session; ``body`` is JSON, or bytes as they are."""
        return self.send(service, method, path, body, token=self.tokens[service])

    def ask_until_known(self, service: Service, *request: Any) -> Answer:
        """Ask as a client does: again while the service says that it does not know yet."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while (answer := self.ask(service, *request)).status == _BUSY:
            assert time.monotonic() < deadline_s, answer
            time.sleep(_PAUSE_S)
        return answer

    def send(
        self, service: Service, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> Answer:
        """Send a request with a fresh proof on the open connection; again when it asks for a nonce."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        media = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        fields = self.prove(service, method, path, token=token)
        if content:
            fields["Content-Type"] = media
        line = self.lines.setdefault(service, self.site.connect(service))
        line.request(method, f"/v1/{service}/{path}", content, fields)
        response = line.getresponse()
        self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
        answer = Answer(response.status, response.read(), time.monotonic())
        if answer.told == "401 use_dpop_nonce":
            return self.send(service, method, path, body, token=token)
        return answer

    def prove(self, service: Service, method: str, path: str, *, token: str | None) -> dict[str, str]:
        """Make the header fields that say who is asking, with a fresh proof."""
        proof = make_proof(
            self.actor.key,
            method,
            f"{self.site.origin}/v1/{service}/{path}",
            datetime.now(UTC),
            token=token,
            proof_id=secrets.token_hex(16),
            nonce=self.nonce if token is None else None,
        )
        if token is None:
            return {"DPoP": proof}
        return {"DPoP": proof, "Authorization": f"DPoP {token}", "Solekey-After": self.after}

    def adopt(self, answer: Answer) -> None:
        """Take over the session of a login or a refresh."""
        assert answer.status in {200, 201}, answer
        self.tokens = answer.document["tokens"]
        self.refresh_token = answer.document["refresh_token"]

    def refresh(self) -> Answer:
        """Trade the refresh token, without adopting what comes."""
        return self.send(Service.AUTH, "POST", "sessions/refresh", {"refresh_token": self.refresh_token})

    def hang_up(self) -> None:
        """Close the connections; the next requests open new ones."""
        for line in self.lines.values():
            line.close()
        self.lines.clear()


class Household:
    """An account: registered, and founded by its laptop."""

    def __init__(self, site: Site) -> None:
        self.head: Head = EMPTY_HEAD
        self._site = site
        self._name = f"user-{secrets.token_hex(6)}"
        self._devices: list[Device] = []
        self._codes = Codes()
        self.laptop = self._add("laptop")

    def sign_up(self) -> None:
        """Register, log in on the laptop, found the account."""
        answer = self.laptop.send(Service.AUTH, "POST", "accounts", self._person.registration())
        assert answer.status == 201, answer
        self._codes.secret = answer.document["totp"]["secret"]
        self.laptop.adopt(self.log_in(self.laptop))
        answer = self.laptop.ask_until_known(Service.AUTH, "POST", "factors/recovery-codes", {})
        assert answer.status == 201, answer
        self._codes.recovery += answer.document["codes"]
        self.say(self.laptop, self.laptop.actor.founded())

    def add_phone(self, name: str, *, trusted: bool = True) -> Device:
        """Log in on a new device and enrol it; trust it, as its user does with the user key."""
        phone = self._add(name)
        phone.adopt(self.log_in(phone))
        self.say(phone, phone.actor.enrolled())
        if trusted:
            self.say(phone, phone.actor.trusted())
        return phone

    def log_in(self, device: Device) -> Answer:
        """Log in on a device, however that ends, with a recovery code while there are some."""
        person = self._person.with_(actor=device.actor)
        challenge = device.send(Service.AUTH, "POST", "challenges", {"username": person.username})
        recovery = self._codes.recovery
        code = {"kind": "recovery_code", "code": recovery.pop()} if recovery else self._codes.next()
        login = person.login(challenge.document["challenge"], code, origin=self._site.origin)
        return device.send(Service.AUTH, "POST", "sessions", login)

    def sign(self, device: Device, body: Body) -> SignedStatement:
        """Sign a statement that follows the devices head."""
        return device.actor.sign(body, self.head)

    def post(self, device: Device, signed: SignedStatement) -> Answer:
        """Post a statement of the devices stream, however that ends."""
        document = signed.to_json()
        if isinstance(signed.statement.body, devices.AccountFounded | devices.DeviceEnrolled):
            document = {**document, "name": device.actor.name}
        return device.ask_until_known(Service.DEVICES, "POST", "statements", document)

    def say(self, device: Device, body: Body) -> Answer:
        """Say what must be taken, and remember the stream's new head."""
        answer = self.post(device, self.sign(device, body))
        assert answer.status == 201, answer
        self.head = parse_event(answer.raw).head
        device.after = f"devices={self.head.seq}"
        return answer

    def revoke(self, phone: Device) -> Answer:
        """Revoke a phone from the laptop; the answer says when that was acknowledged."""
        stolen = devices.RevocationReason.STOLEN
        return self.say(self.laptop, devices.DeviceRevoked(phone.actor.device, stolen))

    def close(self) -> None:
        """Close all connections."""
        for device in self._devices:
            device.hang_up()

    @property
    def _person(self) -> Person:
        return Person(self._name)

    def _add(self, name: str) -> Device:
        self._devices.append(Device(self._site, Actor(self._name, name)))
        return self._devices[-1]
