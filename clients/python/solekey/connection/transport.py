"""HTTP to one server: TLS 1.3, one pinned authority, no redirects, bounded answers, bounded retries.

Only what may be repeated is repeated: reads, content-addressed writes, and statements, which the server
takes once by their hash. Spec: conventions.md §7.
"""

import logging
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from solekey.connection.clock import CLOCK_VERIFY_CODES, explain_moment, verify_clock
from solekey.connection.contact import ANSWER_TIMEOUT, verify_connects
from solekey.connection.journal import make_template
from solekey.connection.tls import make_tls_context
from solekey.crypto.secrets import Confidential
from solekey.errors import (
    BadAnswerError,
    InsecureServerError,
    ProofRefusedError,
    RedirectError,
    ServerRefusedError,
    UnavailableError,
    UnreachableError,
)
from solekey.errors.refusals import QuotaExceededError, RateLimitedError
from solekey.files.any_path import AnyPath
from solekey.runtime import Runtime
from solekey.server import Server
from solekey_protocol.encoding import Json, parse_lenient_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.limits import KIB, MAX_BATCH_BYTES, MIB

MAX_ANSWER_BYTES: Final = MAX_BATCH_BYTES + MIB
MAX_ANSWER_VALUES: Final = 64 * 1024
"""Values in a JSON answer: a hostile server must not have the client build millions of them."""
MAX_EVENTS_ANSWER_BYTES: Final = 64 * MIB
MAX_ATTEMPTS: Final = 6
MAX_WAIT_S: Final = 5.0
_NOTICED_ATTEMPT: Final = 3  # after about half a second
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
_PATIENCE_S: Final = 60.0
_MIN_BYTES_PER_S: Final = 4 * KIB
"""An answer may take as long as its bytes so far need at this speed, and the patience."""
_PIECE_BYTES: Final = 64 * KIB
_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # what is compressed may grow without limit
    "User-Agent": "solekey",
}
_HEALTH: Final = "/v1/auth/health"
_MAX_DIGITS: Final = 9
_NONCE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}", re.ASCII)  # RFC 9449 §8.1
_log = logging.getLogger(__name__)
_NONCE_WANTED: Final = "use_dpop_nonce"
_REPEATED_BY_PROXIES: Final = frozenset({"PUT", "DELETE"})
_FRESH_PROOF_HELPS: Final = frozenset({_NONCE_WANTED, "dpop_invalid"})
_BUSY: Final = frozenset({502, 503, 504})
_COME_AGAIN: Final = _BUSY | {429}
"""Statuses whose Retry-After is read."""


