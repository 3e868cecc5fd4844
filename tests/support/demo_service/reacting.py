"""The demo services that take part: an ``auth`` that reacts to revocations, and a ``vault`` that follows."""

from dataclasses import replace

from sqlalchemy import Column, MetaData, String, Table, insert

from solekey_eventlog.projector import Reaction
from solekey_eventlog.store import UnitOfWork
from solekey_eventlog.tables import define_event_tables
from solekey_protocol.event import Event
from solekey_protocol.events import Body, Stream, auth, devices
from solekey_protocol.services import SERVICES, Service
from solekey_protocol.streams import AuthStream
from solekey_service.config import ServiceConfig
from solekey_service.kernel import Kernel, ServiceDefinition

METADATA = MetaData()
TABLES = define_event_tables(METADATA)
NOTES = Table("notes", METADATA, Column("event", String(64), primary_key=True))


class BrokenReactionError(Exception):
    """What a defective reaction raises."""


def _auth_reactions(kernel: Kernel) -> dict[type[Body], Reaction]:
    def note_and_count_failure(uow: UnitOfWork, event: Event) -> None:
        """React to a revocation with a row and an event of our own; defective for the reason COMPROMISED."""
        own = kernel.streams.fold(uow, event.account, AuthStream)
        uow.connection.execute(insert(NOTES).values(event=event.digest))
        uow.append(event.account, own.head, auth.LoginFailed(auth.LoginStage.LOGIN_KEY))
        assert isinstance(event.body, devices.DeviceRevoked)
        if event.body.reason is devices.RevocationReason.COMPROMISED:
            raise BrokenReactionError

    return {devices.DeviceRevoked: note_and_count_failure}


AUTH = ServiceDefinition(
    entry=replace(SERVICES[Service.AUTH], follows=(Stream.DEVICES, Stream.VAULT, Stream.ROTATION)),
    config=ServiceConfig,
    metadata=METADATA,
    event_tables=TABLES,
    reactions=_auth_reactions,
    package="tests.support.demo_service",
)
VAULT = ServiceDefinition(
    entry=SERVICES[Service.VAULT],
    config=ServiceConfig,
    metadata=METADATA,
    event_tables=TABLES,
    reactions=lambda _: {},
    package="tests.support.demo_service",
)
