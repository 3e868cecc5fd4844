"""A request as a value, and the parsing of what it carries. Everything here came from outside: untrusted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl

from solekey_eventlog.noted_first import Note
from solekey_protocol.encoding import Cbor, Json, parse_cbor, parse_lenient_json
from solekey_protocol.errors import MalformedError
from solekey_protocol.events import Stream
from solekey_protocol.ids import AccountId, Digest, PublicKey, SignatureHex
from solekey_protocol.limits import MAX_BATCH_OBJECTS, MAX_SEQ
from solekey_service.http.caller import Caller, DpopProof
from solekey_service.http.headers import Headers
from solekey_service.refusals import BadRequest, UnsupportedMediaType

AFTER_HEADER = "Solekey-After"
_MAX_AFTER_CHARS = 200
_MAX_QUERY_FIELDS = 16
_MAX_ID_CHARS = 256
MAX_BODY_VALUES = 2 * MAX_BATCH_OBJECTS
"""Values in a JSON body: a list of as many digests as an endpoint takes, and what stands around it."""

IdT = TypeVar("IdT", AccountId, Digest, PublicKey, SignatureHex)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is as sent, without the query; the body is within the entry point's limit.

    ``caller`` is there exactly for Access.SESSION and TRUSTED; ``proof`` for these and Access.PROOF.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)
    caller: Caller | None = None
    proof: DpopProof | None = None
    peer: str | None = None
    """The address at the other end of the connection: a proxy's, if one is between."""
    id: str = ""
    """32 hex characters that the lines of the log about it have; a trusted proxy's, or made here."""
    note: Note | None = field(default=None, repr=False, compare=False)
    """What must be durable with the first thing that the request writes: that its proof is used up."""

    @property
    def authenticated(self) -> Caller:
        """The caller of a request that the guard admitted with a session."""
        if self.caller is None:
            raise RuntimeError(f"{self.method} {self.path}: the entry point asks for no session")
        return self.caller

    @property
    def proven(self) -> DpopProof:
        """The proof of a request that the guard admitted with one."""
        if self.proof is None:
            raise RuntimeError(f"{self.method} {self.path}: the entry point asks for no proof")
        return self.proof


def parse_query(text: str) -> dict[str, str]:
    """Parse a query string; no name stands twice. Raises BadRequest."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS, errors="strict")
    except ValueError as error:
        raise BadRequest("query: malformed") from error
    query = dict(pairs)
    if len(query) != len(pairs):
        raise BadRequest("query: a name stands twice")
    return query


def parse_json_body(request: Request) -> Mapping[str, Json]:
    """Parse a JSON object in any spelling (only what is signed must be canonical).

    Raises:
        UnsupportedMediaType: the Content-Type is not application/json.
        MalformedError, BadRequest: not JSON, duplicate keys, floats, too deep, or not an object.
    """
    _expect_content_type(request, "application/json")
    document = parse_lenient_json(request.body, max_bytes=len(request.body), max_values=MAX_BODY_VALUES)
    if not isinstance(document, Mapping):
        raise BadRequest("body: expected a JSON object")
    return document


def parse_cbor_body(request: Request) -> Mapping[str, Cbor]:
    """Parse a deterministic CBOR map.

    Raises:
        UnsupportedMediaType: the Content-Type is not application/cbor.
        MalformedError, BadRequest: not deterministic CBOR, or not a map.
    """
    _expect_content_type(request, "application/cbor")
    document = parse_cbor(request.body, max_bytes=len(request.body))
    if not isinstance(document, Mapping):
        raise BadRequest("body: expected a CBOR map")
    return document


def expect_members(
    document: Mapping[str, Json], required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Json]:
    """Return an object that has all required members and no unknown ones.

    Raises:
        BadRequest: names the first member that is missing or unknown.
    """
    if missing := sorted(set(required) - document.keys()):
        raise BadRequest(f"body: member {missing[0]!r} is missing")
    if unknown := sorted(document.keys() - set(required) - set(optional)):
        raise BadRequest(f"body: member {unknown[0][:64]!r} is unknown")
    return document


def expect_string(document: Mapping[str, Json], member: str, *, max_chars: int) -> str:
    """Return a member that must be a string of 1 to ``max_chars`` characters. Raises BadRequest."""
    value = document.get(member)
    if not isinstance(value, str) or not 0 < len(value) <= max_chars:
        raise BadRequest(f"body.{member}: expected a string of 1 to {max_chars} characters")
    return value


def parse_members(request: Request, *members: str) -> Mapping[str, Json]:
    """Parse a JSON object of exactly these members.

    Raises:
        UnsupportedMediaType, MalformedError: see `parse_json_body`.
        BadRequest: names the first member that is missing or unknown.
    """
    return expect_members(parse_json_body(request), members)


def expect_id(kind: type[IdT], document: Mapping[str, Json], member: str) -> IdT:
    """Return a member as an id, a key or a signature. Raises BadRequest, which does not repeat it."""
    text = expect_string(document, member, max_chars=_MAX_ID_CHARS)
    try:
        return kind(text)
    except MalformedError:
        raise BadRequest(f"body.{member}: expected {kind.PATTERN}") from None


def parse_query_integer(request: Request, name: str, *, default: int, minimum: int, maximum: int) -> int:
    """Parse a number in the query, or take the default. Raises BadRequest when it is out of bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16) or not minimum <= int(text) <= maximum:
        raise BadRequest(f"query {name}: expected an integer from {minimum} to {maximum}")
    return int(text)


def parse_solekey_after(request: Request) -> Mapping[Stream, int]:
    """Parse ``Solekey-After: auth=3, devices=4``: positions that must be applied before the answer.

    Raises:
        BadRequest: unknown stream, a stream twice, or a position that cannot be.
    """
    text = request.headers.combined(AFTER_HEADER)
    if len(text) > _MAX_AFTER_CHARS:
        raise BadRequest(f"{AFTER_HEADER}: longer than {_MAX_AFTER_CHARS} characters")
    positions: dict[Stream, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        known = name in set(Stream) and Stream(name) not in positions
        if not known or not (number.isascii() and number.isdigit() and len(number) <= 10):
            raise BadRequest(f"{AFTER_HEADER}: expected stream=seq pairs, got {part[:40]!r}")
        positions[Stream(name)] = min(int(number), MAX_SEQ)
    return positions


def _expect_content_type(request: Request, expected: str) -> None:
    actual = request.headers.combined("Content-Type").partition(";")[0].strip().lower()
    if actual != expected:
        raise UnsupportedMediaType(f"Content-Type: expected {expected}")
