"""The devices service's HTTP API without a framework. Spec: devices.md §3, openapi."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import and_, insert, select

from solekey_devices.commands import DeviceName, EnrolDevice, FoundAccount, parse_command
from solekey_devices.domain import decide
from solekey_devices.sightings import note_sighting
from solekey_devices.tables import device_names, device_sightings
from solekey_eventlog.store import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.events.devices import DeviceRevoked
from solekey_protocol.ids import AccountId, DeviceId
from solekey_protocol.statements import SignedStatement
from solekey_service.http import Request, Response, json_response
from solekey_service.kernel import Kernel
from solekey_service.statement_flow import Decision, StatementFlow
from solekey_service.stream_views import read_events, read_health


class DevicesApi:
    """Answers requests for one account at a time: the caller's."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._statements = StatementFlow(
            kernel, self._decide, optional_members=("name",), asks_step_up=_asks_step_up
        )

    def post_statement(self, request: Request) -> Response:
        """Take a statement for the devices stream; ``name`` comes with a certificate.

        Raises:
            Refusal, ProtocolError: see StatementFlow.take and domain.decide.
        """
        return self._statements.take(request)

    def get_names(self, request: Request) -> Response:
        """List the devices' names and the day on which each was here last; revoked ones included."""
        names, seen = device_names.c, device_sightings.c
        same = and_(seen.account == names.account, seen.device == names.device)
        query = (
            select(names.device, names.name, names.salt, seen.seen_on.label("last_seen"))
            .select_from(device_names.outerjoin(device_sightings, same))
            .where(names.account == request.authenticated.account)
            .order_by(names.device)
        )
        with self.kernel.store.read() as uow:
            found = [dict(row._mapping) for row in uow.connection.execute(query)]  # noqa: SLF001  # SQLAlchemy's public API
        return json_response(200, {"names": found})

    def get_events(self, request: Request) -> Response:
        """Read the account's devices stream; the device that reads it is seen today."""
        note_sighting(self.kernel.store, request.authenticated)
        return read_events(self.kernel, request, request.authenticated.account)

    def get_health(self) -> Response:
        """Tell whether the service can be relied on."""
        return read_health(self.kernel)

    def _decide(self, uow: UnitOfWork, signed: SignedStatement, document: Mapping[str, Json]) -> Decision:
        state = self.kernel.streams.devices(uow, signed.statement.account)
        command = parse_command(signed, document.get("name"))
        said = decide(state, command)
        if isinstance(command, FoundAccount | EnrolDevice):
            return Decision(said, partial(_insert_name, device=signed.statement.device, name=command.name))
        return Decision(said)


def _insert_name(uow: UnitOfWork, account: AccountId, *, device: DeviceId, name: DeviceName) -> None:
    row = {"account": account, "device": device, "name": name.name, "salt": name.salt}
    uow.connection.execute(insert(device_names).values(row))


def _asks_step_up(uow: UnitOfWork, signed: SignedStatement) -> bool:  # noqa: ARG001  # the flow's signature
    return isinstance(signed.statement.body, DeviceRevoked)
