"""The record on the bus: CloudEvents 1.0 in structured JSON, hashed once. Spec: events.md §1.

*Wire format.* Canonical JSON with the members
``specversion id source type subject time datacontenttype stream seq prev data``.
``data`` is ``{"body": ...}`` for a service's own fact, and the signed statement of a client for all else.
``prev`` is the SHA-256 of the previous record of the same stream; the bytes are never serialised again.
``data`` is the first member and the only one with members of its own: the canonical bytes of a statement are
written into the record as they are, and cut out of it again.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, cast

from solekey_protocol.encoding import Json, encode_json, parse_json
from solekey_protocol.errors import MalformedError, SchemaError
from solekey_protocol.events.body import BODIES, Body
from solekey_protocol.events.fields import Seq, decode_body, encode_body
from solekey_protocol.ids import AccountId, Digest, Timestamp, compute_digest
from solekey_protocol.limits import MAX_EVENT_BYTES
from solekey_protocol.services import Stream
from solekey_protocol.statements import (
    Head,
    SignedStatement,
    make_typed_statement,
    parse_signed_statement,
)
from solekey_protocol.typed_records import UnfitError, decode_record, make_body

_MEMBERS = frozenset(
    {
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "stream",
        "seq",
        "prev",
        "data",
    }
)


_DATA = b'{"data":'
_AFTER_DATA = b',"datacontenttype":'


@dataclass(frozen=True, slots=True)
class _Extensions:
    subject: AccountId
    time: Timestamp
    stream: Stream
    seq: Seq
    prev: Digest


@dataclass(frozen=True, slots=True)
class Event:
    """One event, its place in its stream, and its exact bytes."""

    account: AccountId
    stream: Stream
    seq: int
    prev: Digest
    time: Timestamp
    body: Body
    signed: SignedStatement | None
    raw: bytes
    _digest: Digest | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the exact bytes, computed when first needed: ``prev`` of the next event."""
        digest = self._digest
        if digest is None:
            digest = compute_digest(self.raw)
            object.__setattr__(self, "_digest", digest)
        return digest

    @property
    def head(self) -> Head:
        """The stream's head once this event is its last."""
        return Head(self.seq, self.digest)

    @property
    def leaf_hash(self) -> bytes:
        """The RFC 6962 leaf hash of the exact bytes: SHA-256(0x00 ‖ record value)."""
        return hashlib.sha256(b"\x00" + self.raw).digest()


def encode_event(
    content: Body | SignedStatement, *, account: AccountId, after: Head, time: Timestamp
) -> Event:
    """Encode the event that follows ``after`` in its stream.

    Raises:
        SchemaError: a statement that names another account or place, or a body that needs a statement.
        MalformedError: the record exceeds MAX_EVENT_BYTES.
    """
    signed = content if isinstance(content, SignedStatement) else None
    body = content.statement.body if isinstance(content, SignedStatement) else content
    if signed is None and body.SIGNERS:
        raise SchemaError(f"{body.TYPE} must be a client's signed statement")
    place: dict[str, Json] = {
        "stream": body.STREAM.value,
        "subject": account,
        "time": time,
        "seq": after.seq + 1,
        "prev": after.digest,
    }
    decode_body(_Extensions, place, where="event")
    rest = encode_json({**place, **_fixed_members(body, account, after.seq + 1), "type": body.TYPE})
    raw = _DATA + (signed.canonical if signed else _encode_fact(body)) + b"," + rest[1:]
    if len(raw) > MAX_EVENT_BYTES:
        raise MalformedError(f"event is {len(raw)} bytes, limit {MAX_EVENT_BYTES}")
    event = Event(account, body.STREAM, after.seq + 1, after.digest, time, body, signed, raw)
    return event if signed is None else _check_place(event, signed)


def parse_event(raw: bytes) -> Event:
    """Parse one record; closed at every level; the statement inside must name the same place.

    A record is decoded with the types of the catalogue; one that these refuse is parsed member by member, so
    that the refusal names the place. Both take the same records (tests compare them with the JSON Schemas).

    Raises:
        MalformedError: not canonical JSON, or too long.
        SchemaError: unknown type, unknown or missing members, an id outside its pattern, a statement for
            another place.
    """
    try:
        return _parse_typed(raw)
    except UnfitError:
        return _parse_members(raw)


