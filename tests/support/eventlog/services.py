"""Databases of both kinds, a bus, and services on them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from solekey_eventlog.bus import Bus, BusConfig, BusUnavailableError, Message, Position, Record
from solekey_eventlog.bus.embedded import EmbeddedBus
from solekey_eventlog.bus.topics import derive_topics
from solekey_eventlog.clock import ManualClock
from solekey_eventlog.secret import Secret
from solekey_protocol.event import Event
from solekey_protocol.partition import derive_partition
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS
from solekey_service.build import build_service, start_service
from solekey_service.config import ServiceConfig
from solekey_service.definition import ServiceDefinition
from solekey_service.kernel import Kernel
from tests.support.demo_service import reacting as demo
from tests.support.eventlog.author import Author

PARTITIONS = 2
NewUrl = Callable[[], str]
StartService = Callable[..., Kernel[Any]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Give a function that makes databases of one kind."""
    if request.param == "postgres":
        make: NewUrl = request.getfixturevalue("new_postgres_url")
        return make
    numbers = iter(range(100))
    return lambda: f"sqlite:///{tmp_path}/service-{next(numbers)}.db"


class CuttableBus(EmbeddedBus):
    """The embedded bus, and a switch."""

    cut = False

    def publish_many(self, messages: Sequence[Message]) -> list[Position]:
        if self.cut:
            raise BusUnavailableError("cut")
        return super().publish_many(messages)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[CuttableBus]:
    path = tmp_path / "bus.db"
    with CuttableBus(path, BusConfig(f"embedded://{path}")) as bus:
        bus.create_topics(derive_topics(partitions=PARTITIONS))
        yield bus


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make_config(url: str) -> ServiceConfig:
    return ServiceConfig(
        database_url=Secret(url),
        bus_url="embedded:///unused.db",
        bus_partitions=PARTITIONS,
        origin="https://solekey.example",
    )


@pytest.fixture
def start(new_database_url: NewUrl, bus: Bus, clock: ManualClock) -> Iterator[StartService]:
    """Give a function that starts a service, on a fresh database unless one is named."""
    with ExitStack() as services:

        def start_one(
            definition: ServiceDefinition[Any, Any] = demo.AUTH, url: str | None = None
        ) -> Kernel[Any]:
            config = make_config(url or new_database_url())
            api = start_service(definition, build_service(definition, config, bus, clock=clock))
            kernel: Kernel[Any] = api.kernel
            services.callback(kernel.close)
            return kernel

        yield start_one


@pytest.fixture
def alice() -> Author:
    return Author("alice")


@pytest.fixture
def bob() -> Author:
    return Author("bob")


class Feed:
    """Delivers a bus's records to a service, as its bus entry point does."""

    def __init__(self, bus: Bus, kernel: Kernel[Any]) -> None:
        self._kernel = kernel
        self._bus = bus
        self._next: dict[tuple[str, int], int] = {}

    def run(self) -> int:
        """Deliver what is new; returns how many events."""
        events = [record for topic in self._kernel.topics for record in self._read_new(topic)]
        if events:
            self._kernel.projector.apply_all(events)
        for record in self._read_new(HEARTBEAT_TOPIC):
            self._kernel.freshness.observe(record)
        return len(events)

    def _read_new(self, topic: str) -> Iterator[Record]:
        for record in self._bus.read(topic):
            log = (record.topic, record.partition)
            if record.offset >= self._next.get(log, 0):
                self._next[log] = record.offset + 1
                yield record


class Deliveries:
    """Hands events straight to a projector, in whatever order a test likes, with honest offsets."""

    def __init__(self, kernel: Kernel[Any], *, together: bool = True) -> None:
        """Hand to a kernel's projector what is given at once together, or one by one."""
        self._kernel = kernel
        self._together = together
        self._offsets: dict[tuple[str, int], int] = {}

    def give(self, *events: Event) -> None:
        self._apply([self._place(TOPICS[event.stream], event.account, event.raw) for event in events])

    def give_bytes(self, topic: str, key: str, value: bytes) -> Record:
        record = self._place(topic, key, value)
        self._apply([record])
        return record

    def _apply(self, records: list[Record]) -> None:
        if self._together:
            self._kernel.projector.apply_all(records)
            return
        for record in records:
            self._kernel.projector.apply(record)

    def _place(self, topic: str, key: str, value: bytes) -> Record:
        log = (topic, derive_partition(key, PARTITIONS))
        offset = self._offsets.get(log, 0)
        self._offsets[log] = offset + 1
        return Record(*log, offset, key, value)
