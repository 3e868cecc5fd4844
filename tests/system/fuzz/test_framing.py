"""Where a body ends, however the header fields and the chunks say it: refused by name, or read to its end."""

import subprocess
import sys

import pytest

from tests.support.repository import ROOT
from tests.system.fuzz.target import LONG_EXAMPLES, QUICK_EXAMPLES


def run(examples: int) -> None:
    command = [sys.executable, "-m", "tests.system.fuzz.framing_program", str(examples)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert ended.stdout == "2 targets fuzzed\n"


def test_mutants_are_refused_by_name() -> None:
    run(QUICK_EXAMPLES)


@pytest.mark.slow
def test_many_mutants_are_refused_by_name() -> None:
    run(LONG_EXAMPLES)
