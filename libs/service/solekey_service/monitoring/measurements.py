"""Reads the gauges of running services."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from solekey_eventlog.errors import UnavailableError
from solekey_service.monitoring.common_gauges import COMMON_GAUGES
from solekey_service.monitoring.gauge import Gauge, Values, single
from solekey_service.monitoring.readiness import AsksDatabase
from solekey_service.monitoring.started import Started
from solekey_service.stream_api import StreamApi

_log = logging.getLogger(__name__)


DATABASE_UP: Final[Gauge[StreamApi[Any]]] = Gauge(
    "solekey_database_up", "Whether the database answers: 1, or 0", lambda _: single(1)
)


class Measurements(Collector):
    """The gauges of all services of a process, read anew each time."""

    def __init__(self, services: Sequence[Started], is_answering: AsksDatabase) -> None:
        self._services = services
        self._is_answering = is_answering
        self._families: dict[str, GaugeMetricFamily] = {}

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name no family in advance: nothing is read before somebody asks."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read every gauge; what cannot be known now is left out, and the others are there."""
        self._families = {}
        for service in self._services:
            known = self._is_answering(service.kernel)
            self._add(service, DATABASE_UP, single(known))
            for gauge in (*COMMON_GAUGES, *service.gauges):
                if known or gauge.from_memory:
                    self._add(service, gauge, _read(gauge, service.api))
        yield from self._families.values()

    def _add(self, service: Started, gauge: Gauge[Any], values: Values) -> None:
        family = self._families.setdefault(
            gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=("service", *gauge.labels))
        )
        for labels, number in values.items():
            family.add_metric((service.kernel.service.value, *labels), number)


def _read(gauge: Gauge[Any], api: StreamApi[Any]) -> Values:
    try:
        return gauge.read(api)
    except UnavailableError:
        return {}
    except Exception:  # noqa: BLE001 - one number that cannot be read must not hide the others
        _log.exception("%s cannot be read", gauge.name)
        return {}
