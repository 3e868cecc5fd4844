"""Requests are counted by operation and code; no client can add a series or a word of its own."""

import io
import os
import secrets
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from solekey_service.http import Operation, Request, Response, json_response
from solekey_service.monitoring.exposition import Exposition
from solekey_service.monitoring.readiness import is_answering
from solekey_service.monitoring.request_metrics import RequestMetrics
from solekey_service.refusals import BadRequest, NotFound
from tests.support.repository import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet announces its retirement
    from solekey_service.http_server.application import Application
    from solekey_service.http_server.body import BodyReader
    from solekey_service.http_server.connection import CONNECTION_KEY
    from solekey_service.http_server.routes import Routes


class Shelf:
    """Answers one route: with what it was asked for, which is never counted."""

    def handle(self, request: Request, values: Mapping[str, str], body: BodyReader) -> Response:  # noqa: ARG002
        if values["name"].startswith("no"):
            raise NotFound(f"there is no {values['name']}")
        return json_response(200, {"name": values["name"]})


def ask(application: Application, path: str, method: str = "GET", query: str = "", **header: str) -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "RAW_PATH_INFO": path,
        "QUERY_STRING": query,
        "headers_raw": tuple(header.items()),
        "eventlet.input": io.BytesIO(),
        CONNECTION_KEY: Mock(),
    }
    list(application(environ, lambda *_: None))


def make() -> tuple[Application, RequestMetrics]:
    routes, metrics = Routes(), RequestMetrics()
    routes.add("GET", "/v1/vault/items/<name>", Shelf(), Operation("vault", "get_item"))
    return Application(routes, metrics.observe), metrics


def write(metrics: RequestMetrics) -> str:
    return Exposition(metrics, is_answering).write([]).decode()


def read_series(metrics: RequestMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(write(metrics))
        for sample in family.samples
        if sample.name.startswith("solekey_request")
    }


def count(metrics: RequestMetrics, **labels: str) -> float:
    return read_series(metrics)["solekey_requests_total", tuple(sorted(labels.items()))]


def test_a_request_counts_for_its_operation_and_code() -> None:
    application, metrics = make()
    for path in ("/v1/vault/items/a", "/v1/vault/items/b", "/v1/vault/items/nothing", "/elsewhere"):
        ask(application, path)
    known = {"service": "vault", "operation": "get_item"}
    nobody = {"service": "none", "operation": "none"}
    assert count(metrics, **known, status="200", code="ok") == 2
    assert count(metrics, **known, status="404", code="not_found") == 1
    assert count(metrics, **nobody, status="404", code="not_found") == 1
    ask(application, "/v1/vault/items/a", "POST")
    assert count(metrics, **nobody, status="405", code="method_not_allowed") == 1
    application.refuse_head(BadRequest("header line 3 is malformed"))
    assert count(metrics, **nobody, status="400", code="malformed") == 1
    series = read_series(metrics)
    assert series["solekey_request_seconds_count", (("operation", "get_item"), ("service", "vault"))] == 3


def test_a_hostile_client_adds_no_series_and_no_word() -> None:
    application, metrics = make()

    def flood() -> None:
        for _ in range(300):
            word = f"canary{secrets.token_hex(8)}"
            ask(application, f"/v1/vault/items/{word}", query=f"{word}=1", Authorization=word, DPoP=word)
            ask(application, f"/v1/vault/items/no{word}")
            ask(application, f"/{word}", word.upper())
            ask(application, f"/v1/vault/items/{word}", word.upper())
            ask(application, "/v1/vault/items/x", query="&".join([word] * 40))
            ask(application, "/v1/vault/items/x", **{"Content-Length": word})
            ask(application, "/v1/vault/items/x", **{"Transfer-Encoding": "chunked"})

    flood()
    first = set(read_series(metrics))
    flood()
    assert set(read_series(metrics)) == first
    assert len(first) < 60
    assert "canary" not in write(metrics).lower()


def test_the_control_finds_a_path_that_is_counted() -> None:
    """The check above would see it: here the path itself is the operation."""
    routes, metrics = Routes(), RequestMetrics()
    for number in range(3):
        path = f"/canary{number}"
        routes.add("GET", path, Shelf(), Operation("vault", path))
        ask(Application(routes, metrics.observe), path)
    assert "canary" in write(metrics)
    assert len(read_series(metrics)) > 30


@pytest.mark.slow  # starts processes
def test_what_several_processes_count_is_added(tmp_path: Path) -> None:
    """Each process that shares the port writes into files of one folder; whoever is asked adds them."""
    program = (
        "import eventlet; eventlet.monkey_patch()\n"
        "import sys\n"
        "from solekey_service.http import Operation\n"
        "from solekey_service.monitoring.exposition import Exposition\n"
        "from solekey_service.monitoring.readiness import is_answering\n"
        "from solekey_service.monitoring.request_metrics import RequestMetrics\n"
        "metrics = RequestMetrics()\n"
        "metrics.observe(Operation('vault', 'get_item'), 200, None, 0.01)\n"
        "sys.stdout.write(Exposition(metrics, is_answering).write([]).decode())\n"
    )
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", program]
    written = [
        subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    line = 'solekey_requests_total{code="ok",operation="get_item",service="vault",status="200"} '
    assert [line + f"{n}.0" in text for n, text in enumerate(written, start=1)] == [True] * 2
