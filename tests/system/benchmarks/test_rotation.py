"""The benchmark of rotations, with few items: it runs, kills, resumes, and measures what it says."""

import json
import subprocess
import sys

import pytest

from tests.support.repository import ROOT


@pytest.mark.slow
def test_a_short_run_measures_everything(tmp_path):
    output = tmp_path / "rotation.json"
    sizes = ["--sizes", "30", "--large-mib", "8", "--rounds", "1"]
    command = [sys.executable, "-m", "bench.rotation", *sizes, "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(output.read_text())}
    assert set(rows) == {
        "re-encrypt 30 items of 1 KiB",
        "change the user key of 30 items",
        "sealed again after a kill at 90 % of 30",
        "resume after a kill at 90 % of 30",
        "re-encrypt 8 MiB in 4 files",
    }
    assert rows["sealed again after a kill at 90 % of 30"]["value"] == 0
    assert rows["re-encrypt 8 MiB in 4 files"]["reference"] == "get_file, then put_file"
