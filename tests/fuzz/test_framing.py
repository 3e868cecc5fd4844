"""Where a body ends, however the header fields and the chunks say it: refused by name, or read to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES

_PROGRAM = Path(__file__).with_name("framing_program.py")


def run(examples: int) -> None:
    environ = os.environ | {"PYTHONPATH": str(_PROGRAM.parents[1])}
    command = [sys.executable, str(_PROGRAM), str(examples)]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert ended.stdout == "3 targets fuzzed\n"


def test_mutants_are_refused_by_name() -> None:
    run(QUICK_EXAMPLES)


@pytest.mark.slow
def test_many_mutants_are_refused_by_name() -> None:
    run(LONG_EXAMPLES)
