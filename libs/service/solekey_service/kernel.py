"""A service without its web framework: what the Api classes are given. Tests use it as it stands."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, MetaData

from solekey_eventlog.bus import Bus, BusConfigurationError
from solekey_eventlog.bus.topics import HEARTBEAT_TOPIC
from solekey_eventlog.clock import Clock, SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.log_check import find_log_fault
from solekey_eventlog.migrations import upgrade
from solekey_eventlog.projector import Projector, Reaction
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_eventlog.tables import EventTables
from solekey_protocol.encoding import Json
from solekey_protocol.events import Body, Stream
from solekey_protocol.services import TOPICS, Service, ServiceEntry
from solekey_service.config import ServiceConfig

Random = Callable[[int], bytes]
"""Gives so many unpredictable bytes."""


TRUST_STREAMS: Final = (Stream.AUTH, Stream.DEVICES)
"""The streams by which trust is withdrawn: a service that has not heard them lately refuses (promise P4)."""


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """What makes one service different from another."""

    entry: ServiceEntry
    """What the registry of services says of it."""
    config: type[ServiceConfig]
    metadata: MetaData
    event_tables: EventTables
    reactions: Callable[["Kernel"], Mapping[type[Body], Reaction]]
    package: str
    """Where ``migrations/`` lies, such as ``solekey_auth``."""

    @property
    def service(self) -> Service:
        """The service's name."""
        return self.entry.service

    @property
    def stream(self) -> Stream:
        """The stream that the service writes. Raises ConfigError when the registry names none."""
        if self.entry.stream is None:
            raise ConfigError([f"{self.package}: a service that is built on the event log writes a stream"])
        return self.entry.stream


@dataclass(frozen=True, slots=True)
class Kernel:
    """A running service's parts."""

    definition: ServiceDefinition
    config: ServiceConfig
    engine: Engine
    store: EventStore
    streams: Streams
    bus: Bus
    projector: Projector
    publisher: Publisher
    freshness: Freshness
    clock: Clock
    random: Random

    @property
    def group(self) -> str:
        """The consumer group of the service on the bus."""
        return f"solekey-{self.definition.service}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that the service follows."""
        return tuple(TOPICS[stream] for stream in self.definition.entry.follows)

    def check_bus(self) -> None:
        """Refuse to run on topics that could lose or reorder events, and on a log that has lost some.

        Raises:
            BusConfigurationError: lists what is wrong. BusUnavailableError: the bus does not answer.
        """
        used = {TOPICS[self.definition.stream], HEARTBEAT_TOPIC, *self.topics}
        self.bus.check([topic for topic in self.config.topics() if topic.name in used])
        if fault := self.find_log_fault():
            raise BusConfigurationError(f"{self.definition.service}: {fault}")

    def find_log_fault(self) -> str | None:
        """Say whether the log went back, or is another one. Raises BusUnavailableError, UnavailableError."""
        return find_log_fault(self.store, self.bus, TOPICS[self.definition.stream], self.topics)

    def health(self) -> tuple[bool, dict[str, Json]]:
        """Tell whether the feeds that trust depends on are fresh, and the health answer (200, else 503)."""
        fresh = self.freshness.describe()
        limit_ms = self.config.freshness_s * 1000
        trust = {stream.value for stream in TRUST_STREAMS} & fresh.keys()
        well = all(isinstance(age_ms := fresh[stream], int) and age_ms <= limit_ms for stream in trust)
        return well, {
            "status": "ok" if well else "stale",
            "stream": self.definition.stream.value,
            "fresh": fresh,
            "unpublished": self.store.count_unpublished(),
            "parked": self.projector.count_parked(),
        }

    def close(self) -> None:
        """Close the database's connections. The bus belongs to who opened it."""
        self.engine.dispose()


def build_kernel(
    definition: ServiceDefinition,
    config: ServiceConfig,
    bus: Bus,
    *,
    clock: Clock | None = None,
    random: Random = os.urandom,
) -> Kernel:
    """Build a service: migrate its database, wire its parts, and retry what was parked.

    Raises:
        ConfigError: the database URL, or a definition that cannot verify what it follows.
        UnavailableError: the database does not answer.
    """
    _check_definition(definition)
    clock = clock or SystemClock()
    engine = open_engine(config.database_url, config.database_pool)
    upgrade(engine, definition.package)
    store = EventStore(engine, definition.stream, definition.event_tables, clock)
    streams = Streams(store, definition.entry.follows)
    freshness = Freshness(store, streams, clock, limit_s=config.freshness_s)
    projector = Projector(store, streams)
    publisher = Publisher(store, bus)
    kernel = Kernel(
        definition, config, engine, store, streams, bus, projector, publisher, freshness, clock, random
    )
    store.on_append(publisher.notify)
    store.on_append(freshness.notify)
    projector.on_applied(freshness.notify)
    projector.react(definition.reactions(kernel))
    projector.retry_parked()
    return kernel


def _check_definition(definition: ServiceDefinition) -> None:
    """Refuse to follow statements that could not be verified: whose devices nobody here knows."""
    known = {definition.stream, *definition.entry.follows}
    if definition.stream in definition.entry.follows:
        raise ConfigError([f"{definition.package}: a service does not follow its own stream"])
    if known & {Stream.VAULT, Stream.ROTATION} - {definition.stream} and Stream.DEVICES not in known:
        raise ConfigError([f"{definition.package}: to verify vault or rotation it must follow devices"])
