"""Builds a service of its definition, without a web framework. Tests use it as it stands."""

import os
from functools import partial
from typing import Any

from solekey_eventlog.bus import Bus
from solekey_eventlog.clock import Clock, SystemClock
from solekey_eventlog.engine import open_engine
from solekey_eventlog.errors import ConfigError
from solekey_eventlog.freshness import Freshness
from solekey_eventlog.migrations import require_migrated, upgrade
from solekey_eventlog.projector import Projector
from solekey_eventlog.publisher import Publisher
from solekey_eventlog.store import EventStore
from solekey_eventlog.streams import Streams
from solekey_protocol.events import Stream
from solekey_service.definition import ApiT, ServiceDefinition
from solekey_service.kernel import Kernel, Random, Threads
from solekey_service.stream_api import ConfigT


def build_service(
    definition: ServiceDefinition[ConfigT, ApiT],
    config: ConfigT,
    bus: Bus,
    *,
    clock: Clock | None = None,
    random: Random = os.urandom,
    threads: Threads | None = None,
) -> ApiT:
    """Build a service: migrate its database, wire its parts, make its Api.

    Args:
        definition: the service's.
        config: its configuration.
        bus: where its events go, and where those that it follows come from; stays its opener's to close.
        clock: the system's, if none is given.
        random: gives so many unpredictable bytes.
        threads: how slow work is kept from holding up other requests; by default it is done at once.

    Raises:
        ConfigError: the database URL, or a definition that cannot verify what it follows.
        UnavailableError: the database does not answer.
    """
    _check_definition(definition)
    clock, threads = clock or SystemClock(), threads or Threads()
    engine = open_engine(config.database_url, config.database_pool, offload=threads.offload)
    if config.migrate:
        upgrade(engine, definition.package)
    else:
        require_migrated(engine, definition.package)
    store = EventStore(engine, definition.stream, definition.tables, clock)
    streams = Streams(store, definition.follows, pause=threads.pause)
    freshness = Freshness(store, streams, clock, limit_s=config.freshness_s)
    projector = Projector(store, streams)
    publisher = Publisher(store, bus)
    store.on_append(publisher.notify)
    store.on_change(freshness.notify)
    kernel: Kernel[ConfigT] = Kernel(
        service=definition.service,
        config=config,
        engine=engine,
        store=store,
        streams=streams,
        bus=bus,
        projector=projector,
        publisher=publisher,
        freshness=freshness,
        clock=clock,
        random=random,
        threads=threads,
    )
    publisher.watch(kernel.find_log_fault, freshness.distrust)
    try:
        api = definition.api(kernel)
    except BaseException:
        kernel.close()  # nothing else holds its connections
        raise
    projector.react({body: partial(react, api) for body, react in definition.reactions.items()})
    kernel.recoveries.update({body: partial(take, api) for body, take in definition.recoveries.items()})
    return api


def start_service(definition: ServiceDefinition[Any, ApiT], api: ApiT) -> ApiT:
    """Do what is done before the first request: retry what was parked, and the jobs of the start.

    Raises:
        UnavailableError: the database does not answer.
    """
    api.kernel.projector.retry_parked()
    for job in definition.jobs:
        if job.at_start:
            job.run(api)
    return api


def _check_definition(definition: ServiceDefinition[Any, Any]) -> None:
    """Refuse to follow statements that could not be verified, because the devices stream is not followed."""
    known = {definition.stream, *definition.follows}
    if definition.stream in definition.follows:
        raise ConfigError([f"{definition.package}: a service does not follow its own stream"])
    if known & {Stream.VAULT, Stream.ROTATION} - {definition.stream} and Stream.DEVICES not in known:
        raise ConfigError([f"{definition.package}: to verify vault or rotation it must follow devices"])
