"""A running service, as its operators see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from solekey_service.kernel import Kernel
from solekey_service.monitoring.gauge import Gauge
from solekey_service.stream_api import StreamApi


@dataclass(frozen=True, slots=True)
class Started:
    """A service that was built.

    Attributes:
        api: answers its requests.
        gauges: what is measured of it, beside what is common to all services.
        is_bus_known: tells whether its bus was found to be as configured, once since the start.
    """

    api: StreamApi[Any]
    gauges: tuple[Gauge[Any], ...]
    is_bus_known: Callable[[], bool]

    @property
    def kernel(self) -> Kernel[Any]:
        """Its parts."""
        return self.api.kernel
