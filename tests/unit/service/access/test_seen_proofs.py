"""Proofs are remembered for as long as their age does not refuse them, and never too many of them."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.ids import PublicKey
from solekey_service.access.seen_proofs import KEPT_FOR, SeenProofs, create_memory
from solekey_service.http.caller import DpopProof
from solekey_service.refusals import DpopInvalid
from tests.support.repository import ROOT

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
_RIVAL = """
import sys
from solekey_service.access.seen_proofs import SeenProofs
from solekey_service.refusals import DpopInvalid
from tests.unit.service.access.test_seen_proofs import NOW, proof
seen, admitted = SeenProofs(1000, int(sys.argv[1])), 0
print("ready", flush=True)
input()
for number in range(300):
    try:
        seen.add(proof(number), NOW)
        admitted += 1
    except DpopInvalid:
        pass
print(admitted)
"""


def proof(number: int, thumbprint: str = "laptop") -> DpopProof:
    return DpopProof(PublicKey("58" + "66" * 31), thumbprint, f"proof-{number}", NOW, None)


def test_a_proof_is_good_once():
    seen = SeenProofs()
    seen.add(proof(1), NOW)
    with pytest.raises(DpopInvalid):
        seen.add(proof(1), NOW + KEPT_FOR)
    seen.add(proof(1, "phone"), NOW)
    seen.add(proof(2), NOW)


def test_a_proof_is_remembered_across_the_border_of_two_periods():
    for second in range(0, 2 * int(KEPT_FOR.total_seconds()), 7):
        seen, first = SeenProofs(max_proofs=10), NOW + timedelta(seconds=second)
        seen.add(proof(1), first)
        for later in (timedelta(), KEPT_FOR / 2, KEPT_FOR):
            with pytest.raises(DpopInvalid):
                seen.add(proof(1), first + later)


@pytest.mark.parametrize("periods", [2, 3, 10])
def test_what_is_old_is_forgotten(periods):
    seen = SeenProofs()
    for number in range(10):
        seen.add(proof(number), NOW)
    seen.add(proof(10), NOW + periods * KEPT_FOR)
    assert len(seen) == 1
    seen.add(proof(1), NOW + periods * KEPT_FOR)


def test_a_clock_that_goes_back_forgets_nothing():
    seen = SeenProofs(max_proofs=10)
    seen.add(proof(1), NOW)
    seen.add(proof(2), NOW - 5 * KEPT_FOR)
    for number in (1, 2):
        with pytest.raises(DpopInvalid):
            seen.add(proof(number), NOW)


def test_a_clock_that_was_far_ahead_refuses_no_read_for_good():
    """By then more reads have come than there is room for; the wrong clock's period would last for days."""
    seen = SeenProofs(max_proofs=10)
    seen.add(proof(0), NOW + timedelta(days=3))
    for number in range(1, 25):
        try:
            seen.add(proof(number), NOW)
        except UnavailableError:
            break
        with pytest.raises(DpopInvalid):
            seen.add(proof(number), NOW)
    assert number == 20  # the wrong clock's period is full, and then the right one's
    with pytest.raises(UnavailableError):
        seen.add(proof(30), NOW)
    seen.add(proof(30), NOW + KEPT_FOR)


def test_as_many_as_there_is_room_for_are_told_apart():
    seen = SeenProofs(max_proofs=2000)
    for number in range(2000):
        seen.add(proof(number), NOW)
    for number in range(2000):
        with pytest.raises(DpopInvalid):
            seen.add(proof(number), NOW)
    assert len(seen) == 2000


def test_processes_that_share_the_memory_share_what_was_seen():
    descriptor = create_memory(100)
    try:
        first, second, alone = SeenProofs(100, descriptor), SeenProofs(100, descriptor), SeenProofs(100)
        first.add(proof(1), NOW)
        with pytest.raises(DpopInvalid):
            second.add(proof(1), NOW)
        alone.add(proof(1), NOW)
        del first  # its process ends: what it has noted stays
        with pytest.raises(DpopInvalid):
            SeenProofs(100, descriptor).add(proof(1), NOW)
    finally:
        os.close(descriptor)


def test_of_processes_that_are_given_one_proof_at_the_same_time_one_admits_it():
    """Each tries 300 proofs, as fast as it can; without the lock some are admitted twice."""
    descriptor = create_memory(1000)
    command = [sys.executable, "-c", _RIVAL, str(descriptor)]
    try:
        rivals = [
            subprocess.Popen(command, pass_fds=[descriptor], stdin=-1, stdout=-1, cwd=ROOT) for _ in range(2)
        ]
        for rival in rivals:
            assert rival.stdout.readline() == b"ready\n"
        for rival in rivals:
            rival.stdin.write(b"go\n")
            rival.stdin.flush()
        assert sum(int(rival.communicate()[0]) for rival in rivals) == 300
    finally:
        os.close(descriptor)


def test_a_flood_is_refused_and_forgets_nothing():
    seen = SeenProofs(max_proofs=2)
    seen.add(proof(1), NOW)
    seen.add(proof(2), NOW)
    with pytest.raises(UnavailableError):
        seen.add(proof(3), NOW)
    with pytest.raises(DpopInvalid):
        seen.add(proof(1), NOW)
