"""The demo services: an ``auth`` that writes what it is told, a ``vault`` that echoes."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import MetaData

from solekey_eventlog.bus import Record
from solekey_eventlog.tables import define_event_tables
from solekey_protocol.events import Stream
from solekey_protocol.events.auth import LoginFailed, LoginStage
from solekey_protocol.ids import AccountId
from solekey_protocol.limits import MIB
from solekey_protocol.services import SERVICES, Service
from solekey_protocol.streams import AuthStream
from solekey_service.access import Access
from solekey_service.config import ServiceConfig
from solekey_service.definition import ApiT, Job, Route, ServiceDefinition
from solekey_service.http import (
    Request,
    Response,
    event_response,
    json_response,
    parse_cbor_body,
    parse_json_body,
)
from solekey_service.kernel import Kernel
from solekey_service.refusals import BadRequest
from solekey_service.stream_api import StreamApi

MAX_ECHO_BYTES: Final = 1 * MIB
PACKAGE: Final = "tests.support.demo_service"


class DemoAuthApi(StreamApi[ServiceConfig]):
    def get_health(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(200, {"status": "ok", "unpublished": self.kernel.store.count_unpublished()})

    def fail(self, request: Request, account: str) -> Response:  # noqa: ARG002
        subject = AccountId(account)
        with self.kernel.store.begin() as uow:
            [event] = uow.append(subject, uow.head(subject), LoginFailed(LoginStage.LOGIN_KEY))
        return event_response(event)


class DemoVaultApi(StreamApi[ServiceConfig]):
    def __init__(self, kernel: Kernel[ServiceConfig]) -> None:
        super().__init__(kernel)
        self.ticks = 0
        projector = kernel.projector  # fails on demand, for the group's member and for who stands by
        apply_all, apply = projector.apply_all, projector.apply

        def apply_all_or_fail(records: Sequence[Record]) -> None:
            self._fail_on_demand(records)
            apply_all(records)

        def apply_or_fail(record: Record) -> None:
            self._fail_on_demand([record])
            apply(record)

        projector.apply_all = apply_all_or_fail  # type: ignore[method-assign]  # a defect that is planted
        projector.apply = apply_or_fail  # type: ignore[method-assign]  # the same, for who stands by

    def _fail_on_demand(self, records: Sequence[Record]) -> None:
        folder = Path(self.kernel.engine.url.database or "").parent
        if any((folder / f"fail-{record.key}").exists() for record in records):
            raise OSError("the database is down, for this account")

    def get_health(self, request: Request) -> Response:  # noqa: ARG002
        members = {"ticks": self.ticks, "fresh": self.kernel.freshness.describe()}
        return json_response(200, {"status": "ok", **members})

    def position(self, request: Request, account: str) -> Response:  # noqa: ARG002
        with self.kernel.store.read() as uow:
            head = self.kernel.streams.fold(uow, AccountId(account), AuthStream).head
        return json_response(200, {"auth": head.seq})

    def echo(self, request: Request) -> Response:
        return Response(200, request.body, "application/octet-stream")

    def json(self, request: Request) -> Response:
        return json_response(200, parse_json_body(request))

    def cbor(self, request: Request) -> Response:
        return json_response(200, {"members": len(parse_cbor_body(request))})

    def peer(self, request: Request) -> Response:
        return json_response(200, {"peer": request.peer})

    def boom(self, request: Request) -> Response:  # noqa: ARG002
        raise RuntimeError("the secret is swordfish")

    def slow(self, request: Request) -> Response:
        time.sleep(float(request.query["seconds"]))
        return json_response(200, {"slept": True})

    def whoami(self, request: Request) -> Response:
        return json_response(200, {"account": request.authenticated.account})

    def write(self, request: Request) -> Response:
        if request.body == b"refuse":
            raise BadRequest("as the body asks for")
        return json_response(200, {"bytes": len(request.body), "device": request.authenticated.device})

    def tick(self) -> None:
        self.ticks += 1


def define(
    api: type[ApiT],
    service: Service,
    *follows: Stream,
    routes: tuple[Route[ApiT], ...] = (),
    jobs: tuple[Job[ApiT], ...] = (),
) -> ServiceDefinition[ServiceConfig, ApiT]:
    metadata = MetaData()
    return ServiceDefinition(
        entry=replace(SERVICES[service], follows=follows),
        package=PACKAGE,
        config=ServiceConfig,
        metadata=metadata,
        tables=define_event_tables(metadata),
        api=api,
        routes=routes,
        jobs=jobs,
    )


AUTH = define(
    DemoAuthApi,
    Service.AUTH,
    routes=(Route("POST", "/v1/auth/failures/<account>", Access.PUBLIC, DemoAuthApi.fail),),
)
DEVICES = define(StreamApi[ServiceConfig], Service.DEVICES, Stream.AUTH)
VAULT = define(
    DemoVaultApi,
    Service.VAULT,
    Stream.AUTH,
    Stream.DEVICES,
    routes=(
        Route("GET", "/v1/vault/position/<account>", Access.PUBLIC, DemoVaultApi.position),
        Route("POST", "/v1/vault/echo", Access.PUBLIC, DemoVaultApi.echo, MAX_ECHO_BYTES),
        Route("POST", "/v1/vault/json", Access.PUBLIC, DemoVaultApi.json),
        Route("POST", "/v1/vault/cbor", Access.PUBLIC, DemoVaultApi.cbor),
        Route("GET", "/v1/vault/peer", Access.PUBLIC, DemoVaultApi.peer),
        Route("GET", "/v1/vault/boom", Access.PUBLIC, DemoVaultApi.boom),
        Route("GET", "/v1/vault/slow", Access.PUBLIC, DemoVaultApi.slow),
        Route("GET", "/v1/vault/whoami", Access.SESSION, DemoVaultApi.whoami),
        Route("POST", "/v1/vault/write", Access.TRUSTED, DemoVaultApi.write, MAX_ECHO_BYTES),
    ),
    jobs=(Job("tick", 0.2, DemoVaultApi.tick),),
)
