"""Calls to the services with a session: tokens, proofs, positions, and one refresh when a token has expired.

Every answer names a position of its stream; every request says which positions this client knows, so that no
service answers from a state that is older. What asks for a fresh second factor is asked once more when
`Connection.on_step_up` has proven one. Spec: tokens.md §5, factors.md §5, conventions.md §8.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from threading import Lock, RLock
from typing import Final, TypeVar

from solekey.connection.dpop import JTI_BYTES, make_proof
from solekey.connection.login import LoginClient
from solekey.connection.offline import Offline
from solekey.connection.transport import MAX_ANSWER_BYTES, Answer, Transport
from solekey.errors import (
    BadAnswerError,
    DeviceRevokedError,
    DiskFullError,
    NotLoggedInError,
    OfflineError,
    SessionEndedError,
    StepUpRequiredError,
    UnavailableError,
    UnreachableError,
)
from solekey.profile.profile import Profile, Tokens
from solekey.runtime import Runtime
from solekey_protocol.encoding import Json, encode_json
from solekey_protocol.errors import ProtocolError
from solekey_protocol.event import parse_event
from solekey_protocol.events import Body, Stream
from solekey_protocol.limits import MAX_SEQ
from solekey_protocol.services import SERVICES, V1_STREAMS, Service

LISTENS: Final[Mapping[Service, frozenset[Stream]]] = {
    service: frozenset((*entry.follows, *([entry.stream] if entry.stream else [])))
    for service, entry in SERVICES.items()
}
"""Which positions a service can wait for: its own stream and those that it listens to."""

JSON_TYPE: Final = "application/json"
CBOR_TYPE: Final = "application/cbor"
BYTES_TYPE: Final = "application/octet-stream"
_MAX_SEQ_DIGITS: Final = 10
_log = logging.getLogger(__name__)
B = TypeVar("B", bound=Body)


class Connection:
    """A profile's session with its server. Close it in the end. Calls may come from several threads.

    Attributes:
        on_step_up: called when a request asks for a fresh second factor (403 step_up_required); it proves one
            (`Session.step_up`), or raises. The request is then repeated, once. None: the refusal is raised.
        on_not_applied: called when a service says that it has not applied what this client knows; it raises
            EvidenceError when that is no delay but a rollback (`Streams.verify_not_rolled_back`).
        on_revoked: called when a service says that this device was revoked.
        why_offline: why the server is not asked, in words; None: it is. See `find_contact`.
    """

    def __init__(self, profile: Profile, runtime: Runtime) -> None:
        self.profile = profile
        self.runtime = runtime
        self._transport = Transport(profile.server, runtime)
        self.logins = LoginClient(self._transport, profile.device_key, runtime)
        self._positions: dict[Stream, int] = {}
        self._tokens: Tokens | None = None
        self._outdated = ""  # the refresh token on a full disk, whose successor is known in memory alone
        self._lock = Lock()
        self.on_step_up: Callable[[], None] | None = None
        self.on_not_applied: Callable[[], None] | None = None
        self._step_up_lock = RLock()
        self._stepping_up = False
        self._step_ups = 0
        self.on_revoked: Callable[[], None] | None = None
        self.why_offline: str | None = None

    def close(self) -> None:
        """Close the connections; the session stays open at the server."""
        self._transport.close()

    @property
    def is_offline(self) -> bool:
        """Whether the server is not asked."""
        return self.why_offline is not None

    def find_contact(self, offline: Offline) -> None:
        """Find out whether the server answers, or do not ask it. Decided once, for as long as this is open.

        Raises:
            InsecureServerError, ClockWrongError, RedirectError: somebody answers, and not the pinned server.
        """
        if offline is Offline.ALWAYS:
            self.why_offline = "the server was not asked"
        elif offline is Offline.IF_NEEDED:
            try:
                self._transport.probe()
            except (UnreachableError, UnavailableError) as error:
                self.why_offline = str(error)
                _log.info("offline: %s", error.code)

    def note_position(self, stream: Stream, seq: int) -> None:
        """Remember that a stream has reached this far."""
        with self._lock:
            self._positions[stream] = max(seq, self._positions.get(stream, 0))

    def position(self, stream: Stream) -> int:
        """How far a stream is known to have reached."""
        return self._positions.get(stream, 0)

    @property
    def tokens(self) -> Tokens:
        """The session. Raises NotLoggedInError."""
        if self._tokens is None:
            self._adopt(self.profile.load_tokens())
        if self._tokens is None:
            raise NotLoggedInError("there is no session on this device")
        return self._tokens

    def adopt(self, tokens: Tokens) -> None:
        """Take over a new session and keep it in the profile."""
        self.profile.save_tokens(tokens)
        self._adopt(tokens)

    def call(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        content_type: str = JSON_TYPE,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        repeatable: bool = True,
        positions: bool = True,
    ) -> Answer:
        """Call a service; refresh the session once if its token has expired, step up once if that is asked.

        Raises:
            OfflineError: the account was opened without its server.
            SessionEndedError: the session is over; log in again.
            StepUpRequiredError: a fresh second factor is asked for, and nobody proves one.
            ServerRefusedError, TransportError: see `Transport.send`.
        """
        if self.why_offline is not None:
            raise OfflineError(f"this needs the server, and {self.why_offline}")
        full_path = f"/v1/{service}/{path}"

        def make_headers() -> Mapping[str, str]:
            return {
                **(headers or {}),
                **({"Content-Type": content_type} if content else {}),
                **self._make_headers(service, method, full_path, positions=positions),
            }

        def look_behind(refusal: UnavailableError) -> None:
            if refusal.code == "not_yet_applied" and self.on_not_applied is not None and positions:
                self.on_not_applied()

        def send() -> Answer:
            return self._transport.send(
                method,
                full_path,
                headers=make_headers,
                params=params,
                content=content,
                repeatable=repeatable,
                max_bytes=max_bytes,
                on_busy=look_behind,
            )

        step_ups = self._step_ups
        try:
            return self._send_fresh(send)
        except StepUpRequiredError as refusal:
            if method == "GET":
                raise  # no honest server asks it of a reader, who may hold a lock
            self._step_up(refusal, step_ups)
            return self._send_fresh(send)
        except DeviceRevokedError:
            if self.on_revoked is not None:
                self.on_revoked()
            raise

    def call_json(
        self, service: Service, method: str, path: str, members: Mapping[str, Json] | None = None
    ) -> Mapping[str, Json]:
        """Call with a JSON object and return the answer's."""
        content = encode_json(members) if members is not None else b""
        return self.call(service, method, path, content=content).json()

    def call_event(
        self,
        service: Service,
        method: str,
        path: str,
        members: Mapping[str, Json] | None = None,
        *,
        expected: type[B],
        repeatable: bool = False,
    ) -> tuple[B, int]:
        """Call with a JSON object for an event; return its body and its seq, which is noted as a position.

        Raises:
            BadAnswerError: the answer is no event, or one of another type.
        """
        content = encode_json(members) if members is not None else b""
        answer = self.call(service, method, path, content=content, repeatable=repeatable)
        try:
            event = parse_event(answer.body)
        except ProtocolError as error:
            raise BadAnswerError(f"the server answered {path} with no event: {error}") from error
        if not isinstance(event.body, expected):
            raise BadAnswerError(f"the server answered {path} with another event: {event.body.TYPE}")
        self.note_position(event.stream, event.seq)
        return event.body, event.seq

    def _send_fresh(self, send: Callable[[], Answer]) -> Answer:
        if self.tokens.expires_at <= self.runtime.now():
            self._refresh(self.tokens)
        used = self.tokens
        try:
            answer = send()
        except SessionEndedError as refusal:
            if refusal.code == "session_ended":
                raise
            self._refresh(used)
            answer = send()
        self._note(answer)
        return answer

    def _step_up(self, refusal: StepUpRequiredError, step_ups: int) -> None:
        """Have a second factor proven, unless another thread has done so since the request was sent."""
        with self._step_up_lock:
            if self._step_ups > step_ups:
                return
            if self.on_step_up is None or self._stepping_up:
                raise refusal
            self._stepping_up = True
            _log.info("a fresh second factor is asked for")
            try:
                self.on_step_up()
            finally:
                self._stepping_up = False
            self._step_ups += 1

    def _make_headers(
        self, service: Service, method: str, path: str, *, positions: bool
    ) -> Mapping[str, str]:
        token = self.tokens.access[service]
        with self._lock:  # a device key in a token signs for one thread at a time
            proof = make_proof(
                self.profile.device_key,
                method=method,
                url=self._transport.server.origin + path,
                iat=int(self.runtime.now().timestamp()),
                jti=self.runtime.random(JTI_BYTES),
                access_token=token,
                nonce=self._transport.find_nonce(path),
            )
        after = ", ".join(
            f"{stream}={self._positions[stream]}"
            for stream in V1_STREAMS
            if stream in LISTENS[service] and self._positions.get(stream)
        )
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        return {**headers, "Solekey-After": after} if after and positions else headers

    def _refresh(self, used: Tokens) -> None:
        """Refresh unless another process of this profile has done so meanwhile."""
        with ExitStack() as stack:
            with suppress(DiskFullError):  # the server repeats the answer to who else refreshes now
                stack.enter_context(self.profile.folder.lock("session"))
            stored = self.profile.load_tokens()
            if stored.refresh not in {used.refresh, self._outdated}:
                self._adopt(stored)
                return
            tokens = self.logins.refresh(used).tokens
            self._adopt(tokens)
            _log.info("the session's access tokens were refreshed")
            try:
                self.profile.save_tokens(tokens)
                self._outdated = ""
            except DiskFullError as error:
                self._outdated = stored.refresh
                self.runtime.notice(f"The disk is full: log in again after this program has ended ({error})")

    def _adopt(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.note_position(Stream.AUTH, tokens.auth_position)

    def _note(self, answer: Answer) -> None:
        position = parse_position(answer.headers.get("Solekey-Position", ""))
        if position is not None:
            self.note_position(*position)


def parse_position(text: str) -> tuple[Stream, int] | None:
    """Parse ``Solekey-Position: <stream>=<seq>``. What is none is passed over: it only spares waiting."""
    name, _, seq = text.partition("=")
    if name not in set(Stream) or not (seq.isascii() and seq.isdecimal() and len(seq) <= _MAX_SEQ_DIGITS):
        return None
    return Stream(name), min(int(seq), MAX_SEQ)
