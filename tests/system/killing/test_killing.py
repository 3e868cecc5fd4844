"""Everything is killed, again and again, while two devices write and rotate: nothing acknowledged is lost.

Each device writes under names of its own, so that no put may become a conflict copy either.

`make soak` runs more cycles, with a seed of its own. The driver forks, so it is a process of its own.
Spec: threat-model.md §2 (P3).
"""

import re
import subprocess
import sys

import pytest

from solekey_protocol.services import SERVICES
from tests.support.repository import ROOT
from tests.system.killing import cycles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the limit ends a run that hangs
CYCLES = 100
"""For each database: 200 in all."""
SEED = 20261128
COUNTED = re.compile(
    r"(\d+) cycles, (\d+) writes acknowledged, (\d+) items read, (\d+) lost, (\d+) conflict copies"
)


def run(*arguments: str) -> tuple[int, tuple[int, ...], str]:
    """Run cycles: exit code (1: something was lost, or an audit found something), what was counted, said."""
    command = [sys.executable, "-m", cycles.__name__, "--seed", str(SEED), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counted = COUNTED.search(done.stdout)
    assert counted, done.stdout + done.stderr[-3000:]
    return done.returncode, tuple(map(int, counted.groups())), done.stdout


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_nothing_acknowledged_is_lost(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, counted, said = run("--cycles", str(CYCLES), "--database", database)
    cycles_run, acknowledged, read, lost, copies = counted
    with capsys.disabled():
        sys.stdout.write(f"\n{said}")
    assert (code, lost, copies, cycles_run) == (0, 0, 0, CYCLES), said
    assert acknowledged >= CYCLES // 2
    assert read >= CYCLES // 2


@pytest.mark.soak
@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.timeout(3600)
def test_nothing_is_lost_when_one_of_four_services_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the four processes on Kafka and PostgreSQL dies alone, several times, at points of its own."""
    code, counted, said = run("--cycles", str(CYCLES), "--database", "services")
    cycles_run, acknowledged, read, lost, copies = counted
    with capsys.disabled():
        sys.stdout.write(f"\n{said}")
    assert (code, lost, copies, cycles_run) == (0, 0, 0, CYCLES), said
    assert acknowledged >= CYCLES // 2
    assert read >= CYCLES // 2
    assert {name for name in SERVICES if f" {name}: " in said} == set(SERVICES)


def test_control_a_device_that_acknowledges_before_it_has_committed_loses() -> None:
    """It says that it is done, dies before its next request, and the reading finds out."""
    code, (*_, lost, _), said = run("--cycles", "2", "--database", "sqlite", "--flaw", "hasty")
    assert code == 1, said
    assert lost > 0
    assert "LOST cycle 1" in said


def test_control_a_device_that_takes_its_own_commit_for_anothers_makes_conflict_copies() -> None:
    code, (*_, lost, copies), said = run("--cycles", "1", "--database", "sqlite", "--flaw", "forgetful")
    assert (code, lost) == (1, 0), said
    assert copies > 0
    assert "CONFLICT COPY cycle 1: " in said
