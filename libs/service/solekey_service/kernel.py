"""A service without its web framework: what the Api classes are given. Tests use it as it stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from sqlalchemy import Engine

from solekey_eventlog.bus import Bus, BusConfigurationError
from solekey_eventlog.clock import Clock
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.log_check import find_log_fault
from solekey_eventlog.offload import Offload, run_here
from solekey_eventlog.projector import Projector
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.rebuild import Progress, Rebuild
from solekey_eventlog.restoration import read_restored
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream
from solekey_protocol.services import HEARTBEAT_TOPIC, TOPICS, Service
from solekey_service.config import ServiceConfig

Random = Callable[[int], bytes]
"""Gives so many unpredictable bytes."""


TRUST_STREAMS: Final = (Stream.AUTH, Stream.DEVICES)
"""The streams by which trust is withdrawn: a service that has not heard them lately refuses (promise P4)."""


ConfigT_co = TypeVar("ConfigT_co", bound=ServiceConfig, covariant=True)


@dataclass(frozen=True, slots=True)
class Threads:
    """How work that takes long is kept from holding up other requests.

    Attributes:
        offload: runs something slow in a native thread; under eventlet ``tpool.execute``.
        pause: lets other requests go on in the middle of long work; under eventlet ``sleep``.
    """

    offload: Offload = run_here
    pause: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Kernel(Generic[ConfigT_co]):
    """A running service's parts: what its Api is made of."""

    service: Service
    config: ConfigT_co
    engine: Engine
    store: EventStore
    streams: Streams
    bus: Bus
    projector: Projector
    publisher: Publisher
    freshness: Freshness
    clock: Clock
    random: Random
    threads: Threads
    recoveries: dict[type[Body], Callable[[UnitOfWork, Event], None]] = field(default_factory=dict)

    @property
    def stream(self) -> Stream:
        """The stream that the service owns."""
        return self.store.stream

    @property
    def group(self) -> str:
        """The consumer group of the service on the bus."""
        return f"solekey-{self.service}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that the service follows."""
        return tuple(TOPICS[stream] for stream in self.streams.subscribed)

    @property
    def is_bus_shared(self) -> bool:
        """Whether other processes may follow the same bus: the embedded one has a single process."""
        return self.config.bus_config("").is_shared

    def check_bus(self) -> None:
        """Refuse to run on topics that could lose or reorder events, and on a log that has lost some.

        Raises:
            BusConfigurationError: lists what is wrong. BusUnavailableError: the bus does not answer.
        """
        self.check_topics()
        if fault := self.find_log_fault():
            raise BusConfigurationError(f"{self.service}: {fault}")

    def check_topics(self) -> None:
        """Refuse to run on topics that could lose or reorder events; see ``check_bus``."""
        used = {TOPICS[self.stream], HEARTBEAT_TOPIC, *self.topics}
        self.bus.check([topic for topic in self.config.topics() if topic.name in used])

    def find_log_fault(self) -> str | None:
        """Say whether the log went back, or is another one. Raises BusError, UnavailableError."""
        return find_log_fault(self.store, self.bus, TOPICS[self.stream], self.topics)

    def make_rebuild(self, progress: Progress = lambda _what, _count: None) -> Rebuild:
        """Make what folds the inbox from zero and compares it. No process of the service may run."""
        return Rebuild(self.store, self.streams, self.projector, self.bus, progress)

    def health(self) -> tuple[bool, dict[str, Json]]:
        """Tell whether the feeds that trust depends on are fresh, and the health answer (200, else 503)."""
        fresh = self.freshness.describe()
        limit_ms = self.config.freshness_s * 1000
        trust = {stream.value for stream in TRUST_STREAMS} & fresh.keys()
        well = all(isinstance(age_ms := fresh[stream], int) and age_ms <= limit_ms for stream in trust)
        return well, {
            "status": "ok" if well else "stale",
            "stream": self.stream.value,
            "fresh": fresh,
            "unpublished": self.store.count_unpublished(),
            "parked": self.projector.count_parked(),
            "distrusted": self.freshness.distrusted,
            "restored": self._list_restored(),
        }

    def _list_restored(self) -> list[Json]:
        with self.store.read() as uow:
            return [{"as_of": each.as_of, "at": each.at} for each in read_restored(uow)]

    def close(self) -> None:
        """Close the database's connections. The bus belongs to who opened it."""
        self.engine.dispose()
