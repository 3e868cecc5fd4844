"""Gives a service its Api over a running kernel, and runs what lives beside the requests."""

import contextvars
import inspect
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import eventlet
from eventlet import tpool
from nameko.extensions import DependencyProvider, is_dependency

from solekey_eventlog.bus import Bus, BusError, BusUnavailableError, open_bus
from solekey_eventlog.log_check import LogWatch
from solekey_eventlog.standby import Standby
from solekey_eventlog.topic_watch import TopicWatch
from solekey_eventlog.trouble import Trouble
from solekey_protocol.services import HEARTBEAT_TOPIC
from solekey_service.access import Guard
from solekey_service.access.seen_proofs import SeenProofs
from solekey_service.build import build_service, start_service
from solekey_service.config import ServiceConfig
from solekey_service.definition import ServiceDefinition
from solekey_service.kernel import Kernel, Threads
from solekey_service.monitoring.started import Started
from solekey_service.stream_api import StreamApi

_log = logging.getLogger(__name__)

PARTS_KEY = "SOLEKEY_PARTS"
"""Where nameko's configuration holds the Parts of each service, by the service's name."""
PROOFS_KEY = "SOLEKEY_PROOFS"
"""Where it holds the descriptor of the memory of used proofs, or None: the process has its own."""
_POLL_S = 0.5  # also bounds how long a stop takes
_RECHECK_S = 2.0
_WATCH_S = 10.0
_FINISH_S = 2.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service runs on."""

    bus: Bus
    api: StreamApi[Any]
    is_bus_checked: bool
    bus_trouble: Trouble


class Wiring(DependencyProvider):  # type: ignore[misc]  # nameko publishes no types
    """Gives the service its Api; publishes and observes while it runs."""

    def __init__(self, definition: ServiceDefinition[Any, Any]) -> None:
        self._definition = definition
        self._stopped_listening = threading.Event()
        self._stop = threading.Event()
        self._threads: list[Any] = []

    def build(self, config: ServiceConfig) -> Parts:
        """Build everything. In the main thread: what fails in a green one is a traceback, not a line.

        Raises:
            ConfigError, BusConfigurationError: a person must change something; the service does not start.
            UnavailableError: the database does not answer.
        """
        threads = Threads(offload=_offload, pause=eventlet.sleep)
        client_id = f"solekey-{self._definition.service}"
        bus = open_bus(config.bus_config(client_id), offload=threads.offload)
        api = build_service(self._definition, config, bus, threads=threads)
        trouble = Trouble(_log, f"{api.kernel.service}: the bus cannot be used, trying again")
        is_checked = _check_bus(api.kernel, trouble)
        return Parts(bus, start_service(self._definition, api), is_checked, trouble)

    def setup(self) -> None:
        """Take over what was built."""
        parts: Parts = self.container.config[PARTS_KEY][self.container.service_name]
        self._bus, self._api, self.kernel = parts.bus, parts.api, parts.api.kernel
        self._checked = parts.is_bus_checked
        self.bus_trouble = parts.bus_trouble
        self.guard = Guard(self.kernel, SeenProofs(descriptor=self.container.config[PROOFS_KEY]))

    def start(self) -> None:
        """Start publishing, and listening for the signs of life of the services that it follows."""
        for run in (self._publish, self._observe_heartbeats, self._stand_by, self._watch_log):
            self._threads.append(self.container.spawn_managed_thread(run))

    def describe(self) -> Started:
        """Describe the running service to its operators."""
        return Started(self._api, self._definition.gauges, lambda: self._checked)

    @property
    def is_bus_known(self) -> bool:
        """Whether the bus has answered once, and was found right."""
        return self._checked

    def announce_stop(self) -> None:
        """Leave the heartbeats while the last requests are finished; what was heard is good for seconds."""
        self._stopped_listening.set()

    def stop(self) -> None:
        """Stop after the last worker: what it appended is published now, or by the next process."""
        self.announce_stop()
        self._stop.set()
        if self._threads:
            self.kernel.publisher.notify()
        finish(*self._threads)
        self._bus.close()
        self.kernel.close()

    def get_dependency(self, _: object) -> StreamApi[Any]:
        """Give the worker the Api."""
        return self._api

    def _publish(self) -> None:
        # A bus that was down at the start is judged before the first event goes to it. A wrong setting then
        # ends the service (nameko: an exception in a managed thread), as it would have at the start.
        while not self._checked:
            if self._stop.wait(_RECHECK_S):
                return
            self._checked = _check_bus(self.kernel, self.bus_trouble)
        self.kernel.publisher.run(self._stop)

    def _stand_by(self) -> None:
        kernel = self.kernel
        if kernel.topics:
            Standby(kernel.store, self._bus, kernel.projector, kernel.freshness).run(self._stopped_listening)

    def _watch_log(self) -> None:
        kernel = self.kernel
        watch = LogWatch(kernel.service, kernel.find_log_fault, kernel.freshness, kernel.publisher)
        topics = TopicWatch(kernel.service, kernel.check_topics)
        while not self._stop.wait(_WATCH_S):
            watch.look()
            topics.look()

    def _observe_heartbeats(self) -> None:
        if not self.kernel.topics:
            return
        group = f"{self.kernel.group}-heartbeats-{uuid.uuid4().hex}"  # everybody hears every heartbeat
        while not self._stopped_listening.is_set():
            try:
                with self._bus.consumer(group, [HEARTBEAT_TOPIC], from_end=True) as consumer:
                    while not self._stopped_listening.is_set():
                        records = consumer.poll(_POLL_S)
                        self.bus_trouble.end()
                        for record in records:
                            self.kernel.freshness.observe(record)
            except BusError as error:
                self.bus_trouble.meet(error)
                self._stopped_listening.wait(_POLL_S)


def _offload(work: Callable[[], Any]) -> Any:
    """Run something slow in a native thread, whose lines in the log belong to the same request."""
    return tpool.execute(contextvars.copy_context().run, work)


def finish(*threads: Any) -> None:
    """Wait for threads that were told to stop; those that wait for a bus that does not answer are killed.

    Nothing is lost with them: what is not marked as published or applied comes again.
    """
    with eventlet.Timeout(_FINISH_S, False):
        for thread in threads:
            thread.wait()
        return
    for thread in threads:
        thread.kill()


def _check_bus(kernel: Kernel[ServiceConfig], trouble: Trouble) -> bool:
    try:
        kernel.check_bus()
    except BusUnavailableError as error:
        trouble.meet(error)
        return False
    return True


def build_parts(service: type, config: ServiceConfig) -> Parts:
    """Build what a service class runs on; see Wiring.build. Raises LookupError when it has no wiring."""
    for _, provider in inspect.getmembers(service, is_dependency):
        if isinstance(provider, Wiring):
            return provider.build(config)
    raise LookupError(f"{service.__name__}: not made by make_service_class")


def find_wiring(container: Any) -> Wiring:
    """Find the wiring of a container's service. Raises LookupError when the class has none."""
    for provider in container.dependencies:
        if isinstance(provider, Wiring):
            return provider
    raise LookupError(f"{container.service_name}: not made by make_service_class")
