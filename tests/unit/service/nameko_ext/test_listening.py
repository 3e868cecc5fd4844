"""The bus entry point when its worker fails: nothing is skipped, turned round, or tried in a busy loop."""

import time

import pytest

from solekey_eventlog.bus.topics import DEFAULT_PARTITIONS
from solekey_protocol.partition import derive_partition
from tests.support.actors import Actor
from tests.support.demo_process import Demo, run_demo
from tests.unit.service.nameko_ext.test_life import fail_login, wait_for

ADA = Actor("ada", "laptop")
PARTITION = derive_partition(ADA.account, DEFAULT_PARTITIONS)
PEOPLE = [Actor(f"person {number}", "desk") for number in range(50)]
ELSEWHERE = next(p for p in PEOPLE if derive_partition(p.account, DEFAULT_PARTITIONS) != PARTITION)
NEIGHBOUR = next(p for p in PEOPLE if derive_partition(p.account, DEFAULT_PARTITIONS) == PARTITION)


def position(demo: Demo, actor: Actor) -> int:
    with demo.client() as client:
        return int(client.get(f"/v1/vault/position/{actor.account}").json()["auth"])


def attempts(demo: Demo) -> int:
    return demo.log.read_text().count("OSError: the database is down, for this account")  # a traceback's end


@pytest.mark.slow
def test_a_failing_record_holds_up_its_partition_alone_and_follows_in_order(fresh_demo: Demo) -> None:
    trouble = fresh_demo.folder / f"fail-{ADA.account}"
    trouble.touch()
    fail_login(fresh_demo, ADA)
    fail_login(fresh_demo, NEIGHBOUR)
    for expected in range(1, 4):
        fail_login(fresh_demo, ELSEWHERE)
        wait_for(fresh_demo, f"/v1/vault/position/{ELSEWHERE.account}", auth=expected)
    fail_login(fresh_demo, ADA)
    assert position(fresh_demo, ADA) == 0
    assert position(fresh_demo, NEIGHBOUR) == 0  # later in the same partition: order is kept
    trouble.unlink()
    wait_for(fresh_demo, f"/v1/vault/position/{ADA.account}", auth=2)
    wait_for(fresh_demo, f"/v1/vault/position/{NEIGHBOUR.account}", auth=1)


@pytest.mark.slow
def test_a_failing_record_is_tried_at_growing_intervals(fresh_demo: Demo) -> None:
    (fresh_demo.folder / f"fail-{ADA.account}").touch()
    fail_login(fresh_demo, ADA)
    deadline_s = time.monotonic() + 30
    while attempts(fresh_demo) < 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    time.sleep(2)
    assert attempts(fresh_demo) <= 6  # 0.25, 0.5, 1, 2 s …: at most two more, and one by who stands by


@pytest.mark.slow
def test_what_failed_is_not_committed(fresh_demo: Demo) -> None:
    trouble = fresh_demo.folder / f"fail-{ADA.account}"
    trouble.touch()
    fail_login(fresh_demo, ADA)
    deadline_s = time.monotonic() + 30
    while attempts(fresh_demo) < 1:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    fresh_demo.stop()
    trouble.unlink()
    with run_demo(fresh_demo.folder) as demo:
        wait_for(demo, f"/v1/vault/position/{ADA.account}", auth=1)
