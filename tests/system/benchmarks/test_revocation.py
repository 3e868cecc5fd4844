"""The benchmark of revocations, with few of them: it runs, measures all four services, and can count."""

import json
import subprocess
import sys

import pytest

from bench.measure import find_quantile
from bench.revocation import BUSY_GOAL, GOAL, Refusal, Revocation, make_rows
from solekey_protocol.services import Service
from tests.support.engines.engine import EngineUnavailableError, give_up
from tests.support.engines.kafka.jars import find_java, resolve_jars
from tests.support.repository import ROOT

SERVICES = tuple(Service)


def measured(after_s, witness_s=0.01, told="403 device_revoked"):
    return Revocation({service: Refusal(after_s, told) for service in SERVICES}, witness_s)


@pytest.mark.parametrize(
    ("quantile", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.991, 100), (0.0, 1)]
)
def test_a_quantile_is_a_value_that_was_measured(quantile, expected):
    assert find_quantile(list(range(100, 0, -1)), quantile) == expected


@pytest.mark.parametrize(("goal", "late_s"), [(GOAL, 0.101), (BUSY_GOAL, 0.251)])
def test_one_late_service_misses_the_goal(goal, late_s):
    late = {**measured(0.1).refusals, Service.VAULT: Refusal(late_s, "401 session_ended")}
    rows = make_rows([measured(0.1), Revocation(late, 0.01)], goal)
    judged = {row.name: row.met for row in rows if row.met is not None}
    assert judged == {
        f"{service}: acknowledged to first refusal, p99": service is not Service.VAULT for service in SERVICES
    }
    ours = {row.name: row.value for row in rows}
    assert ours["vault: refused with 401 session_ended"] == 1
    assert ours["vault: refused with 403 device_revoked"] == 1
    assert ours["auth: refused with 403 device_revoked"] == 2


def test_a_record_that_is_there_before_the_acknowledgement_gives_no_ratio():
    assert {row.ratio for row in make_rows([measured(0.1, witness_s=-0.001)])} == {None}
    compared = [row.ratio for row in make_rows([measured(0.1, witness_s=0.01)]) if row.reference]
    assert compared == [pytest.approx(10)] * 3 * len(SERVICES)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgres
def test_a_short_run_measures_every_service(tmp_path):
    try:
        find_java()
        resolve_jars()
    except EngineUnavailableError as error:
        give_up(error)
    output = tmp_path / "revocation.json"
    command = [sys.executable, "-m", "bench.revocation", "--revocations", "3", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "bare consumer" in done.stdout
    rows = {row["name"]: row for row in json.loads(output.read_text())}
    for service in SERVICES:
        low, high = (rows[f"{service}: acknowledged to first refusal, {name}"] for name in ("p50", "max"))
        assert 0 < low["value"] <= high["value"]
        assert sum(row["value"] for name, row in rows.items() if name.startswith(f"{service}: refused")) == 3
