"""A stream of 4 GiB is sealed and opened in the memory of a few chunks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("large_stream_program.py")
MIB = 1024 * 1024
LIMIT = 64 * MIB


def run(task, way, mib):
    done = subprocess.run(
        [sys.executable, PROGRAM, task, way, str(mib)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["seal", "open"])
def test_4_gib_are_streamed_in_constant_memory(task):
    answer = run(task, "stream", 4096)
    assert answer["bytes"] >= 4096 * MIB
    assert answer["growth_bytes"] <= LIMIT


@pytest.mark.parametrize("task", ["seal", "open"])
def test_the_limit_would_see_what_is_held(task):
    assert run(task, "stream", 96)["growth_bytes"] <= LIMIT
    assert run(task, "hold", 96)["growth_bytes"] > LIMIT
