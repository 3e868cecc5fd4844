"""Traces of requests and events for an OpenTelemetry collector, where one is configured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from solekey_service.http import Operation
from solekey_service.kernel import Kernel

if TYPE_CHECKING:
    from solekey_service.monitoring.spans import Tracer


class Traces:
    """Has requests and events of the services of a process recorded and sent, or nothing at all."""

    def __init__(self, services: Sequence[str], endpoint: str | None) -> None:
        """Begin to send.

        Args:
            services: whose spans come from this process.
            endpoint: where a collector takes OTLP over HTTP, such as ``http://collector:4318/v1/traces``.
                OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE and OTEL_TRACES_SAMPLER mean what
                OpenTelemetry says of them.
        """
        self._tracers: dict[str, Tracer] = {}
        if endpoint is not None:
            from solekey_service.monitoring import spans  # most processes need none

            self._tracers = {service: spans.Tracer(service, endpoint) for service in services}

    def observe(self, operation: Operation, status: int, code: str | None, duration_s: float) -> None:
        """Record a request that was answered; see RequestMetrics.observe."""
        if operation.service in self._tracers:
            self._tracers[operation.service].observe(operation, status, code, duration_s)

    def follow(self, kernel: Kernel[Any]) -> None:
        """Record the events of a service from now on."""
        kernel.store.observer = self._tracers.get(kernel.service)

    def stop(self) -> None:
        """Send what waits, and end; takes as long as the collector does."""
        for tracer in self._tracers.values():
            tracer.stop()
