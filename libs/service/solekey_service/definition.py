"""The declaration of a service: everything in which it differs from the others, as data, in one file.

::

    DEFINITION: Final = ServiceDefinition(
        entry=SERVICES[Service.ROTATION],
        package="solekey_rotation",
        config=RotationConfig,
        metadata=metadata,
        tables=event_tables,
        api=RotationApi,
        statements=Access.TRUSTED,
        jobs=(Job("announce_due", 60, RotationApi.announce_due),),
    )

``build.py`` makes the Api of it, ``nameko_ext`` the class that nameko runs, ``runner.py`` the process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, Final, Generic, TypeVar

from sqlalchemy import MetaData

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.tables import EventTables
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream
from solekey_protocol.limits import KIB, MAX_STATEMENT_BYTES
from solekey_protocol.services import Service, ServiceEntry
from solekey_service.access import Access
from solekey_service.http import Request, Response
from solekey_service.log_commands import LOG_COMMANDS, make_rebuild_command
from solekey_service.monitoring.gauge import Gauge
from solekey_service.operator_command import COMMON_COMMANDS, OperatorCommand
from solekey_service.read_models import ReadModel
from solekey_service.stream_api import ConfigT, StreamApi

DEFAULT_MAX_BODY_BYTES: Final = 64 * KIB
MAX_STATEMENT_BODY_BYTES: Final = MAX_STATEMENT_BYTES + 4 * KIB
"""A statement with its signatures, a device's name, and room for another spelling of the JSON."""

ApiT = TypeVar("ApiT", bound=StreamApi[Any])
OwnerT = TypeVar("OwnerT")
PartT = TypeVar("PartT")

Handler = Callable[Concatenate[OwnerT, Request, ...], Response]
"""Answers a request; what stands in the path's ``<placeholders>`` comes by name."""


@dataclass(frozen=True, slots=True)
class Route(Generic[OwnerT]):
    """One endpoint.

    Attributes:
        method: of HTTP.
        path: in werkzeug's syntax, such as ``/v1/vault/wraps/<digest>``.
        access: who may call it; there is no default.
        handler: the method of the Api that answers; its name is the operation's.
        max_body_bytes: a longer body is refused unread.
    """

    method: str
    path: str
    access: Access
    handler: Handler[OwnerT]
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES

    @property
    def operation(self) -> str:
        """The operation's name, as in the OpenAPI document."""
        return self.handler.__name__


def under(part: Callable[[OwnerT], PartT], *routes: Route[PartT]) -> tuple[Route[OwnerT], ...]:
    """Put the routes of a part of the Api under the Api itself.

    Args:
        part: gives the part of an Api.
        routes: the part's.
    """
    return tuple(
        Route(route.method, route.path, route.access, _forward(part, route.handler), route.max_body_bytes)
        for route in routes
    )


def _forward(part: Callable[[OwnerT], PartT], handler: Handler[PartT]) -> Handler[OwnerT]:
    @wraps(handler)
    def answer(owner: OwnerT, request: Request, **values: str) -> Response:
        return handler(part(owner), request, **values)

    return answer


@dataclass(frozen=True, slots=True)
class Job(Generic[OwnerT]):
    """Something that is done at intervals; a run may be interrupted, repeated, or made by several processes.

    Attributes:
        name: for the log.
        every_s: the next run begins so many seconds after the last has ended.
        run: what is done.
        at_start: whether it is also done before the first request.
    """

    name: str
    every_s: float
    run: Callable[[OwnerT], object]
    at_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition(Generic[ConfigT, ApiT]):
    """What makes one service different from another.

    Attributes:
        entry: what the registry of services says of it: its name, its stream, the streams that it follows.
        package: where ``migrations/`` lies, such as ``solekey_auth``.
        config: the type of its configuration.
        metadata: its tables.
        tables: those of them that the event log keeps.
        api: answers its requests; made once, of the kernel.
        statements: who may send statements for the stream; None: the service states facts only.
        routes: its endpoints, beside those that every service has.
        reactions: what it does about foreign events, in the transaction that notes them.
        recoveries: what it takes away when an own event comes back from the log, after its database was
            restored older, such as a recovery code that was used since.
        read_models: what it derives from events beside its inbox.
        jobs: what it does at intervals.
        commands: what an operator can do to it, beside what is common to all services.
        gauges: what an operator sees of it, beside what is common to all services.
    """

    entry: ServiceEntry
    package: str
    config: type[ConfigT]
    metadata: MetaData
    tables: EventTables
    api: type[ApiT]
    statements: Access | None = None
    routes: tuple[Route[ApiT], ...] = ()
    reactions: Mapping[type[Body], Callable[[ApiT, UnitOfWork, Event], None]] = field(default_factory=dict)
    recoveries: Mapping[type[Body], Callable[[ApiT, UnitOfWork, Event], None]] = field(default_factory=dict)
    read_models: tuple[ReadModel[ApiT], ...] = ()
    jobs: tuple[Job[ApiT], ...] = ()
    commands: tuple[OperatorCommand[ApiT], ...] = ()
    gauges: tuple[Gauge[ApiT], ...] = ()

    @property
    def all_commands(self) -> tuple[OperatorCommand[Any], ...]:
        """Everything that an operator can do to the service."""
        return (*COMMON_COMMANDS, *LOG_COMMANDS, make_rebuild_command(self.read_models), *self.commands)

    @property
    def service(self) -> Service:
        """The service's name."""
        return self.entry.service

    @property
    def stream(self) -> Stream:
        """The stream that the service owns. Raises ConfigError when the registry names none."""
        if self.entry.stream is None:
            raise ConfigError([f"{self.package}: a service that is built on the event log writes a stream"])
        return self.entry.stream

    @property
    def follows(self) -> tuple[Stream, ...]:
        """The streams that it follows."""
        return self.entry.follows

    @property
    def all_routes(self) -> tuple[Route[ApiT], ...]:
        """Every endpoint of the service."""
        base, api = f"/v1/{self.service}", self.api
        common: list[Route[ApiT]] = [
            Route("GET", f"{base}/events", Access.SESSION, api.get_events),
            Route("GET", f"{base}/health", Access.PUBLIC, api.get_health),
        ]
        if self.statements is not None:
            statements: Route[ApiT] = Route(
                "POST", f"{base}/statements", self.statements, api.post_statement, MAX_STATEMENT_BODY_BYTES
            )
            common.append(statements)
        return (*self.routes, *common)
