"""A person at a keyboard, and the auth service's Api in front of them. Signs without Solekey's code."""

import base64
import hashlib
import hmac
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785

from solekey_auth.api import AuthApi
from solekey_auth.definition import DEFINITION
from solekey_eventlog.bus import Record
from solekey_eventlog.secret import Secret
from solekey_protocol.events import Body, Stream
from solekey_protocol.heartbeat import Heartbeat, encode_heartbeat
from solekey_protocol.ids import SessionId, Timestamp
from solekey_protocol.services import HEARTBEAT_TOPIC, Service
from solekey_service.http import Caller, DpopProof, Headers, Request, Response, problem_response
from tests.support.actors import Actor
from tests.support.kernels import Rig
from tests.support.keys import Key, derive_raw
from tests.support.tickets import ORIGIN, thumbprint_of

OPERATOR_KEY = "0b" * 32
SIGNING_KEY = "5e" * 32
KDF = {
    "algorithm": "argon2id",
    "iterations": 3,
    "lanes": 4,
    "memory_kib": 65536,
    "salt": derive_raw("kdf salt").hex(),
}


def compute_code(secret: str, moment: datetime, steps: int = 0) -> str:
    """RFC 6238 by hand: the code of the step that lies ``steps`` from the moment's."""
    counter = int(moment.timestamp()) // 30 + steps
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = mac[-1] & 15
    number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


class Person:
    """Somebody with a password (its login key), an authenticator app, and a device."""

    def __init__(self, name: str = "ana", device: str = "laptop", password: str = "correct") -> None:  # noqa: S107  # an example
        self.username = f"{name}@example.org"
        self.actor = Actor(name, device)
        self.login_key = Key(f"login key of {name}, password {password}")
        self.totp_secret = ""

    def with_(self, **changes: Any) -> "Person":
        """The same person, but for these attributes."""
        other = Person.__new__(Person)
        other.__dict__ = self.__dict__ | changes
        return other

    @property
    def device_key(self) -> Key:
        return self.actor.key

    def registration(self, **changes: Any) -> dict[str, Any]:
        """A registration; ``None`` takes a member out, anything else is signed."""
        members = {
            "account": self.actor.account,
            "username": self.username,
            "login_key": self.login_key.public,
            "kdf": KDF,
            **changes,
        }
        signed = {name: value for name, value in members.items() if value is not None}
        proof = self.login_key.sign(b"solekey/register/v1\x00" + rfc8785.dumps(signed))
        return {**signed, "proof": str(proof)}

    def login(self, challenge: str, code: Any, **signed_otherwise: Any) -> dict[str, Any]:
        """A login with a code or a factor; what is given by name is signed in the place of the truth."""
        signed = {
            "challenge": challenge,
            "origin": ORIGIN,
            "thumbprint": thumbprint_of(self.device_key),
            "username": self.username,
            **signed_otherwise,
        }
        signature = self.login_key.sign(b"solekey/login/v1\x00" + rfc8785.dumps(signed))
        return {
            "username": self.username,
            "challenge": challenge,
            "factor": {"kind": "totp", "code": code} if isinstance(code, str) else code,
            "signature": str(signature),
        }


@dataclass
class Desk:
    """The auth service without a web framework; every answer is a Response, problems included."""

    rig: Rig
    api: AuthApi
    peer: str | None = None
    """Where the requests come from."""

    @classmethod
    def open(cls, rig: Rig, **settings: Any) -> "Desk":
        secrets = {"operator_key": Secret(OPERATOR_KEY), "signing_key": Secret(SIGNING_KEY)}
        return cls(rig, rig.build(DEFINITION, **secrets | settings))

    def restart(self) -> "Desk":
        """The same service again, in a new process, on the same database."""
        self.api.kernel.close()
        api = self.rig.start(DEFINITION, self.api.kernel.config)
        self.rig.kernels[Stream.AUTH] = api.kernel
        return Desk(self.rig, api)

    @property
    def now(self) -> datetime:
        return self.rig.clock.now()

    def hear(self) -> None:
        """Let the devices service give a sign of life."""
        beat = Heartbeat(Service.DEVICES, Timestamp.from_datetime(self.now), {})
        record = Record(HEARTBEAT_TOPIC, 0, 0, Stream.DEVICES.value, encode_heartbeat(beat))
        self.api.kernel.freshness.observe(record)

    def ask(self, method: Callable[..., Response], document: Any = None, *path: str, **of: Any) -> Response:
        """Call an Api method as the rim would: a refusal becomes its problem document."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        fields = Headers({"Content-Type": "application/json"})
        try:
            request = Request("POST", "/v1/auth/test", headers=fields, body=body, peer=self.peer, **of)
            return method(request, *path)
        except Exception as error:  # noqa: BLE001  # as the rim does
            return problem_response(error)

    def register(self, person: Person, **changes: Any) -> Response:
        response = self.ask(self.api.accounts.post_account, person.registration(**changes))
        if response.status == 201:
            person.totp_secret = json.loads(response.body)["totp"]["secret"]
        return response

    def challenge(self, username: str) -> str:
        return str(
            json.loads(self.ask(self.api.sessions.post_challenge, {"username": username}).body)["challenge"]
        )

    def log_in(
        self,
        person: Person,
        *,
        challenge: str | None = None,
        code: Any = None,
        steps: int = 0,
        device: Key | None = None,
        **signed_otherwise: Any,
    ) -> Response:
        """Log in, right in every part that is not given otherwise."""
        self.hear()
        challenge = challenge or self.challenge(person.username)
        code = code or compute_code(person.totp_secret, self.now, steps)
        document = person.login(challenge, code, **signed_otherwise)
        return self.ask(
            self.api.sessions.post_session, document, proof=self.prove(device or person.device_key)
        )

    def refresh(self, token: str, key: Key) -> Response:
        self.hear()
        return self.ask(self.api.sessions.post_refresh, {"refresh_token": token}, proof=self.prove(key))

    def as_caller(self, person: Person, session: str) -> Caller:
        return Caller(person.actor.account, person.actor.device, SessionId(session), person.device_key.public)

    def prove(self, key: Key) -> DpopProof:
        """What the guard hands on once a proof of this key was verified."""
        return DpopProof(key.public, thumbprint_of(key), "proof-of-a-test-0001", self.now, None)

    def said(self, person: Person) -> list[Body]:
        """The bodies of the person's auth stream, failed logins reported."""
        self.api.timers.report_failed_logins()
        return [event.body for event in self.rig.events(Stream.AUTH, person.actor.account)]


def read(response: Response) -> dict[str, Any]:
    """The JSON of an answer."""
    members: dict[str, Any] = json.loads(response.body)
    return members


def code_of(response: Response) -> str:
    """Status and code of a problem, such as ``401 login_refused``."""
    return f"{response.status} {read(response).get('code')}"
