"""Heartbeats go on while the process of the requests stands still, and end with it."""

import os
import signal
import time
from pathlib import Path

import pytest

from solekey_eventlog.bus import open_bus
from solekey_protocol.events import Stream
from solekey_protocol.heartbeat import parse_heartbeat
from solekey_protocol.services import HEARTBEAT_TOPIC
from tests.support.demo_process import Demo

pytestmark = pytest.mark.slow  # real processes and seconds of waiting

PATIENCE_S = 30.0


def test_a_process_that_stands_still_keeps_its_voice(fresh_demo: Demo) -> None:
    with (
        open_bus(fresh_demo.bus_url) as bus,
        bus.consumer("test", [HEARTBEAT_TOPIC], from_end=True) as consumer,
    ):
        fresh_demo.process.send_signal(signal.SIGSTOP)
        try:
            heard = dict.fromkeys((Stream.AUTH, Stream.VAULT), 0)
            deadline_s = time.monotonic() + PATIENCE_S
            while min(heard.values()) < 4 and time.monotonic() < deadline_s:
                for record in consumer.poll(0.5):
                    heard[parse_heartbeat(record.value).service] += 1
        finally:
            fresh_demo.process.send_signal(signal.SIGCONT)
    assert min(heard.values()) >= 4, "more than the publisher can have sent before it was stopped"


@pytest.mark.slow
def test_the_voice_ends_with_its_process(fresh_demo: Demo) -> None:
    (child,) = find_children(fresh_demo.process.pid)
    fresh_demo.process.kill()
    deadline_s = time.monotonic() + PATIENCE_S
    while is_running(child) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not is_running(child)


@pytest.mark.slow
def test_it_is_started_anew(fresh_demo: Demo) -> None:
    (child,) = find_children(fresh_demo.process.pid)
    os.kill(child, signal.SIGKILL)
    deadline_s = time.monotonic() + PATIENCE_S
    while find_children(fresh_demo.process.pid) in ([child], []) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert find_children(fresh_demo.process.pid) not in ([child], [])


def find_children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
