"""`make demo` tells its story to the end, and would not if something in it did not happen."""

import os
import subprocess
import sys

import pytest

from demo import narrator
from tests.support.repository import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_story():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOLEKEY_")}
    run = subprocess.run(
        [sys.executable, "-m", "demo.story"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "Verdict: clean" in run.stdout
    assert (ROOT / "build" / "demo" / "03_the_log_was_not_rewritten.html").exists()
    assert (ROOT / "build" / "demo" / "events.jsonl").exists()


def test_a_promise_that_is_not_kept_breaks_the_story():
    narrator.demand(True, "kept")
    with pytest.raises(narrator.StepFailedError, match="not kept"):
        narrator.demand(False, "not kept")


def test_a_refusal_that_does_not_come_breaks_the_story():
    tell = narrator.Narrator(platform=None)
    with tell.refused(ValueError, "the test"):
        raise ValueError("as told")
    with pytest.raises(narrator.StepFailedError, match="nothing was refused"), tell.refused(ValueError, "it"):
        pass
