"""The process that loads the services: signs people up, sends what they want, says how long it took.

It is a process of its own, so that its work is not taken for that of a service. Reads and uploads are signed
before the clock starts; logins and sign-ups sign what answers a server's challenge on the way. Commands come
as lines of JSON: ``{"kind", "clients", "count"}``; it answers ``ready`` when all is prepared, waits for
another line, and prints a line of JSON with what it measured. See `bench.services`.
"""

import json
import secrets
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any, Final

import pyotp

from bench.services_load import BusyError, Operation, Reply, Send, build_request, run_load
from solekey_protocol.ids import compute_digest
from solekey_protocol.services import Service
from tests.support.people.codes import CODE_MARGIN_S, CODE_PERIOD_S
from tests.support.people.person import Person
from tests.support.tickets import make_proof

OBJECT_BYTES: Final = 4096
BARE: Final = "bare nameko"
_BUSY: Final = 503
_NONCE_WANTED: Final = 401


class RefusedError(Exception):
    """A service refused what it should do."""


@dataclass
class Member:
    """One account with one device: what is needed to speak for it."""

    person: Person
    secret: str = ""
    last_step: int = 0
    tokens: Mapping[str, str] = field(default_factory=dict)
    object_path: str = ""

    def find_step(self) -> int | None:
        """Find the period of a code that was not used, or None when the next one is too new."""
        oldest = int(time.time() + CODE_MARGIN_S) // CODE_PERIOD_S - 1
        step = max(oldest, self.last_step + 1)
        return None if (step - 1) * CODE_PERIOD_S > time.time() else step

    def take_code(self) -> str | None:
        """Give a code that was not used, or None when the next one is too new."""
        step = self.find_step()
        if step is None:
            return None
        self.last_step = step
        return pyotp.TOTP(self.secret).at(step * CODE_PERIOD_S)


class People:
    """All accounts of the benchmark, and the operations on them."""

    def __init__(self, origin: str, bare_path: str) -> None:
        self._origin = origin
        self._host = origin.partition("://")[2]
        self._bare_path = bare_path
        self._members: list[Member] = []
        self._nonce: str | None = None
        self._kinds: Mapping[str, Callable[[], Iterator[Operation]]] = {
            "bare": self._ask_bare,
            "sign_up": self._sign_up_all,
            "log_in": self._log_in_all,
            "get_events": lambda: self._ask_all(self._get_events),
            "get_object": lambda: self._ask_all(
                self._get_object, [m for m in self._members if m.object_path]
            ),
            "put_object": lambda: self._ask_all(self._put_object),
        }

    def prepare(self, kind: str, count: int) -> list[Operation]:
        """Prepare so many operations of a kind.

        Raises:
            RefusedError: there are fewer accounts than would be needed.
        """
        if kind == "log_in" and len(self._members) >= count:
            while sum(member.find_step() is not None for member in self._members) < count:
                time.sleep(CODE_PERIOD_S - time.time() % CODE_PERIOD_S)  # each code is good for one login
        operations = list(islice(self._kinds[kind](), count))
        if len(operations) < count:
            raise RefusedError(f"{kind}: {count} wanted, {len(operations)} can be had")
        return operations

    def _ask_bare(self) -> Iterator[Operation]:
        request = build_request("GET", self._bare_path, self._host, {})
        return (_expect(Send(BARE, request), 200) for _ in cycle([None]))

    def _ask_all(
        self, prepare: Callable[[Member], Operation], members: Sequence[Member] = ()
    ) -> Iterator[Operation]:
        return (prepare(member) for member in cycle(members or self._members))

    def _get_events(self, member: Member) -> Operation:
        return _expect(self._ask(member, Service.VAULT, "GET", "events", query="?limit=1"), 200)

    def _get_object(self, member: Member) -> Operation:
        return _expect(self._ask(member, Service.VAULT, "GET", member.object_path), 200)

    def _put_object(self, member: Member) -> Operation:
        body = secrets.token_bytes(OBJECT_BYTES)
        member.object_path = f"objects/{compute_digest(body)}"
        return _expect(self._ask(member, Service.VAULT, "PUT", member.object_path, body), 200, 201, 204)

    def _log_in_all(self) -> Iterator[Operation]:
        for member in self._members:
            if member.find_step() is not None:
                yield self._log_in(member)

    def _sign_up_all(self) -> Iterator[Operation]:
        while True:
            yield self._sign_up(Member(Person(f"user-{secrets.token_hex(6)}")))

    def _log_in(self, member: Member) -> Operation:
        """Log in with the code of the moment at which it begins: one soon is too old."""
        code = member.take_code()
        assert code is not None
        person = member.person
        made = yield from self._prove(member, "challenges", {"username": person.username})
        challenge = json.loads(made.body)["challenge"]
        login = person.login(challenge, code, origin=self._origin)
        opened = yield from self._prove(member, "sessions", login)
        member.tokens = json.loads(opened.body)["tokens"]

    def _sign_up(self, member: Member) -> Operation:
        registered = yield from self._prove(member, "accounts", member.person.registration())
        member.secret = json.loads(registered.body)["totp"]["secret"]
        yield from self._log_in(member)
        actor = member.person.actor
        document = {**actor.sign(actor.founded()).to_json(), "name": actor.name}
        body, reply = json.dumps(document).encode(), None
        while reply is None or reply.status == _BUSY:  # devices hears of the session in a moment
            reply = yield self._ask(member, Service.DEVICES, "POST", "statements", body)
        _require(reply, 201)
        self._members.append(member)

    def _prove(self, member: Member, path: str, document: Any) -> Generator[Send, Reply, Reply]:
        """Post to auth without a token; again with the nonce that it wants."""
        body, reply = json.dumps(document).encode(), None
        while reply is None or (reply.status == _NONCE_WANTED and b"use_dpop_nonce" in reply.body):
            reply = yield self._ask(member, Service.AUTH, "POST", path, body, token=False)
            self._nonce = reply.find_header("DPoP-Nonce") or self._nonce
        return _require(reply, 200, 201)

    def _ask(
        self,
        member: Member,
        service: Service,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        token: bool = True,
    ) -> Send:
        access = member.tokens[service] if token else None
        full = f"/v1/{service}/{path}"
        proof = make_proof(
            member.person.actor.key,
            method,
            f"{self._origin}{full}",
            datetime.now(UTC),
            token=access,
            proof_id=secrets.token_hex(16),
            nonce=None if token else self._nonce,
        )
        fields = {"DPoP": proof}
        if access is not None:
            fields["Authorization"] = f"DPoP {access}"
        if body:
            fields["Content-Type"] = "application/json" if method == "POST" else "application/octet-stream"
        return Send(service.value, build_request(method, full + query, self._host, fields, body))


def _expect(request: Send, *statuses: int) -> Operation:
    """Send one request; made before the clock starts."""
    _require((yield request), *statuses)


def _require(reply: Reply, *statuses: int) -> Reply:
    if reply.status == _BUSY:
        raise BusyError
    if reply.status not in statuses:
        raise RefusedError(f"{reply.status} {reply.body[:300]!r}")
    return reply


def main() -> None:
    """Serve commands until the input ends."""
    origin, bare_path, addresses = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    people = People(origin, bare_path)
    for line in sys.stdin:
        command = json.loads(line)
        operations = people.prepare(command["kind"], command["count"])
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(asdict(run_load(operations, command["clients"], addresses))), flush=True)


if __name__ == "__main__":
    main()
