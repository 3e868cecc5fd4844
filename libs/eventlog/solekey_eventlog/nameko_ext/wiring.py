"""``wired``: gives a service its Api over a running Kernel, and runs what lives beside the requests."""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from nameko.extensions import DependencyProvider

from solekey_eventlog.access import Guard
from solekey_eventlog.bus import BusError, BusUnavailableError, open_bus
from solekey_eventlog.bus.topics import HEARTBEAT_TOPIC
from solekey_eventlog.config import ServiceConfig
from solekey_eventlog.kernel import Kernel, ServiceDefinition, build_kernel

_log = logging.getLogger(__name__)

CONFIGS_KEY = "SOLEKEY_CONFIGS"
"""Where nameko's configuration holds the ServiceConfig of each service, by the service's name."""
_POLL_S = 0.5  # also bounds how long a stop takes
_RECHECK_S = 2.0


class Api(Protocol):
    """What a service's entry points call."""

    @property
    def kernel(self) -> Kernel:
        """The parts that it was built on."""
        ...


class Wiring(DependencyProvider):  # type: ignore[misc]  # nameko publishes no types
    """Builds the kernel and the Api before the service starts; publishes and observes while it runs."""

    def __init__(self, definition: ServiceDefinition, api: Callable[[Kernel], Api]) -> None:
        self._definition = definition
        self._make_api = api
        self._deaf = threading.Event()
        self._stop = threading.Event()
        self._threads: list[Any] = []

    def setup(self) -> None:
        """Build everything.

        Raises:
            ConfigError, BusConfigurationError: a person must change something; the service does not start.
        """
        config: ServiceConfig = self.container.config[CONFIGS_KEY][self.container.service_name]
        self._bus = open_bus(config.bus_config(client_id=f"solekey-{self._definition.stream}"))
        self.kernel = build_kernel(self._definition, config, self._bus)
        self.guard = Guard(self.kernel)
        self._checked = self._check_bus()
        self._api = self._make_api(self.kernel)

    def start(self) -> None:
        """Start publishing, and listening for the signs of life of the services that it follows."""
        for run in (self._publish, self._observe_heartbeats):
            self._threads.append(self.container.spawn_managed_thread(run))

    def announce_stop(self) -> None:
        """Leave the heartbeats while the last requests are finished; what was heard is good for seconds."""
        self._deaf.set()

    def stop(self) -> None:
        """Stop after the last worker: what it appended is published now, or by the next process."""
        self.announce_stop()
        self._stop.set()
        if self._threads:
            self.kernel.publisher.notify()
        for thread in self._threads:
            thread.wait()
        self._bus.close()
        self.kernel.close()

    def get_dependency(self, _: object) -> Api:
        """Give the worker the Api."""
        return self._api

    def _check_bus(self) -> bool:
        try:
            self.kernel.check_bus()
        except BusUnavailableError as error:
            _log.warning("%s: starting without the bus: %s", self._definition.stream, error)
            return False
        return True

    def _publish(self) -> None:
        # A bus that was down at the start is judged before the first event goes to it. A wrong setting then
        # ends the service (nameko: an exception in a managed thread), as it would have at the start.
        while not self._checked:
            if self._stop.wait(_RECHECK_S):
                return
            self._checked = self._check_bus()
        self.kernel.publisher.run(self._stop)

    def _observe_heartbeats(self) -> None:
        if not self.kernel.topics:
            return
        group = f"{self.kernel.group}-heartbeats-{uuid.uuid4().hex}"  # everybody hears every heartbeat
        while not self._deaf.is_set():
            try:
                with self._bus.consumer(group, [HEARTBEAT_TOPIC], from_end=True) as consumer:
                    while not self._deaf.is_set():
                        for record in consumer.poll(_POLL_S):
                            self.kernel.freshness.observe(record)
            except BusError as error:
                _log.warning("%s: no heartbeats, trying again: %s", self._definition.stream, error)
                self._deaf.wait(_POLL_S)


def wired(definition: ServiceDefinition, api: Callable[[Kernel], Api]) -> Any:
    """Give the service's methods ``api(kernel)``. Any: nameko puts the Api in the place of the provider."""
    return Wiring(definition, api)


def find_wiring(container: Any) -> Wiring:
    """Find the wiring of a container's service. Raises LookupError when the class has none."""
    for provider in container.dependencies:
        if isinstance(provider, Wiring):
            return provider
    raise LookupError(f"{container.service_name}: the class needs `api = wired(DEFINITION, Api)`")
