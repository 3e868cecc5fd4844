"""The demo services that take part: an ``auth`` that reacts to revocations, and a ``vault`` that follows."""

from dataclasses import replace

from sqlalchemy import Column, MetaData, String, Table, insert

from solekey_eventlog.tables import define_event_tables
from solekey_eventlog.unit_of_work import UnitOfWork
from solekey_protocol.event import Event
from solekey_protocol.events import Stream, auth, devices
from solekey_protocol.services import SERVICES, Service
from solekey_protocol.streams import AuthStream
from solekey_service.config import ServiceConfig
from solekey_service.definition import ServiceDefinition
from solekey_service.stream_api import StreamApi

METADATA = MetaData()
TABLES = define_event_tables(METADATA)
NOTES = Table("notes", METADATA, Column("event", String(64), primary_key=True))


class BrokenReactionError(Exception):
    """What a defective reaction raises."""


class DemoApi(StreamApi[ServiceConfig]):
    """What every service answers, and a reaction."""

    def note_and_count_failure(self, uow: UnitOfWork, event: Event) -> None:
        """React to a revocation with a row and an event of our own; defective for the reason COMPROMISED."""
        own = self.kernel.streams.fold(uow, event.account, AuthStream)
        uow.connection.execute(insert(NOTES).values(event=event.digest))
        uow.append(event.account, own.head, auth.LoginFailed(auth.LoginStage.LOGIN_KEY))
        assert isinstance(event.body, devices.DeviceRevoked)
        if event.body.reason is devices.RevocationReason.COMPROMISED:
            raise BrokenReactionError


AUTH = ServiceDefinition(
    entry=replace(SERVICES[Service.AUTH], follows=(Stream.DEVICES, Stream.VAULT, Stream.ROTATION)),
    package="tests.support.demo_service",
    config=ServiceConfig,
    metadata=METADATA,
    tables=TABLES,
    api=DemoApi,
    reactions={devices.DeviceRevoked: DemoApi.note_and_count_failure},
)
VAULT = ServiceDefinition(
    entry=SERVICES[Service.VAULT],
    package="tests.support.demo_service",
    config=ServiceConfig,
    metadata=METADATA,
    tables=TABLES,
    api=DemoApi,
)
