"""Whether a process can do its work: its databases and buses are known, and it serves.

Trust is no part of it: while another service or Kafka is away, what depends on it is refused one by one (503
trust_stale), and a start anew would mend nothing. Migrations are done once a service is built at all.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select

from solekey_eventlog.errors import UnavailableError
from solekey_protocol.encoding import Json
from solekey_service.kernel import Kernel
from solekey_service.monitoring.started import Started

AsksDatabase = Callable[[Kernel[Any]], bool]
"""Tells whether a service's database answers."""


class Readiness:
    """What ``/ready`` answers. Nothing is ready before ``begin`` and after ``end``."""

    def __init__(self, is_answering: AsksDatabase) -> None:
        self._is_answering = is_answering
        self._services: Sequence[Started] = ()
        self._is_serving = False

    def begin(self, services: Sequence[Started]) -> None:
        """Note that requests are served from now on."""
        self._services, self._is_serving = services, True

    def end(self) -> None:
        """Note that no more requests are taken."""
        self._is_serving = False

    def look(self) -> tuple[bool, Json]:
        """Tell whether the process is ready, and what of each service is."""
        databases = {each.kernel.service.value: self._is_answering(each.kernel) for each in self._services}
        buses = {each.kernel.service.value: each.is_bus_known() for each in self._services}
        ready = self._is_serving and all(databases.values()) and all(buses.values())
        return ready, {"ready": ready, "serving": self._is_serving, "database": databases, "bus": buses}


def is_answering(kernel: Kernel[Any]) -> bool:
    """Ask the database for nothing."""
    try:
        with kernel.store.read() as uow:
            uow.connection.execute(select(1))
    except UnavailableError:
        return False
    return True
