"""A response as a value, and constructors for the shapes that the platform answers with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from solekey_protocol.encoding import Cbor, Json, encode_cbor, encode_json
from solekey_protocol.event import Event
from solekey_protocol.events import Stream

POSITION_HEADER = "Solekey-Position"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Response:
    """One response. The server adds Date, Content-Length and the security headers."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    """Of a refusal: the code that its problem document has."""


def json_response(status: int, members: Json, headers: Mapping[str, str] = _NONE) -> Response:
    """Answer with canonical JSON."""
    return Response(status, encode_json(members), "application/json", headers)


def cbor_response(status: int, members: Cbor, headers: Mapping[str, str] = _NONE) -> Response:
    """Answer with deterministic CBOR."""
    return Response(status, encode_cbor(members), "application/cbor", headers)


def empty_response(status: int = 204, headers: Mapping[str, str] = _NONE) -> Response:
    """Answer without a body."""
    return Response(status, headers=headers)


def event_response(event: Event, status: int = 201) -> Response:
    """Answer with an event's exact bytes; never serialised again."""
    return Response(
        status, event.raw, "application/cloudevents+json", encode_position(event.stream, event.seq)
    )


def events_response(stream: Stream, records: Iterable[bytes], head_seq: int) -> Response:
    """Answer with the exact bytes of events, one a line; the header says how long the stream is now.

    *Wire format.* application/jsonl: canonical JSON has no line break, so a line is a record.
    """
    body = b"".join(record + b"\n" for record in records)
    return Response(200, body, "application/jsonl", encode_position(stream, head_seq))


def encode_position(stream: Stream, seq: int) -> Mapping[str, str]:
    """Encode the header that a client sends back as Solekey-After."""
    return {POSITION_HEADER: f"{stream.value}={seq}"}
