"""What is particular to the bus in one SQLite file: processes, groups of one, retention, a wrong file."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from solekey_eventlog.bus import (
    BusConfig,
    BusConfigurationError,
    BusUnavailableError,
    Message,
    TopicSettings,
    open_bus,
)
from solekey_eventlog.bus.embedded import EmbeddedBus
from tests.support.engines.waiting import collect

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


_MEMBER = """
import sys
from solekey_eventlog.bus import BusConfigurationError, open_bus
url, topic, group = sys.argv[1:]
with open_bus(url) as bus, bus.consumer(group, [topic]) as consumer:
    try:
        print([record.value for record in consumer.poll(0)])
    except BusConfigurationError as error:
        print("refused:", error)
"""


def join_in_a_process(path: Path, group: str) -> str:
    """Join a group in another process, and return what it gets there."""
    command = [sys.executable, "-c", _MEMBER, f"embedded://{path}", TOPIC.name, group]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_second_member_is_refused_here_and_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with open_embedded(path) as bus:
        bus.publish(TOPIC.name, "a", b"1")
        with bus.consumer("g", [TOPIC.name]) as first, bus.consumer("g", [TOPIC.name]) as second:
            (record,) = collect(first, 1)
            for _ in range(2):  # as often as it asks
                with pytest.raises(BusConfigurationError, match="group g has a member already"):
                    second.poll(0)
            assert "refused: " in join_in_a_process(path, "g")
            assert join_in_a_process(path, "other") == "[b'1']\n"  # positive control: another group
            first.commit(record)
            first.close()
            assert second.poll(0) == []  # the group is free, and goes on where it had committed


def test_the_group_of_a_process_that_was_killed_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with open_embedded(path) as bus:
        bus.publish(TOPIC.name, "a", b"1")
        program = _MEMBER + "    print('joined', flush=True)\n    sys.stdin.read()\n"
        command = [sys.executable, "-c", program, f"embedded://{path}", TOPIC.name, "g"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as member:
            assert member.stdout is not None
            assert member.stdout.readline() == "[b'1']\n"
            assert member.stdout.readline() == "joined\n"
            with bus.consumer("g", [TOPIC.name]) as other:
                with pytest.raises(BusConfigurationError):
                    other.poll(0)
                member.kill()
                member.wait()
                assert len(collect(other, 1)) == 1


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
