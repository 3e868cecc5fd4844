"""The benchmark of the services, with few requests: it runs, measures every kind, judges what it should."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.services import CLIENTS, KINDS, Measured, make_rows, read_cpu_s
from tests.support.engines.engine import EngineUnavailableError, give_up
from tests.support.engines.kafka.jars import find_java, resolve_jars
from tests.support.repository import ROOT

FAST = Measured([0.001] * 99 + [0.009], wall_s=0.1, service_cpu_s=0.05, load_cpu_s=0.01)


def judge(results):
    return {row.name: row.met for row in make_rows(results, KINDS) if row.met is not None}


def test_every_goal_can_be_met_and_missed():
    fast = {(kind.name, clients): FAST for kind in KINDS for clients in CLIENTS}
    judged = judge(fast)
    assert all(judged.values())
    assert len(judged) == 5 + 5 + 2 * 3 * 2  # rates; tails; two kinds beside bare nameko by two clocks
    slow = {key: replace(FAST, wall_s=100, service_cpu_s=100) for key in fast}
    missed = judge({**slow, **{("bare", clients): FAST for clients in CLIENTS}})
    assert not any(met for name, met in missed.items() if ": p99" not in name)
    tails = {**fast, **{(kind.name, 32): replace(FAST, seconds=[0.1]) for kind in KINDS}}
    assert [name for name, met in judge(tails).items() if not met] == [
        f"{kind.title}: p99 of 32 clients" for kind in KINDS if kind.name != "bare"
    ]


def test_the_processor_time_of_a_child_counts():
    burn = "import time\nwhile time.process_time() < 0.4: pass\nprint(1, flush=True)\ninput()"
    start = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {burn!r}], stdin=-1).wait()"
    parent = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE)
    try:
        assert parent.stdout.readline() == b"1\n"
        assert read_cpu_s([parent.pid]) >= 0.3  # the kernel cuts two ticks of 10 ms off for each process
        assert read_cpu_s([os.getpid()]) >= read_cpu_s([parent.pid])
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgres
def test_a_quick_run_measures_every_kind(tmp_path):
    try:
        find_java()
        resolve_jars()
    except EngineUnavailableError as error:
        give_up(error)
    output = tmp_path / "services.json"
    command = [sys.executable, "-m", "bench.services", "--quick", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(output.read_text())}
    for kind in KINDS:
        for clients in CLIENTS:
            where = f"{kind.title}, {clients} clients"
            assert rows[f"{where}: a second"]["value"] > 0
            assert 0 < rows[f"{where}: p50"]["value"] <= rows[f"{where}: p99"]["value"]
