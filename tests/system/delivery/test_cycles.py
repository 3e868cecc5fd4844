"""Publisher, followers and broker are killed again and again: applied once, nothing lost, nothing twice.

`make soak-delivery` runs 200 cycles and ten kills of the broker, with a seed of its own, and the controls.
The driver forks, so it is a process of its own. Spec: events.md §6.
"""

import re
import subprocess
import sys

import pytest

from tests.support.repository import ROOT
from tests.system.delivery import cycles

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]  # the limit ends a run that hangs
SEED = 20261128
COUNTED = re.compile(r"^([a-z ]{20}) (\d+)", re.MULTILINE)


def run(*arguments: str) -> tuple[int, dict[str, int], str]:
    """Run cycles: exit code, the counts of its table, what was said."""
    command = [sys.executable, "-m", cycles.__name__, "--seed", str(SEED), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr[-3000:]
    counts = {name.strip(): int(count) for name, count in COUNTED.findall(done.stdout)}
    assert "lost" in counts, said
    return done.returncode, counts, said


def test_nothing_is_lost_and_nothing_happens_twice(capsys: pytest.CaptureFixture[str]) -> None:
    code, counts, said = run("--cycles", "10", "--brokers", "1")
    with capsys.disabled():
        sys.stdout.write(f"\n{said}")
    assert code == 0, said
    assert (counts["lost"], counts["duplicated effects"], counts["parked accounts"]) == (0, 0, 0)
    assert counts["applied once"] == counts["acknowledged"] >= 10 * 2


@pytest.mark.soak
@pytest.mark.parametrize("flaw", cycles.FLAWS)
def test_control_a_planted_defect_loses(flaw: str) -> None:
    """Marked before the bus has it, or committed before its effect is durable: it is gone with a process."""
    code, counts, said = run("--cycles", "6", "--brokers", "0", "--flaw", flaw)
    assert code == 1, said
    assert counts["lost"] > 0, said
