"""Alerts and dashboard ask for what the services tell, and the operators' pages answer each alert."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from solekey_protocol.events import Stream
from solekey_protocol.events.fields import RotationKind
from solekey_protocol.services import SERVICES as REGISTRY
from solekey_service.monitoring.common_gauges import COMMON_GAUGES
from solekey_service.monitoring.exposition import BUILD
from solekey_service.monitoring.measurements import DATABASE_UP
from solekey_service.monitoring.request_metrics import DURATION, REQUESTS
from solekey_service.refusals import ANSWERS
from tests.support.deployment.compose import DEPLOY, SERVICES, make_installation
from tests.support.repository import ROOT

ALERTS = DEPLOY / "monitoring" / "alerts.yml"
DASHBOARD = DEPLOY / "monitoring" / "dashboard.json"
PAGES = ROOT / "docs" / "operations"
OF_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus gives every series of a target."""
VALUES: dict[str, set[str]] = {
    "service": set(SERVICES),
    "stream": {stream.value for stream in Stream},
    "state": {"used", "idle"},
    "kind": {kind.value for kind in RotationKind},
    "code": {"ok", "internal_error", "storage_full", *(answer.code for answer in ANSWERS.values())},
    "job": {"solekey"},
}
"""What labels may be compared with, where an expression does."""


def list_metrics() -> dict[str, frozenset[str]]:
    """Every series that a service tells, and its labels, as the code declares them."""
    definitions = [import_module(f"{entry.package}.definition").DEFINITION for entry in REGISTRY.values()]
    gauges = [*COMMON_GAUGES, DATABASE_UP, *(gauge for each in definitions for gauge in each.gauges)]
    known = {gauge.name: frozenset({"service", *gauge.labels}) for gauge in gauges}
    known[f"{REQUESTS}_total"] = frozenset({"service", "operation", "status", "code"})
    for part in ("bucket", "sum", "count"):
        limit = ["le"] if part == "bucket" else []
        known[f"{DURATION}_{part}"] = frozenset({"service", "operation", *limit})
    known[f"{BUILD}_info"] = frozenset({"version", "python"})
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    known |= {sample.name: frozenset() for family in registry.collect() for sample in family.samples}
    return {name: labels | OF_TARGET for name, labels in known.items()} | {"up": OF_TARGET}


def list_alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def list_expressions() -> dict[str, str]:
    """Every expression by where it stands; Grafana's own variable is a duration."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {rule["alert"]: rule["expr"] for rule in list_alerts()} | {
        f"{panel['title']}/{target['refId']}": target["expr"].replace("$__rate_interval", "5m")
        for panel in panels
        for target in panel["targets"]
    }


def find_faults(expression: str, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Say what of an expression no service tells. Raises ValueError where it does not parse."""
    selectors: list[Any] = []
    used: set[str] = set()

    def look(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), look)
    for found in re.findall(r"\b(?:by|on|group_left|group_right|without|ignoring) ?\(([^)]*)\)", expression):
        used |= {label.strip() for label in found.split(",") if label.strip()}
    labels = frozenset[str]()
    for selector in selectors:
        if selector.name not in known:
            yield f"no service tells {selector.name}"
            continue
        labels |= known[selector.name]
        for matcher in selector.matchers.matchers:
            if matcher.name not in known[selector.name]:
                yield f"{selector.name} has no label {matcher.name}"
            for value in str(matcher.value).split("|"):
                if matcher.name in VALUES and value not in VALUES[matcher.name]:
                    yield f"{selector.name}: {matcher.name} is never {value}"
    yield from (f"nothing in it has the label {label}" for label in sorted(used - labels))


@pytest.mark.parametrize("where", list_expressions())
def test_an_expression_asks_for_what_the_services_tell(where: str) -> None:
    assert list(find_faults(list_expressions()[where], list_metrics())) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "solekey_outbox_event > 0",
        'solekey_outbox_events{stream="auth"}',
        'solekey_feed_age_seconds{stream=~"auth|device"}',
        "sum by (account) (solekey_parked_accounts)",
        'solekey_requests_total{code="internal"}',
    ],
)
def test_control_a_wrong_expression_is_found(wrong: str) -> None:
    assert list(find_faults(wrong, list_metrics()))


def test_control_an_expression_that_does_not_parse_is_found() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        list(find_faults("sum by (service (x)", list_metrics()))


def test_each_alert_says_what_and_how_bad() -> None:
    for rule in list_alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= set().union(*list_metrics().values())


def test_each_alert_has_an_answer_and_each_answer_an_alert() -> None:
    text = (PAGES / "troubleshooting.md").read_text()
    answered = re.findall(r"^### (Solekey\w+)$", text, re.MULTILINE)
    assert sorted(answered) == sorted(rule["alert"] for rule in list_alerts())


def test_every_number_is_explained_and_shown() -> None:
    own = {name for name in list_metrics() if name.startswith("solekey_")}
    of_duration = {f"{DURATION}_{part}" for part in ("bucket", "sum", "count")}
    explained = set(re.findall(r"`(solekey_\w+)`", (PAGES / "watch.md").read_text()))
    assert (own - of_duration) | {DURATION} == explained
    shown = set(re.findall(r"solekey_\w+", " ".join(list_expressions().values())))
    assert own - of_duration | {f"{DURATION}_bucket"} == shown


def test_prometheus_asks_every_service_where_the_override_has_it_listen() -> None:
    (job,) = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    (targets,) = job["dns_sd_configs"]
    override = yaml.safe_load((DEPLOY / "monitoring.yml").read_text())
    assert tuple(targets["names"]) == SERVICES
    for service in SERVICES:
        listen = override["services"][service]["environment"]["SOLEKEY_MONITORING_LISTEN"]
        assert listen == f"0.0.0.0:{targets['port']}"
    for name in ("prometheus", "grafana"):
        settings = override["services"][name]
        assert all(port.startswith("127.0.0.1:") for port in settings["ports"])
        for volume in settings["volumes"]:
            source = volume.partition(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in override["volumes"]


@pytest.mark.docker
@pytest.mark.usefixtures("docker_compose")
def test_compose_accepts_the_override(tmp_path: Path) -> None:
    make_installation(tmp_path)
    command = ["docker", "compose", "-f", "docker-compose.yml", "-f", "deploy/monitoring.yml"]
    done = subprocess.run(
        [*command, "--env-file", str(tmp_path / ".env"), "config", "--format", "json"],
        cwd=ROOT, env=os.environ | {"GRAFANA_PASSWORD": "a-password-7"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert {*SERVICES, "prometheus", "grafana"} <= set(services)
    for service in SERVICES:
        environment = services[service]["environment"]
        assert environment["SOLEKEY_MONITORING_LISTEN"] == "0.0.0.0:9464"
        assert "SOLEKEY_DATABASE_URL" in environment  # merged, not replaced
    assert [port["host_ip"] for port in services["prometheus"]["ports"]] == ["127.0.0.1"]