def _parse_typed(raw: bytes) -> Event:
    """Parse a record with the types of the catalogue. Raises UnfitError, without a reason."""
    if len(raw) > MAX_EVENT_BYTES:
        raise UnfitError
    body_class, record = decode_record(raw)
    try:
        return _build_typed(body_class, record, raw)
    except MalformedError as error:
        raise UnfitError from error


def _build_typed(body_class: type[Body], record: Any, raw: bytes) -> Event:
    account, seq, prev = _make_account(record.subject), record.seq, Digest(record.prev)
    time, stream = Timestamp(record.time), body_class.STREAM
    if record.id != f"{account}:{stream}:{seq}":
        raise UnfitError
    if not body_class.SIGNERS:
        return Event(account, stream, seq, prev, time, make_body(body_class, record.data.body), None, raw)
    data = raw[len(_DATA) : raw.rindex(_AFTER_DATA)]
    signed = make_typed_statement(body_class, record.data, data, (account, seq, prev))
    return Event(account, stream, seq, prev, time, signed.statement.body, signed, raw)


_make_account: Final = lru_cache(maxsize=4096)(AccountId)
"""An account's events come one after the other; its id is immutable."""


def _parse_members(raw: bytes) -> Event:
    """Parse a record member by member. Raises as ``parse_event``, and names the place."""
    document = parse_json(raw, max_bytes=MAX_EVENT_BYTES)
    if not isinstance(document, dict) or document.keys() != _MEMBERS:
        raise SchemaError(f"event: expected exactly the members {', '.join(sorted(_MEMBERS))}")
    body_class = BODIES.get(str(document["type"]))
    if body_class is None:
        raise SchemaError(f"event.type: unknown type {str(document['type'])[:80]!r}")
    place = decode_body(
        _Extensions, {k: document[k] for k in ("subject", "time", "stream", "seq", "prev")}, where="event"
    )
    if place.stream is not body_class.STREAM:
        raise SchemaError(f"event.stream: expected {body_class.STREAM.value!r}")
    for name, expected in _fixed_members(body_class, place.subject, place.seq).items():
        if document[name] != expected:
            raise SchemaError(f"event.{name}: expected {expected!r}")
    data = raw[len(_DATA) : raw.rindex(_AFTER_DATA)]
    body, signed = _parse_data(body_class, document["data"], data)
    event = Event(place.subject, place.stream, place.seq, place.prev, place.time, body, signed, raw)
    return event if signed is None else _check_place(event, signed)


def _fixed_members(body: Body | type[Body], account: AccountId, seq: int) -> dict[str, Json]:
    """The members that follow from the event's type and place."""
    return {
        "specversion": "1.0",
        "id": f"{account}:{body.STREAM}:{seq}",
        "source": f"solekey/{body.STREAM}",
        "datacontenttype": "application/json",
    }


def _encode_fact(body: Body) -> bytes:
    """Encode a service's own fact, within its closed schema. Raises SchemaError."""
    members = encode_body(body)
    decode_body(type(body), members, where="event.data.body")
    return encode_json({"body": members})


def _parse_data(body_class: type[Body], data: Json, canonical: bytes) -> tuple[Body, SignedStatement | None]:
    if body_class.SIGNERS:
        signed = parse_signed_statement(data, canonical)
        if type(signed.statement.body) is not body_class:
            raise SchemaError("event.data.statement.type: differs from the event's type")
        return signed.statement.body, signed
    if not isinstance(data, dict) or data.keys() != {"body"}:
        raise SchemaError("event.data: expected exactly the member 'body'")
    return decode_body(body_class, cast("Json", data["body"]), where="event.data.body"), None


def _check_place(event: Event, signed: SignedStatement) -> Event:
    statement = signed.statement
    if (statement.account, statement.seq, statement.prev) != (event.account, event.seq, event.prev):
        raise SchemaError("event.data.statement: was made for another account, seq or prev")
    return event
