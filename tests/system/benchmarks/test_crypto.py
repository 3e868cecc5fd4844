"""The benchmark of the client's cryptography, at a tiny size: it runs, and it would see what it looks for."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from bench.crypto_items import measure_items
from tests.support.repository import ROOT

MIB = 1024 * 1024
KEYS = {"name", "value", "unit", "reference", "reference_value", "ratio", "goal", "met"}
STAND_INS = {
    "age-keygen": 'if [ "$1" = -o ]; then echo key >"$2"; else echo age1standin; fi',
    "age": 'while [ "$1" != -o ]; do shift; done; cp "$3" "$2"',
}


def run_module(name, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", name, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def programs(tmp_path):
    """A PATH on which `age` is there: the real one, or one that copies. The tests judge no speed."""
    folder = tmp_path / "programs"
    folder.mkdir()
    if shutil.which("age") is None:
        for name, script in STAND_INS.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_small_items_are_sealed_and_opened():
    rows = measure_items(20, 1)
    assert [row.name for row in rows] == ["seal items of 1 KiB", "open items of 1 KiB"]
    for row in rows:
        assert row.value > 0
        assert row.ratio == row.value / row.reference_value
        assert row.met is (row.value >= 100_000)


@pytest.mark.parametrize(("seal", "open_"), [("seal", "open"), ("seal-whole", "open-whole")])
def test_the_worker_seals_and_opens_and_notices_what_is_held(seal, open_, tmp_path):
    """The second pair is the positive control: it holds everything, and the probe of memory says so."""
    size = 48 * MIB
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(bytes(range(256)) * (size // 256))
    growth = [
        json.loads(run_module("bench.crypto_worker", *arguments))["growth_bytes"]
        for arguments in ((seal, plain, sealed), (open_, sealed, opened))
    ]
    assert opened.read_bytes() == plain.read_bytes()
    assert sealed.stat().st_size > size
    if seal == "seal":
        assert max(growth) < 24 * MIB
    else:
        assert min(growth) > size


@pytest.mark.slow  # `openssl speed` runs for at least a second, several times
def test_the_benchmark_writes_a_table_and_every_row(tmp_path, programs):
    output = tmp_path / "crypto.json"
    sizes = ("--file-mib", 2, "--memory-mib", 17, "--items", 20, "--rounds", 1, "--starts", 1)
    shown = run_module("bench.crypto", "--output", output, *sizes, PATH=programs)
    rows = json.loads(output.read_text())
    assert all(row.keys() == KEYS for row in rows)
    assert all(row["value"] > 0 for row in rows)
    assert [row["goal"] for row in rows] == [
        *["ratio >= 1.5", "ratio >= 0.6", "ratio >= 0.6"] * 2,  # files, beside age and two ways of cp
        *["value <= 64"] * 2,  # memory growth
        *["ratio >= 0.6", "ratio >= 0.6", ""] * 2,  # in memory, beside openssl
        *["value >= 100000"] * 2,  # small items
        "value <= 250",  # start
    ]
    assert all((row["met"] is None) == (row["goal"] == "") for row in rows)
    judged = [row["met"] for row in rows if row["goal"]]
    assert f"{judged.count(False)} of {len(judged)} goals missed" in shown
    assert [path.name for path in tmp_path.iterdir() if path.name != "programs"] == ["crypto.json"]
