"""Statements for the devices stream, and the names that come with them. Spec: devices.md §3."""

from collections.abc import Mapping

from solekey_devices.device_name import DeviceName
from solekey_devices.domain import verify_name
from solekey_devices.repository import NameRepository
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.encoding import Json
from solekey_protocol.event import Event
from solekey_protocol.events.devices import AccountFounded, DeviceEnrolled, DeviceRevoked
from solekey_protocol.statements import SignedStatement, Statement
from solekey_protocol.streams import DevicesStream
from solekey_service.statement_handler import StatementHandler


class DeviceStatements(StatementHandler[DevicesStream, DeviceName | None]):
    """The context of a statement is the name that the request gives its device."""

    kind = DevicesStream
    optional_members = ("name",)

    def asks_step_up(self, uow: UnitOfWork, state: DevicesStream, signed: SignedStatement) -> bool:  # noqa: ARG002  # the type alone decides
        """A revocation requires a fresh second factor."""
        return isinstance(signed.statement.body, DeviceRevoked)

    def gather(
        self,
        uow: UnitOfWork,  # noqa: ARG002  # the request has it all
        signed: SignedStatement,
        document: Mapping[str, Json],
    ) -> DeviceName | None:
        """Parse the name. Raises NameRefused."""
        certifies = isinstance(signed.statement.body, AccountFounded | DeviceEnrolled)
        if not certifies and document.get("name") is None:
            return None
        return DeviceName.parse(document.get("name"))

    def verify(self, state: DevicesStream, context: DeviceName | None, signed: SignedStatement) -> Statement:  # noqa: ARG002  # the stream's own rules are not the service's
        """See domain.verify_name."""
        return verify_name(context, signed.statement)

    def record(self, uow: UnitOfWork, context: DeviceName | None, event: Event) -> None:
        """Keep the name."""
        if context is not None and event.signed is not None:
            NameRepository(uow.connection).add(event.account, event.signed.statement.device, context)
