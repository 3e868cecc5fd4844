"""Each alert fires on what it is for, once that has lasted, and is quiet on what is well: by promtool.

``alerts.yml`` beside this module says on what. promtool is in Debian's package prometheus.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deployment.compose import DEPLOY
from tests.support.engines.engine import EngineUnavailableError, give_up

RULES = DEPLOY / "monitoring" / "alerts.yml"
STEP_S = 15
LOOKED_BACK_S = 300
"""How far back an expression looks, at most."""
UNITS_S = {"s": 1, "m": 60, "h": 3600}


def read_rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def read_cases() -> dict[str, dict[str, Any]]:
    cases: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("alerts.yml").read_text())
    return cases


def make_test(rule: dict[str, Any], series: dict[str, str], expected: dict[int, list[object]]) -> object:
    """Make one of promtool's tests: what is expected of an alert at which second."""
    samples = max(expected) // STEP_S
    values = {name: value.replace("N", str(samples)) for name, value in series.items()}
    return {
        "interval": f"{STEP_S}s",
        "input_series": [{"series": name, "values": value} for name, value in values.items()],
        "alert_rule_test": [
            {"eval_time": f"{at_s}s", "alertname": rule["alert"], "exp_alerts": alerts}
            for at_s, alerts in expected.items()
        ],
    }


def make_tests(rule: dict[str, Any], case: dict[str, Any]) -> list[object]:
    lasting = rule.get("for", "0s")
    lasting_s = int(lasting[:-1]) * UNITS_S[lasting[-1]]
    early_s, late_s = lasting_s - STEP_S, lasting_s + LOOKED_BACK_S
    firing = {
        "exp_labels": {**case["labels"], "severity": rule["labels"]["severity"]},
        "exp_annotations": {"summary": case["summary"]},
    }
    not_yet: dict[int, list[object]] = {early_s: []} if early_s > 0 else {}
    return [
        make_test(rule, case["fires"], {**not_yet, late_s: [firing]}),
        make_test(rule, case["quiet"], {late_s: []}),
    ]


def run_promtool(*words: str) -> subprocess.CompletedProcess[str]:
    promtool = shutil.which("promtool")
    if promtool is None:
        give_up(EngineUnavailableError("no promtool: install Debian's package prometheus"))
    return subprocess.run([promtool, *words], capture_output=True, text=True, check=False)


def try_rules(folder: Path, rules: str, cases: dict[str, dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yml").write_text(rules)
    tests = [test for name, rule in read_rules().items() for test in make_tests(rule, cases[name])]
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s", "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(document))
    return run_promtool("test", "rules", str(folder / "tests.yml"))


def test_there_is_a_case_for_each_alert() -> None:
    assert read_cases().keys() == read_rules().keys()


def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    for words in (("rules", str(RULES)), ("config", "--syntax-only", str(RULES.with_name("prometheus.yml")))):
        done = run_promtool("check", *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else(tmp_path: Path) -> None:
    done = try_rules(tmp_path, RULES.read_text(), read_cases())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # half a second each
@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("solekey_feed_lag_events) > 1000", "solekey_feed_lag_events) > 999"),
        ("for: 30s", "for: 10s"),
        ("$labels.kind", "$labels.service"),
    ],
)
def test_control_a_rule_that_is_off_is_found(tmp_path: Path, rule: str, broken: str) -> None:
    text = RULES.read_text()
    assert rule in text
    assert try_rules(tmp_path, text.replace(rule, broken, 1), read_cases()).returncode != 0
