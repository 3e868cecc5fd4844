"""What is particular to the bus in one SQLite file: processes, leases, retention, a wrong file."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from engines.waiting import collect, wait_until

from solekey_eventlog.bus import (
    BusConfig,
    BusConfigurationError,
    BusUnavailableError,
    Message,
    PartitionLostError,
    TopicSettings,
    open_bus,
)
from solekey_eventlog.bus.embedded import EmbeddedBus

TOPIC = TopicSettings("test.embedded.v1", partitions=2)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def open_embedded(path: Path, clock=time.time, **settings: float) -> EmbeddedBus:
    bus = EmbeddedBus(path, BusConfig(f"embedded://{path}", **settings), clock=clock)
    bus.create_topics([TOPIC])
    return bus


_WRITER = """
import sys
from solekey_eventlog.bus import open_bus
url, topic, key, count = sys.argv[1:]
with open_bus(url) as bus:
    for n in range(int(count)):
        bus.publish(topic, key, b"%d" % n)
"""


@pytest.mark.slow
def test_several_processes_publish_and_another_consumes(tmp_path: Path) -> None:
    bus = open_embedded(tmp_path / "bus.db")
    command = [sys.executable, "-c", _WRITER, f"embedded://{tmp_path}/bus.db", TOPIC.name]
    with bus, bus.consumer("g", [TOPIC.name]) as consumer:
        writers = [subprocess.Popen([*command, f"writer-{w}", "50"]) for w in range(3)]
        records = collect(consumer, 150, timeout_s=60)
        assert [writer.wait(10) for writer in writers] == [0, 0, 0]
    for w in range(3):
        assert [r.value for r in records if r.key == f"writer-{w}"] == [b"%d" % n for n in range(50)]
    assert len({(r.partition, r.offset) for r in records}) == 150


def test_a_waiting_consumer_wakes_as_soon_as_something_is_published(tmp_path: Path) -> None:
    with open_embedded(tmp_path / "bus.db") as bus, bus.consumer("g", [TOPIC.name]) as consumer:
        assert not consumer.poll(0)
        delays = []
        for _ in range(9):
            published_at: list[float] = []
            timer = threading.Timer(0.01, lambda at=published_at: at.append(publish_now(bus)))
            timer.start()
            assert consumer.poll(5)
            timer.join()
            delays.append(time.monotonic() - published_at[0])
        assert sorted(delays)[4] < 0.03  # the median; looking every 50 ms would be slower


def publish_now(bus: EmbeddedBus) -> float:
    started = time.monotonic()
    bus.publish(TOPIC.name, "a", b"")
    return started


def test_a_member_that_stays_silent_loses_its_partitions_and_may_come_back(tmp_path: Path) -> None:
    clock = Clock()
    bus = open_embedded(tmp_path / "bus.db", clock, session_timeout_s=0.4)
    with bus, bus.consumer("g", [TOPIC.name]) as silent, bus.consumer("g", [TOPIC.name]) as other:
        bus.publish_many([Message(TOPIC.name, f"k{n}", b"") for n in range(10)])
        held = collect(silent, 10)
        clock.now_s += 1
        assert len(collect(other, 10)) == 10
        with pytest.raises(PartitionLostError):
            silent.commit(held[0])
        wait_until(lambda: not silent.poll(0.1) or bool(silent.assignment()))
        wait_until(lambda: bool(silent.poll(0.1)) or len(silent.assignment()) == 1)
        assert len(silent.assignment()) == 1


def test_an_owner_from_before_cannot_move_the_group_back(tmp_path: Path) -> None:
    clock = Clock()
    bus = open_embedded(tmp_path / "bus.db", clock, session_timeout_s=0.4)
    with bus, bus.consumer("g", [TOPIC.name]) as first:
        bus.publish_many([Message(TOPIC.name, "k", b"%d" % n) for n in range(3)])
        held = collect(first, 3)
        clock.now_s += 1
        with bus.consumer("g", [TOPIC.name]) as second:
            second.commit(collect(second, 3)[-1])
        for _ in range(2):  # before it has noticed, and after it has them again
            with pytest.raises(PartitionLostError):
                first.commit(held[0])
            wait_until(lambda: not first.poll(0.2) and has_claims(tmp_path / "bus.db", 3))
        assert first.committed(TOPIC.name, held[0].partition) == 3


def has_claims(path: Path, number: int) -> bool:
    """Tell whether the partitions of the group have been given away so often."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT DISTINCT claim FROM group_assignments").fetchall() == [(number,)]


def test_expired_records_go_and_offsets_stay(tmp_path: Path) -> None:
    clock = Clock()
    brief = TopicSettings("test.brief.v1", partitions=1, retention_ms=60_000)
    with open_embedded(tmp_path / "bus.db", clock) as bus:
        bus.create_topics([brief])
        for topic in (brief.name, TOPIC.name):
            bus.publish(topic, "a", b"old")
        clock.now_s += 61
        for topic in (brief.name, TOPIC.name):
            bus.publish(topic, "a", b"new")
        assert [(r.offset, r.value) for r in bus.read(brief.name)] == [(1, b"new")]
        assert [r.value for r in bus.read(TOPIC.name)] == [b"old", b"new"]
        clock.now_s += 61
        bus.publish(brief.name, "a", b"newer")
        assert [(r.offset, r.value) for r in bus.read(brief.name)] == [(2, b"newer")]


def test_a_batch_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    with open_embedded(tmp_path / "bus.db") as bus:
        with pytest.raises(BusConfigurationError):
            bus.publish_many([Message(TOPIC.name, "a", b"1"), Message("test.unknown.v1", "a", b"2")])
        assert list(bus.read(TOPIC.name)) == []


def test_a_file_that_is_no_bus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_bytes(b"Dear Sir or Madam, " * 100)
    with pytest.raises(BusConfigurationError, match="is this a bus file"):
        open_bus(f"embedded://{path}")
    with pytest.raises(BusUnavailableError):
        open_bus(f"embedded://{path}/below-a-file/bus.db")


def test_close_ends_a_poll_in_another_thread(tmp_path: Path) -> None:
    with open_embedded(tmp_path / "bus.db") as bus:
        consumer = bus.consumer("g", [TOPIC.name])
        polling = threading.Thread(target=consumer.poll, args=(60.0,))
        polling.start()
        consumer.close()
        polling.join(5)
        assert not polling.is_alive()
