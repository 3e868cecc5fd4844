"""The devices service's entry points; nothing here decides anything."""

from solekey_devices.api import DevicesApi
from solekey_devices.definition import DEFINITION
from solekey_eventlog.bus import Record
from solekey_protocol.limits import KIB, MAX_STATEMENT_BYTES
from solekey_service.access import Access
from solekey_service.http import Request, Response
from solekey_service.nameko_ext import http, listen, wired

MAX_STATEMENT_BODY_BYTES = MAX_STATEMENT_BYTES + 4 * KIB
"""A statement with its signatures, a name, and room for another spelling of the JSON."""


class DevicesService:
    """Who may speak for an account."""

    name = "devices"
    api: DevicesApi = wired(DEFINITION, DevicesApi)

    @http("POST", "/v1/devices/statements", access=Access.SESSION, max_body_bytes=MAX_STATEMENT_BODY_BYTES)
    def post_statement(self, request: Request) -> Response:
        """See DevicesApi."""
        return self.api.post_statement(request)

    @http("GET", "/v1/devices/names", access=Access.SESSION)
    def get_names(self, request: Request) -> Response:
        """See DevicesApi."""
        return self.api.get_names(request)

    @http("GET", "/v1/devices/events", access=Access.SESSION)
    def get_events(self, request: Request) -> Response:
        """See DevicesApi."""
        return self.api.get_events(request)

    @http("GET", "/v1/devices/health", access=Access.PUBLIC)
    def get_health(self, request: Request) -> Response:  # noqa: ARG002  # every entry point is given one
        """See DevicesApi."""
        return self.api.get_health()

    @listen()
    def on_record(self, record: Record) -> None:
        """Follow auth."""
        self.api.kernel.projector.apply(record)