@dataclass(frozen=True, slots=True)
class Answer(Confidential):
    """A successful answer; it may hold tokens."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, <redacted>)"

    def json(self) -> Mapping[str, Json]:
        """The body as a JSON object. Raises BadAnswerError."""
        try:
            document = parse_lenient_json(self.body, max_bytes=MAX_ANSWER_BYTES, max_values=MAX_ANSWER_VALUES)
        except MalformedError as error:
            raise BadAnswerError(f"the server's answer is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise BadAnswerError("the server's answer is not a JSON object")
        return document


class Transport:
    """Sends requests to one server. Close it, or use it as a context manager."""

    def __init__(self, server: Server, runtime: Runtime) -> None:
        self.server = server
        self._runtime = runtime
        self._nonces: dict[str, str] = {}
        self._http = runtime.http or _make_http(server)
        self._closed = False

    def close(self) -> None:
        """Close the connections, for good."""
        self._closed = True
        self._http.close()

    def probe(self) -> None:
        """Find out whether the server answers, once and quickly. See `solekey.connection.contact`.

        Raises:
            UnreachableError, UnavailableError: it does not, or is not ready.
            InsecureServerError, ClockWrongError, RedirectError: whoever answers is not the pinned server.
        """
        if self._runtime.http is None:
            verify_connects(self.server.origin)
        try:
            request = self._build_request("GET", _HEALTH, None, b"", {}, ANSWER_TIMEOUT)
            self._exchange(request, MAX_ANSWER_BYTES)
        except UnavailableError:
            raise
        except ServerRefusedError as refusal:
            _log.debug("the server answers: %s", refusal.code)

    def find_nonce(self, path: str) -> str | None:
        """Find the newest nonce that the service of this path gave for proofs (RFC 9449 §8.2)."""
        return self._nonces.get(_name_service(path))

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Callable[[], Mapping[str, str]] = dict,
        params: Mapping[str, str | int] | None = None,
        content: bytes = b"",
        repeatable: bool = True,
        max_bytes: int = MAX_ANSWER_BYTES,
        on_busy: Callable[[UnavailableError], None] = lambda _: None,
    ) -> Answer:
        """Send a request; ask again while the server is away or busy, if it may be repeated.

        A request whose proof lacks the server's nonce was refused before it did anything: it is sent again.
        So is a PUT or DELETE whose proof was used before: by a proxy that gave it to another replica when the
        first one broke off.

        Args:
            method: the HTTP method.
            path: the path, from ``/v1``.
            headers: makes the headers anew for each attempt, for a proof is good only once.
            params: the query.
            content: the body.
            repeatable: whether sending it twice does no more than sending it once.
            max_bytes: what is read of the answer at most.
            on_busy: told of the first answer that says to try again; it may raise what makes that useless.

        Raises:
            ServerRefusedError: what the problem document says.
            UnreachableError, InsecureServerError, RedirectError, BadAnswerError: no usable answer.
        """
        attempts = MAX_ATTEMPTS if repeatable else 1
        for attempt in range(1, attempts + 1):
            try:
                return self._send_with_fresh_proof(
                    lambda: self._build_request(method, path, params, content, headers()),
                    max_bytes,
                    _FRESH_PROOF_HELPS if method in _REPEATED_BY_PROXIES else {_NONCE_WANTED},
                )
            except UnavailableError as refusal:
                code, wait_s = refusal.code, refusal.retry_after_s
                if attempt == 1:
                    on_busy(refusal)
                if attempt == attempts or not _may_pass(refusal):
                    raise
            except UnreachableError as failure:
                code, wait_s = failure.code, None
                if attempt == attempts:
                    raise
            if attempt == _NOTICED_ATTEMPT:
                self._runtime.notice("The server does not answer, or is busy: trying again for a while …")
            pause_s = min(wait_s if wait_s is not None else 0.1 * 2**attempt, MAX_WAIT_S)
            _log.info(
                "%s %s: %s; attempt %d of %d follows in %.1f s",
                *(method, make_template(path), code, attempt + 1, attempts, pause_s),
            )
            self._runtime.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _send_with_fresh_proof(
        self, build: Callable[[], httpx.Request], max_bytes: int, helped: Set[str]
    ) -> Answer:
        try:
            return self._exchange(build(), max_bytes)
        except ProofRefusedError as refusal:
            if refusal.code not in helped:
                raise
        return self._exchange(build(), max_bytes)

    def _build_request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        content: bytes,
        headers: Mapping[str, str],
        timeout: httpx.Timeout | None = None,
    ) -> httpx.Request:
        is_long = len(content) > _PIECE_BYTES
        length = {"Content-Length": str(len(content))} if is_long else {}
        return httpx.Request(
            method,
            self.server.origin + path,
            params=params,
            content=_cut(content) if is_long else content,
            headers={**_HEADERS, **headers, **length},
            extensions={"timeout": (timeout or _TIMEOUT).as_dict()},
        )

    def _exchange(self, request: httpx.Request, max_bytes: int) -> Answer:
        if self._closed:
            raise RuntimeError("the session was closed")
        begun_s = self._runtime.monotonic()
        where = make_template(request.url.path)
        try:
            response = self._http.handle_request(request)
            try:
                body = _read(response, max_bytes, self._runtime.monotonic)
            finally:
                response.close()
        except httpx.TransportError as error:
            _log.debug("%s %s: no answer (%s)", request.method, where, type(error).__name__)
            raise _explain(error, self._runtime.now()) from error
        spent_ms = (self._runtime.monotonic() - begun_s) * 1000
        _log.debug("%s %s: %d in %.0f ms", request.method, where, response.status_code, spent_ms)
        nonce = response.headers.get("DPoP-Nonce", "")
        if _NONCE.fullmatch(nonce):
            self._nonces[_name_service(request.url.path)] = nonce
        if response.is_redirect:
            raise RedirectError(f"the server answered {request.url.path} with a redirect")
        if response.status_code >= 400:  # the first HTTP error status
            refusal = _build_refusal(response, body)
            if isinstance(refusal, ProofRefusedError) and refusal.code != _NONCE_WANTED:
                verify_clock(response.headers.get("Date", ""), self._runtime.now(), refusal)
            raise refusal
        return Answer(response.status_code, response.headers, body)


def _may_pass(refusal: UnavailableError) -> bool:
    """Whether a refusal may be over while the attempts go on: no quota is, nor a limit of an hour."""
    wait_s = refusal.retry_after_s if isinstance(refusal, RateLimitedError) else None
    return not isinstance(refusal, QuotaExceededError) and (wait_s or 0) <= MAX_ATTEMPTS * MAX_WAIT_S


def _name_service(path: str) -> str:
    """Name the service that answers a path: ``v1/<service>``."""
    return "/".join(path.split("/")[1:3])


def _cut(content: bytes) -> Iterator[bytes]:
    """Cut a body into pieces: TLS takes 16 KiB at a time, and httpcore copies all that is left each time."""
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]


def _read(response: httpx.Response, max_bytes: int, monotonic: Callable[[], float]) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BadAnswerError("the server's answer is compressed, which nobody asked for")
    pieces: list[bytes] = []
    size = 0
    begun_s = monotonic()
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise BadAnswerError(f"the server's answer is longer than {max_bytes} bytes")
        if size < (monotonic() - begun_s - _PATIENCE_S) * _MIN_BYTES_PER_S:
            raise UnreachableError(f"the server's answer comes slower than {_MIN_BYTES_PER_S} bytes a second")
    return b"".join(pieces)


def _build_refusal(response: httpx.Response, body: bytes) -> ServerRefusedError:
    try:
        document = parse_lenient_json(body, max_bytes=MAX_ANSWER_BYTES, max_values=MAX_ANSWER_VALUES)
    except MalformedError:
        document = None
    problem: dict[str, Json] = dict(document) if isinstance(document, dict) else {}
    if response.status_code in _BUSY:
        problem.setdefault("code", "unavailable")
    if response.status_code in _COME_AGAIN:
        after = response.headers.get("Retry-After", "")
        if after.isascii() and after.isdecimal() and len(after) <= _MAX_DIGITS:
            problem["retry_after_s"] = min(int(after), 3600)
    return ServerRefusedError.build(response.status_code, problem)


def _explain(error: httpx.TransportError, now: datetime) -> Exception:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code in CLOCK_VERIFY_CODES:
                return explain_moment(cause.verify_code, now)
            return InsecureServerError(f"the server's certificate is not from the pinned CA: {cause.reason}")
        cause = cause.__cause__ or cause.__context__
    return UnreachableError(f"the server did not answer: {error or type(error).__name__}")


def _make_http(server: Server) -> httpx.HTTPTransport:
    """Make what keeps the connections: no proxy, authority or credentials from the environment."""
    return httpx.HTTPTransport(verify=_make_tls_context(server.ca_file), trust_env=False)


def _make_tls_context(ca_file: AnyPath | None) -> ssl.SSLContext:
    try:
        context = make_tls_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InsecureServerError(f"{ca_file}: not a PEM file of a certificate authority") from error
    return context
