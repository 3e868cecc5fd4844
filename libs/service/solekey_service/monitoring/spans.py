"""Spans of one service, and the ids that join those of all: OpenTelemetry. Imported where used.

A request's trace has the request's id. An event's trace has the first half of the event's digest as id, so
that all services agree on it and nothing of it stands on the bus. Decision: docs/decisions/0160.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from solekey_eventlog.log_context import Facts, describe_place, find_log_facts
from solekey_protocol.event import Event
from solekey_protocol.ids import Digest
from solekey_service.http import Operation
from solekey_service.monitoring.request_metrics import OK

_EXPORT_TIMEOUT_S: Final = 5.0
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Span:
    """What is recorded: as ``context`` itself, or as something new below it (``is_child``)."""

    name: str
    kind: SpanKind
    context: SpanContext
    attributes: Mapping[str, str | int]
    is_child: bool = False
    link: SpanContext | None = None


class Tracer:
    """Records the spans of one service, and sends them in the background; an EventObserver.

    Spans are dropped when the collector does not keep up or does not answer.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        """Begin to send to a URL that takes OTLP over HTTP."""
        self._ids = _ChosenIds()
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_TIMEOUT_S))
        resource = Resource.create({SERVICE_NAME: f"solekey-{service}"})
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("solekey")

    def observe(self, operation: Operation, status: int, code: str | None, duration_s: float) -> None:
        """Record a request that was answered; see RequestMetrics.observe."""
        request_id = find_log_facts().get("request_id")
        if request_id is None:
            return
        ended_ns = time.time_ns()
        told: dict[str, str | int] = {"http.response.status_code": status, "solekey.code": code or OK}
        span = _Span(operation.name, SpanKind.SERVER, _derive_request_context(request_id), told)
        self._record(span, ended_ns - int(duration_s * _NS), ended_ns)

    def note_appended(self, event: Event, began: datetime, facts: Facts) -> None:
        """Record that a request has appended an event. What a reaction appends has its own trace alone."""
        context = _derive_event_context(event.digest)
        if (request_id := facts.get("request_id")) is not None:
            above = _derive_request_context(request_id)
            self._record_event("append", SpanKind.INTERNAL, above, describe_place(event), began, context)

    def note_published(self, place: str, digest: Digest, began: datetime) -> None:
        """Record the root of an event's trace: from its commit to the confirmation of the bus."""
        span = _Span("publish", SpanKind.PRODUCER, _derive_event_context(digest), {"solekey.event": place})
        self._record(span, _to_ns(began), time.time_ns())

    def note_applied(self, event: Event, began: datetime) -> None:
        """Record below that root that this service has applied an event."""
        above = _derive_event_context(event.digest)
        self._record_event("apply", SpanKind.CONSUMER, above, describe_place(event), began)

    def _record_event(
        self, name: str, kind: SpanKind, above: SpanContext, place: str, began: datetime,
        link: SpanContext | None = None,
    ) -> None:  # fmt: skip
        span = _Span(name, kind, above, {"solekey.event": place}, is_child=True, link=link)
        self._record(span, _to_ns(began), time.time_ns())

    def _record(self, span: _Span, began_ns: int, ended_ns: int) -> None:
        """Record a span that has ended."""
        above = set_span_in_context(NonRecordingSpan(span.context)) if span.is_child else None
        self._ids.choose(span.context.trace_id, None if span.is_child else span.context.span_id)
        recorded = self._tracer.start_span(
            span.name, above, span.kind, span.attributes, [] if span.link is None else [Link(span.link)],
            start_time=began_ns,
        )  # fmt: skip
        if int(span.attributes.get("http.response.status_code", 0)) >= 500:
            recorded.set_status(Status(StatusCode.ERROR))
        recorded.end(max(began_ns, ended_ns))  # a clock may have jumped

    def stop(self) -> None:
        """Send what waits and end."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the library's own omission


class _ChosenIds(IdGenerator):
    """Gives the ids that were chosen for the next span of this thread."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._next = threading.local()

    def choose(self, trace_id: int, span_id: int | None) -> None:
        """Choose them; None: a new one."""
        self._next.trace_id, self._next.span_id = trace_id, span_id

    def generate_trace_id(self) -> int:
        """See IdGenerator."""
        return int(self._next.trace_id)

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        return self._random.generate_span_id() if self._next.span_id is None else int(self._next.span_id)


def _derive_request_context(request_id: str) -> SpanContext:
    """Derive the ids of a request's own span: every service that handles the request derives the same."""
    return _make_context(request_id, request_id[16:])


def _derive_event_context(digest: Digest) -> SpanContext:
    """Derive the ids of an event's first span, its publication."""
    return _make_context(digest[:32], digest[32:48])


def _make_context(trace_id: str, span_id: str) -> SpanContext:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)


def _to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970; both ends of a span come from clocks of the wall."""
    return int(moment.timestamp() * _NS)
