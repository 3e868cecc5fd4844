"""Runs the contract on both adapters: each test gets topics and groups of its own."""

import gc
import logging
import secrets
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from solekey_eventlog.bus import Bus, BusConfig, Consumer, TopicSettings, open_bus
from tests.support.engines.kafka.broker import StoppableKafka


@dataclass
class BusUnderTest:
    """One adapter, reachable by any number of buses."""

    url: str
    resources: ExitStack
    topic_names: list[str] = field(default_factory=list)

    def open(self, **settings: float) -> Bus:
        return self.resources.enter_context(open_bus(BusConfig(self.url, **settings)))

    def make_topic(self, partitions: int = 3, retention_ms: int = -1) -> str:
        topic = TopicSettings(f"test.{secrets.token_hex(8)}.v1", partitions, retention_ms)
        with open_bus(self.url) as bus:
            bus.create_topics([topic])
        return topic.name

    def join(self, bus: Bus, group: str, *topics: str, from_end: bool = False) -> Consumer:
        return self.resources.enter_context(bus.consumer(group, topics, from_end=from_end))


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BusUnderTest]:
    if request.param == "kafka":
        url = f"kafka://{request.getfixturevalue('kafka_servers')}"
    else:
        url = f"embedded://{tmp_path / 'bus.db'}"
    with ExitStack() as resources:
        yield BusUnderTest(url, resources)


@pytest.fixture
def abandoned_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Collect the sockets that kafka-python does not close when a handshake fails."""
    # A log record that is kept holds its error, and that the socket.
    monkeypatch.setattr(logging.getLogger("kafka"), "propagate", False)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@dataclass
class Outage:
    """An adapter that can be made unavailable."""

    under_test: BusUnderTest
    unavailable: Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def outage(request: pytest.FixtureRequest, tmp_path: Path, abandoned_sockets: None) -> Iterator[Outage]:
    with ExitStack() as resources:
        if request.param == "kafka":
            broker: StoppableKafka = request.getfixturevalue("stoppable_kafka")
            under_test = BusUnderTest(f"kafka://{broker.servers}", resources)
            yield Outage(under_test, lambda: _stopped(broker))
        else:
            path = tmp_path / "bus.db"
            yield Outage(BusUnderTest(f"embedded://{path}", resources), lambda: _locked(path))


@contextmanager
def _stopped(broker: StoppableKafka) -> Iterator[None]:
    broker.stop()
    try:
        yield
    finally:
        broker.start()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's write lock, as a stuck process would."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()
