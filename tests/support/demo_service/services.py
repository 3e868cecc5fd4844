"""The demo services: an ``auth`` that writes what it is told, and a ``vault`` that echoes."""

import time
from pathlib import Path

from solekey_eventlog.bus import Record
from solekey_protocol.events.auth import LoginFailed, LoginStage
from solekey_protocol.ids import AccountId
from solekey_protocol.streams import AuthStream
from solekey_service.access import Access
from solekey_service.http import (
    Request,
    Response,
    event_response,
    json_response,
    parse_cbor_body,
    parse_json_body,
)
from solekey_service.kernel import Kernel
from solekey_service.nameko_ext import every, http, listen, wired
from tests.support.demo_service.definitions import AUTH, MAX_ECHO_BYTES, VAULT


class DemoApi:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.ticks = 0


class DemoAuth:
    name = "auth"
    api = wired(AUTH, DemoApi)

    @http("GET", "/v1/auth/health", access=Access.PUBLIC)
    def health(self, _request: Request) -> Response:
        return json_response(200, {"status": "ok", "unpublished": self.api.kernel.store.count_unpublished()})

    @http("POST", "/v1/auth/failures/<account>", access=Access.PUBLIC)
    def fail(self, _request: Request, account: str) -> Response:
        subject = AccountId(account)
        with self.api.kernel.store.begin() as uow:
            [event] = uow.append(subject, uow.head(subject), LoginFailed(LoginStage.LOGIN_KEY))
        return event_response(event)


class DemoVault:
    name = "vault"
    api = wired(VAULT, DemoApi)

    @http("GET", "/v1/vault/health", access=Access.PUBLIC)
    def health(self, _request: Request) -> Response:
        kernel = self.api.kernel
        members = {"ticks": self.api.ticks, "fresh": kernel.freshness.describe()}
        return json_response(200, {"status": "ok", **members})

    @http("GET", "/v1/vault/position/<account>", access=Access.PUBLIC)
    def position(self, _request: Request, account: str) -> Response:
        kernel = self.api.kernel
        with kernel.store.read() as uow:
            head = kernel.streams.fold(uow, AccountId(account), AuthStream).head
        return json_response(200, {"auth": head.seq})

    @http("POST", "/v1/vault/echo", access=Access.PUBLIC, max_body_bytes=MAX_ECHO_BYTES)
    def echo(self, request: Request) -> Response:
        return Response(200, request.body, "application/octet-stream")

    @http("POST", "/v1/vault/json", access=Access.PUBLIC)
    def json(self, request: Request) -> Response:
        return json_response(200, parse_json_body(request))

    @http("POST", "/v1/vault/cbor", access=Access.PUBLIC)
    def cbor(self, request: Request) -> Response:
        return json_response(200, {"members": len(parse_cbor_body(request))})

    @http("GET", "/v1/vault/peer", access=Access.PUBLIC)
    def peer(self, request: Request) -> Response:
        return json_response(200, {"peer": request.peer})

    @http("GET", "/v1/vault/boom", access=Access.PUBLIC)
    def boom(self, _request: Request) -> Response:
        raise RuntimeError("the secret is swordfish")

    @http("GET", "/v1/vault/slow", access=Access.PUBLIC)
    def slow(self, request: Request) -> Response:
        time.sleep(float(request.query["seconds"]))
        return json_response(200, {"slept": True})

    @http("GET", "/v1/vault/whoami", access=Access.SESSION)
    def whoami(self, request: Request) -> Response:
        return json_response(200, {"account": request.authenticated.account})

    @http("POST", "/v1/vault/write", access=Access.TRUSTED, max_body_bytes=MAX_ECHO_BYTES)
    def write(self, request: Request) -> Response:
        return json_response(200, {"bytes": len(request.body), "device": request.authenticated.device})

    @listen()
    def on_record(self, record: Record) -> None:
        if (Path(self.api.kernel.engine.url.database).parent / f"fail-{record.key}").exists():
            raise OSError("the database is down, for this account")
        self.api.kernel.projector.apply(record)

    @every(0.2)
    def tick(self) -> None:
        self.api.ticks += 1
