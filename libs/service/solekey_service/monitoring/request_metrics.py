"""Counts and times requests, by operation and code. The values of labels come from declarations alone."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from solekey_service.http import Operation

REQUESTS: Final = "solekey_requests"
DURATION: Final = "solekey_request_seconds"
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
OK: Final = "ok"
"""The code of a request that was not refused."""


class RequestMetrics:
    """What a process counts of its requests.

    Where several processes share a port, prometheus-client keeps these numbers in files of the folder
    ``PROMETHEUS_MULTIPROC_DIR``, which must be set before this module is imported.
    """

    def __init__(self) -> None:
        # Series of their own, which say nothing that a restart does not.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own omission
        self.registry = CollectorRegistry()
        self._requests = Counter(
            REQUESTS,
            "Requests that were answered, by operation and by the code of their refusal (ok: none)",
            ("service", "operation", "status", "code"),
            registry=self.registry,
        )
        self._duration = Histogram(
            DURATION,
            "How long requests took, from their header section to their answer",
            ("service", "operation"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )

    def observe(self, operation: Operation, status: int, code: str | None, duration_s: float) -> None:
        """Count one request.

        Args:
            operation: the route that answered, or NO_OPERATION.
            status: of the answer.
            code: of the refusal, if it is one.
            duration_s: how long it took.
        """
        self._requests.labels(operation.service, operation.name, str(status), code or OK).inc()
        self._duration.labels(operation.service, operation.name).observe(duration_s)
