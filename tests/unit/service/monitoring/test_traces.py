"""A request, its event and what other services made of it are found in traces, by ids that nobody sends."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from solekey_eventlog.bus import open_bus
from solekey_protocol.event import parse_event
from solekey_protocol.events import Stream
from solekey_protocol.services import TOPICS
from tests.support.actors import Actor
from tests.support.demo_process import Demo, run_demo
from tests.support.engines.ports import find_free_ports
from tests.support.engines.waiting import wait_until

pytestmark = pytest.mark.slow  # starts a process

ADA = Actor("ada", "laptop")
CANARY = "canary7f3a"
IDS = {"appends": "1" * 32, "fails": "2" * 32}


@dataclass
class Collector:
    """Takes traces as an OpenTelemetry collector does: OTLP over HTTP."""

    url: str = ""
    raw: bytearray = field(default_factory=bytearray)
    spans: list[tuple[str, Span]] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        self.raw += body
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (
                each.value.string_value for each in group.resource.attributes if each.key == "service.name"
            )
            self.spans += [(service, span) for scope in group.scope_spans for span in scope.spans]

    def find(self, trace_id: str) -> list[tuple[str, str]]:
        return sorted((service, span.name) for service, span in self.spans if span.trace_id.hex() == trace_id)

    def get(self, trace_id: str, service: str, name: str) -> Span:
        (found,) = (
            span for its, span in self.spans
            if (span.trace_id.hex(), its, span.name) == (trace_id, service, name)
        )  # fmt: skip
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] is None:
                collector.take(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def read_attributes(span: Span) -> dict[str, object]:
    return {each.key: each.value.int_value or each.value.string_value for each in span.attributes}


def work(demo: Demo) -> None:
    with demo.client() as client:
        appended = client.post(f"/v1/auth/failures/{ADA.account}", headers={"X-Request-Id": IDS["appends"]})
        assert appended.status_code == 201
        client.get(f"/v1/vault/boom?{CANARY}=1", headers={"X-Request-Id": IDS["fails"], "DPoP": CANARY})
        client.get(f"/{CANARY}")
        client.get("/v1/vault/health", headers={"traceparent": f"00-{'3' * 32}-{'3' * 16}-01"})
        wait_until(lambda: client.get(f"/v1/vault/position/{ADA.account}").json() == {"auth": 1})


def test_a_request_its_event_and_its_failure_are_traced(tmp_path: Path, collector: Collector) -> None:
    with run_demo(tmp_path, traces=collector.url, trusted_proxies="127.0.0.1") as demo:
        work(demo)
        assert demo.stop() == 0  # which sends what waits
        with open_bus(demo.bus_url) as bus:
            (record,) = bus.read(TOPICS[Stream.AUTH])
    event = parse_event(record.value)
    place = {"solekey.event": f"{ADA.account}/auth/1"}

    assert collector.find(IDS["appends"]) == [("solekey-auth", "append"), ("solekey-auth", "fail")]
    request = collector.get(IDS["appends"], "solekey-auth", "fail")
    appended = collector.get(IDS["appends"], "solekey-auth", "append")
    assert request.kind == Span.SPAN_KIND_SERVER
    assert not request.parent_span_id
    assert appended.parent_span_id == request.span_id
    assert read_attributes(appended) == place
    assert request.start_time_unix_nano <= request.end_time_unix_nano

    trace_id = event.digest[:32]
    published = collector.get(trace_id, "solekey-auth", "publish")
    (link,) = appended.links
    assert (link.trace_id.hex(), link.span_id) == (trace_id, published.span_id)
    assert (published.kind, read_attributes(published)) == (Span.SPAN_KIND_PRODUCER, place)
    applied = collector.get(trace_id, "solekey-vault", "apply")
    assert applied.parent_span_id == published.span_id
    assert (applied.kind, read_attributes(applied)) == (Span.SPAN_KIND_CONSUMER, place)

    failed = collector.get(IDS["fails"], "solekey-vault", "boom")
    assert read_attributes(failed) == {"http.response.status_code": 500, "solekey.code": "internal_error"}
    assert failed.status.code == 2  # error


def test_clients_choose_neither_ids_nor_words(tmp_path: Path, collector: Collector) -> None:
    with run_demo(tmp_path, traces=collector.url) as demo:
        work(demo)
        assert demo.stop() == 0
    assert {"fail", "append", "boom"} <= {span.name for _, span in collector.spans}
    for foreign in (*IDS.values(), "3" * 32):
        assert collector.find(foreign) == []
    assert CANARY.encode() not in collector.raw


def test_a_collector_that_is_away_costs_nothing(tmp_path: Path) -> None:
    (port,) = find_free_ports(1)
    with run_demo(tmp_path, traces=f"http://127.0.0.1:{port}/v1/traces") as demo:
        work(demo)
        assert demo.stop() == 0
