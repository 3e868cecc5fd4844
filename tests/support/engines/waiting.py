"""Waiting for a bus: on a condition with a deadline, never for luck."""

import time
from collections.abc import Callable

from solekey_eventlog.bus import Consumer, Record

DEADLINE_S = 60.0  # reached only when something is wrong, or the machine very busy


def wait_until(is_reached: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
    """Ask until it is so. The condition itself blocks for a moment (a poll)."""
    deadline = time.monotonic() + timeout_s
    while not is_reached():
        assert time.monotonic() < deadline, "not reached in time"


def collect(consumer: Consumer, count: int, timeout_s: float = DEADLINE_S) -> list[Record]:
    """Poll until at least ``count`` records have come."""
    records: list[Record] = []
    deadline = time.monotonic() + timeout_s
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records came in time"
        records += consumer.poll(1.0)
    return records
