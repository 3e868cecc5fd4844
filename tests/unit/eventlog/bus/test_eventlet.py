"""Both buses work in the world that nameko makes: eventlet, everything patched."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).with_name("under_eventlet.py")


@pytest.mark.slow
def test_publish_and_consume_under_eventlet_let_other_green_threads_run(under_test) -> None:
    command = [sys.executable, str(_PROGRAM), under_test.url, "test.eventlet.v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    expected = [str(n) for n in range(40)] + ["x", "y"]
    assert report["arrived"] == expected
    assert report["read"] == expected
    # A poll that blocks would hold everyone up for its whole 5 s, on a busy machine and on an idle one.
    assert report["median_delay_s"] < 4.0
    assert report["longest_gap_s"] < 4.0
