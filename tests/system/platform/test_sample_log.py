"""`make notebooks`: the sample that it opens is an honest log, made once, and what JupyterLab is given."""

import os
import subprocess
import sys

import pytest

from demo.sample_log import LOG, PINS
from solekey.audit import Tables, Verdict, open_log, read_pins, verify_log
from tests.support.repository import ROOT

pytestmark = pytest.mark.slow


def prepare(folder):
    """Run what the target runs before it opens a browser."""
    shown = dry_run("notebooks-sample", folder)
    assert f"-m demo.sample_log {folder}" in shown
    subprocess.run([sys.executable, "-m", "demo.sample_log", str(folder)], cwd=ROOT, check=True)


def dry_run(target, folder):
    command = ["make", "--dry-run", target, f"NOTEBOOKS={folder}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_the_sample_is_an_honest_log_with_all_that_notebooks_ask_of(tmp_path):
    folder = tmp_path / "sample"
    prepare(folder)
    report = verify_log(open_log(folder / LOG), read_pins(folder / PINS), tables=tmp_path / "audit.duckdb")
    assert (report.findings, report.verdict) == ((), Verdict.CLEAN)
    with Tables(tmp_path / "audit.duckdb") as tables:
        for table in ("wraps", "commits", "sessions", "revocations", "rotations", "devices"):
            assert len(getattr(tables, table)()), table
    made = (folder / LOG).stat().st_mtime_ns
    prepare(folder)
    assert (folder / LOG).stat().st_mtime_ns == made  # it is kept
    command = dry_run("notebooks", folder)
    assert f"SOLEKEY_AUDIT_LOG={folder}/{LOG} SOLEKEY_AUDIT_PINS={folder}/{PINS}" in command
    assert "-m jupyterlab --notebook-dir=notebooks" in command
