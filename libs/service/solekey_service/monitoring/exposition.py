"""Writes the numbers of a process in Prometheus's text format (version 0.0.4)."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from solekey_service.monitoring.measurements import Measurements
from solekey_service.monitoring.readiness import AsksDatabase
from solekey_service.monitoring.request_metrics import RequestMetrics
from solekey_service.monitoring.started import Started

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
BUILD: Final = "solekey_build"
_SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"


class Exposition:
    """All numbers of a process; of its requests those of the processes beside it, too, where it has any."""

    def __init__(self, requests: RequestMetrics, is_answering: AsksDatabase) -> None:
        self._requests = requests
        self._is_answering = is_answering
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        build = Info(BUILD, "The release that runs", registry=self._process)
        build.info({"version": version("solekey-service"), "python": platform.python_version()})

    def write(self, services: Sequence[Started]) -> bytes:
        """Write the numbers as they are now."""
        measurements = CollectorRegistry()
        measurements.register(Measurements(services, self._is_answering))
        registries = (self._find_requests(), self._process, measurements)
        return b"".join(generate_latest(registry) for registry in registries)

    def _find_requests(self) -> CollectorRegistry:
        if not os.environ.get(_SHARED):
            return self._requests.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # the library's own omission
        return shared
