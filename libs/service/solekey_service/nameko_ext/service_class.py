"""Makes the class that nameko runs of a service's definition: one entry point for each route and job."""

from collections.abc import Callable, Sequence
from typing import Any

from solekey_eventlog.bus import Record
from solekey_eventlog.log_context import logging_for
from solekey_eventlog.noted_first import noting_first
from solekey_service.definition import Job, Route, ServiceDefinition
from solekey_service.http import Request, Response
from solekey_service.nameko_ext.bus_entrypoint import BusEntrypoint
from solekey_service.nameko_ext.http_entrypoint import HttpEntrypoint
from solekey_service.nameko_ext.timer import IntervalTimer
from solekey_service.nameko_ext.wiring import Wiring


def make_service_class(definition: ServiceDefinition[Any, Any]) -> type:
    """Make the class: ``api`` is the service's Api once nameko has wired it."""
    members: dict[str, Any] = {
        "__doc__": definition.entry.summary,
        "name": definition.service.value,
        "api": Wiring(definition),
        "on_records": BusEntrypoint.decorator()(_follow()),
    }
    for route in definition.all_routes:
        members[route.operation] = HttpEntrypoint.decorator(route)(_answer(route))
    for job in definition.jobs:
        members[job.name] = IntervalTimer.decorator(interval=job.every_s)(_run(job))
    return type(f"{definition.service.title()}Service", (), members)


def _follow() -> Callable[..., None]:
    """Make a function of the class's own: nameko notes on it what calls it, for every class that has it."""

    def follow(service: Any, records: Sequence[Record]) -> None:
        service.api.kernel.projector.apply_all(records)

    return follow


def _answer(route: Route[Any]) -> Callable[..., Response]:
    def answer(service: Any, request: Request, **values: str) -> Response:
        # A worker has a green thread of its own.
        with logging_for(request_id=request.id), noting_first(request.note):
            return route.handler(service.api, request, **values)

    return answer


def _run(job: Job[Any]) -> Callable[..., None]:
    def run(service: Any) -> None:
        job.run(service.api)

    return run
