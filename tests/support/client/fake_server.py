"""An in-process server that speaks the HTTP contract, honestly or as a test makes it cheat.

It folds with the protocol's own streams and keeps everything in memory. It is not the platform: the platform
itself is what tests/system/platform runs against. What a real server cannot be made to do (go back, fork,
swap, forge, die at any point) is done here.
"""

import json
import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp

from solekey_protocol.encoding import encode_json, parse_cbor
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import Event, encode_event
from solekey_protocol.events import Body, Stream
from solekey_protocol.events import auth as auth_said
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.events.rotation import RotationStarted
from solekey_protocol.events.vault import CommitKind
from solekey_protocol.ids import AccountId, DeviceId, PublicKey, SessionId, Timestamp, compute_digest
from solekey_protocol.limits import MAX_BATCH_BYTES, MAX_PART_BYTES
from solekey_protocol.lineage import Account, verify_lineage
from solekey_protocol.statements import SignedStatement, parse_signed_statement, verify_signature
from tests.support.client.fake_factors import TOTP_ID, TOTP_SECRET, FactorDesk
from tests.support.client.fake_parts import FakeAccount, RefusedError, Tamper, answer, cbor, problem

ORIGIN = "https://solekey.test"


class FakeServer(httpx.BaseTransport):
    """Give it to `Runtime(http=...)`. ``tamper`` sees each answer, ``before`` each request."""

    origin = ORIGIN

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.accounts: dict[str, FakeAccount] = {}
        self.sessions: dict[str, tuple[FakeAccount, DeviceId, SessionId]] = {}
        self.requests: list[tuple[str, str]] = []
        self.made = 0
        self.history_limits = [
            {"since": Timestamp.from_datetime(self.now), "versions": 100, "days": 365, "grace_days": 30}
        ]
        self._one_at_a_time = threading.RLock()
        self.desk = FactorDesk(self)
        self.tamper: Tamper
        self.before: Callable[[httpx.Request], None]
        self.be_honest()

    def be_honest(self) -> None:
        """Neither cheat nor die."""
        self.tamper = lambda *seen: seen[1]
        self.before = lambda *_: None

    def copy(self) -> "FakeServer":
        """Make one that knows the same, and goes its own way from here on."""
        return deepcopy(self, {id(self._one_at_a_time): threading.RLock()})

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def code(self) -> str:
        return pyotp.TOTP(self.desk.secret).at(int(self.now.timestamp()))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append((request.method, request.url.path))
        self.before(request)
        try:
            with self._one_at_a_time:
                response = self._route(request)
        except RefusedError as refusal:
            response = problem(refusal.status, refusal.code, refusal.more)
        except ProtocolError as error:
            conflict = error.code in {"chain_fork", "sequence_gap", "chain_broken", "transition_refused"}
            status = 409 if conflict else 403 if error.code == "untrusted_device" else 422
            response = problem(status, "stale_position" if conflict else error.code)
        return self.tamper(request, response)

    def said(self, account: FakeAccount, said: Body | SignedStatement) -> Event:
        """Append to a stream, as an honest service does."""
        body = said.statement.body if isinstance(said, SignedStatement) else said
        state = account.states[body.STREAM]
        if isinstance(said, SignedStatement) and (said.statement.seq, said.statement.prev) != (
            state.head.seq + 1,
            state.head.digest,
        ):
            raise RefusedError(409, "stale_position")
        event = encode_event(said, account=account.account, after=state.head, time=self._tick())
        state = state.apply(event, account.states[Stream.DEVICES])
        account.states[body.STREAM] = state
        account.events[body.STREAM].append(event)
        return event

    def _tick(self) -> Timestamp:
        self.now += timedelta(milliseconds=7)
        return Timestamp.from_datetime(self.now)

    def _route(self, request: httpx.Request) -> httpx.Response:
        _, _, service, *rest = request.url.path.split("/")
        opened = self._route_without_token(request, rest) if service == "auth" else None
        return opened or self._route_with_token(request, service, rest)

    def _route_without_token(self, request: httpx.Request, rest: list[str]) -> httpx.Response | None:
        body = request.content
        match request.method, rest:
            case "GET", ["health"]:
                return answer({"status": "ok"})
            case "POST", ["accounts"]:
                return self._register(json.loads(body))
            case "POST", ["challenges"]:
                account = self.accounts[json.loads(body)["username"]]
                members = {"challenge": "ab" * 32, "expires_in_s": 120, "kdf": account.kdf}
                wanted = self.desk.kdf_wanted
                return answer({**members, "kdf_wanted": wanted} if wanted else members)
            case "POST", ["passkey-options"]:
                members = json.loads(body)
                account = self.accounts[members["username"]]
                self._verify_login_key(request, account, members)
                return answer({"passkeys": list(account.passkeys)})
            case "POST", ["sessions"]:
                return self._log_in(request, json.loads(body))
            case "POST", ["sessions", "refresh"]:
                return self._refresh(json.loads(body)["refresh_token"])
        return None

    def _route_with_token(self, request: httpx.Request, service: str, rest: list[str]) -> httpx.Response:
        body = request.content
        account, session = self._admit(request, service)
        match request.method, service, rest:
            case "DELETE", "auth", ["sessions", ended]:
                own = ended == session
                reason = auth_said.SessionEnd.LOGOUT if own else auth_said.SessionEnd.ENDED_BY_USER
                return self.event(self.said(account, auth_said.SessionEnded(SessionId(ended), reason)))
            case _, "auth", ["step-up" | "factors" | "login-key" | "close", *_]:
                return self.desk.answer(request, account, session, rest)
            case "GET", _, ["events"]:
                return self._events(account, Stream(service), int(request.url.params["after"]))
            case "POST", _, ["statements"]:
                return self._statement(account, session, Stream(service), json.loads(body))
            case "GET", "devices", ["names"]:
                return answer({"names": account.names})
            case _, "vault", _:
                return self._vault(request, account, rest)
        raise RefusedError(404, "not_found")

    def _register(self, members: dict[str, Any]) -> httpx.Response:
        proof = members.pop("proof")
        message = b"solekey/register/v1\x00" + encode_json(members)
        verify_signature(PublicKey(members["login_key"]), message, proof)
        account = self.accounts.get(members["username"])
        if account is None:
            account_id = AccountId(members["account"])
            account = FakeAccount(account_id, members["username"], members["login_key"], members["kdf"])
            self.accounts[account.username] = account
            self.said(account, auth_said.AccountRegistered(1))
        elif account.account != members["account"]:
            raise RefusedError(409, "username_taken")
        elif account.login_key != members["login_key"] or account.states[Stream.AUTH].factors:
            raise RefusedError(409, "account_taken")
        totp = {"secret": TOTP_SECRET, "uri": pyotp.TOTP(TOTP_SECRET).provisioning_uri(name="x")}
        return answer({"account": account.account, "totp": totp, "position": {"auth": 1}}, 201)

    def _log_in(self, request: httpx.Request, members: dict[str, Any]) -> httpx.Response:
        account = self.accounts[members["username"]]
        header = self._verify_login_key(request, account, members)
        factor = self.desk.accept(account, members, members["challenge"])
        device = derive_device(header["jwk"])
        known = account.states[Stream.DEVICES].devices.get(device)
        if known and known.status.value == "revoked":
            raise RefusedError(403, "device_revoked")
        self.made += 1
        session = SessionId.from_raw(self.made.to_bytes(16, "big"))
        if not account.states[Stream.AUTH].factors:
            self.said(account, auth_said.MfaEnrolled(auth_said.Factor.TOTP, TOTP_ID))
        ends = Timestamp.from_datetime(self.now + timedelta(hours=12))
        self.said(account, auth_said.SessionOpened(session, device, factor, ends))
        return self._issue(account, device, session)

    def _verify_login_key(
        self, request: httpx.Request, account: FakeAccount, members: dict[str, Any]
    ) -> dict[str, Any]:
        """Verify the signature of whoever logs in; return the header of the proof."""
        header: dict[str, Any] = json.loads(_unbase64(request.headers["DPoP"].split(".")[0]))
        thumbprint = compute_thumbprint(header["jwk"])
        signed = {
            "challenge": members["challenge"],
            "origin": self.origin,
            "thumbprint": thumbprint,
            "username": members["username"],
        }
        try:
            message = b"solekey/login/v1\x00" + encode_json(signed)
            verify_signature(account.login_key, message, members["signature"])
        except ProtocolError as error:
            raise RefusedError(401, "login_refused") from error
        return header

    def _issue(self, account: FakeAccount, device: DeviceId, session: SessionId) -> httpx.Response:
        self.made += 1
        number = f"token-{self.made:032}"  # as long as a real one, to be searched for
        self.sessions[number] = (account, device, session)
        return answer(
            {
                "account": account.account,
                "device": device,
                "session": session,
                "tokens": {stream.value: f"{stream.value}-{number}" for stream in Stream},
                "refresh_token": number,
                "expires_in_s": 300,
                "position": {"auth": account.states[Stream.AUTH].head.seq},
            },
            201,
        )

    def _refresh(self, token: str) -> httpx.Response:
        if token not in self.sessions:
            raise RefusedError(401, "session_ended")
        account, device, session = self.sessions.pop(token)
        generation = account.states[Stream.AUTH].sessions[session].generation + 1
        self.said(account, auth_said.SessionRefreshed(session, generation))
        return self._issue(account, device, session)

    def _admit(self, request: httpx.Request, service: str) -> tuple[FakeAccount, SessionId]:
        name, _, number = request.headers["Authorization"].removeprefix("DPoP ").partition("-")
        if name != service or number not in self.sessions:
            raise RefusedError(401, "token_expired")
        account, device, session = self.sessions[number]
        if session not in account.states[Stream.AUTH].sessions:
            raise RefusedError(401, "session_ended")
        known = account.states[Stream.DEVICES].devices.get(device)
        if known and known.status.value == "revoked":
            raise RefusedError(403, "device_revoked")
        return account, session

    def _events(self, account: FakeAccount, stream: Stream, after: int) -> httpx.Response:
        events = account.events[stream]
        body = b"".join(event.raw + b"\n" for event in events[after : after + 500])
        return httpx.Response(200, content=body, headers=_position(stream, len(events)))

    def event(self, event: Event, status: int = 201) -> httpx.Response:
        return httpx.Response(status, content=event.raw, headers=_position(event.stream, event.seq))

    def _statement(
        self, account: FakeAccount, session: SessionId, stream: Stream, document: dict[str, Any]
    ) -> httpx.Response:
        device = account.states[Stream.AUTH].sessions[session].device
        name = document.pop("name", None)
        signed = parse_signed_statement(document)
        assert (signed.statement.account, signed.statement.device) == (account.account, device)
        for event in account.events[stream]:
            if event.signed is not None and event.signed.digest == signed.digest:
                return self.event(event, 200)
        head = account.states[stream].head
        if (signed.statement.seq, signed.statement.prev) != (head.seq + 1, head.digest):
            raise RefusedError(409, "stale_position")
        body = signed.statement.body
        if account.states[Stream.ROTATION].enforced and getattr(body, "kind", None) is CommitKind.DELTA:
            raise RefusedError(409, "rotation_required")
        if isinstance(body, DeviceRevoked | RotationStarted):
            self.desk.verify_stepped_up(account, session)
        if stream is Stream.DEVICES:
            account.states[stream].verify(signed, account.states[stream])
        elif device not in account.states[Stream.DEVICES].trusted:
            raise RefusedError(403, "device_not_trusted")
        verify_lineage(
            signed,
            Account(*(account.states[each] for each in (Stream.DEVICES, Stream.VAULT, Stream.ROTATION))),
        )
        event = self.said(account, signed)
        if name is not None:
            account.names.append({"device": device, **name})
        return self.event(event)

    def _vault(self, request: httpx.Request, account: FakeAccount, rest: list[str]) -> httpx.Response:
        match request.method, rest:
            case "PUT", [("wraps" | "objects") as shelf, digest]:
                assert compute_digest(request.content) == digest
                getattr(account, shelf)[digest] = request.content
                return httpx.Response(204)
            case "GET", ["wraps"]:
                live = account.states[Stream.VAULT].live_wraps()
                bodies = [account.wraps.get(wrap.wrapped.wrap) for wrap in live]
                return cbor({"wraps": [body for body in bodies if body is not None]})
            case "GET", ["wraps", "retired"]:
                every = account.states[Stream.VAULT].wraps.values()
                retired = [wrap.wrapped.wrap for wrap in every if wrap.retired_at is not None]
                return cbor({"wraps": [account.wraps[digest] for digest in retired]})
            case "GET", ["limits"]:
                return answer({"history": self.history_limits})
            case "GET", ["objects", digest]:
                return self._object(account, digest, request.headers.get("Range"))
            case "POST", ["objects"]:
                objects = parse_cbor(request.content, max_bytes=MAX_BATCH_BYTES)["objects"]
                account.objects.update({compute_digest(data): data for data in objects})
                return answer({"stored": len(objects)})
            case "POST", ["objects", "missing"]:
                digests = json.loads(request.content)["digests"]
                return answer({"missing": [digest for digest in digests if digest not in account.objects]})
            case "POST", ["objects", "fetch"]:
                return self._fetch(account, json.loads(request.content))
        raise RefusedError(404, "not_found")

    def _object(self, account: FakeAccount, digest: str, asked: str | None) -> httpx.Response:
        if digest not in account.objects:
            raise RefusedError(404, "not_found")
        data = account.objects[digest]
        if asked is None:
            return httpx.Response(200, content=data)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return httpx.Response(206, content=data[int(first) : int(last) + 1])

    def _fetch(self, account: FakeAccount, asked: dict[str, Any]) -> httpx.Response:
        each, total, found = asked.get("max_bytes_each", MAX_PART_BYTES), 0, []
        for digest in asked["digests"]:
            data = account.objects.get(digest)
            total += min(len(data or b""), each)
            if found and total > MAX_BATCH_BYTES:
                break
            found.append(None if data is None else data[:each])
        return cbor({"objects": found})


def _position(stream: Stream, seq: int) -> dict[str, str]:
    return {"Solekey-Position": f"{stream.value}={seq}"}


def derive_device(jwk: Mapping[str, str]) -> DeviceId:
    from solekey_protocol.ids import derive_device_id

    return derive_device_id(PublicKey(_unbase64(jwk["x"]).hex()))


def compute_thumbprint(jwk: Mapping[str, str]) -> str:
    import base64
    import hashlib

    digest = hashlib.sha256(encode_json(dict(jwk))).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


__all__ = ["ORIGIN", "TOTP_SECRET", "FakeAccount", "FakeServer", "answer", "cbor", "problem"]
