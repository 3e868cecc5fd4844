"""The rotation service's entry points; nothing here decides anything."""

from solekey_eventlog.bus import Record
from solekey_protocol.limits import KIB, MAX_STATEMENT_BYTES
from solekey_rotation.api import RotationApi
from solekey_rotation.definition import DEFINITION
from solekey_service.access import Access
from solekey_service.http import Request, Response
from solekey_service.nameko_ext import every, http, listen, wired

MAX_STATEMENT_BODY_BYTES = MAX_STATEMENT_BYTES + 4 * KIB
DUE_INTERVAL_S = 60


class RotationService:
    """Which keys are to be replaced, and how far that is."""

    name = "rotation"
    api: RotationApi = wired(DEFINITION, RotationApi)

    @http("POST", "/v1/rotation/statements", access=Access.TRUSTED, max_body_bytes=MAX_STATEMENT_BODY_BYTES)
    def post_statement(self, request: Request) -> Response:
        """See RotationApi."""
        return self.api.post_statement(request)

    @http("GET", "/v1/rotation/events", access=Access.SESSION)
    def get_events(self, request: Request) -> Response:
        """See RotationApi."""
        return self.api.get_events(request)

    @http("GET", "/v1/rotation/health", access=Access.PUBLIC)
    def get_health(self, request: Request) -> Response:  # noqa: ARG002  # every entry point is given one
        """See RotationApi."""
        return self.api.get_health()

    @listen()
    def on_record(self, record: Record) -> None:
        """Follow auth, devices and vault."""
        self.api.kernel.projector.apply(record)

    @every(DUE_INTERVAL_S)
    def announce_due(self) -> None:
        """See RotationApi."""
        self.api.announce_due()
