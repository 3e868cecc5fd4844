"""What the two demo services are; without nameko, so that tests can build kernels of them too."""

from dataclasses import replace

from sqlalchemy import MetaData

from solekey_eventlog.tables import define_event_tables
from solekey_protocol.events import Stream
from solekey_protocol.limits import MIB
from solekey_protocol.services import SERVICES, Service
from solekey_service.config import ServiceConfig
from solekey_service.kernel import ServiceDefinition

MAX_ECHO_BYTES = 1 * MIB
PACKAGE = "tests.support.demo_service"


def define(service: Service, *follows: Stream) -> ServiceDefinition:
    metadata = MetaData()
    return ServiceDefinition(
        entry=replace(SERVICES[service], follows=follows),
        config=ServiceConfig,
        metadata=metadata,
        event_tables=define_event_tables(metadata),
        reactions=lambda _: {},
        package=PACKAGE,
    )


AUTH = define(Service.AUTH)
DEVICES = define(Service.DEVICES, Stream.AUTH)
VAULT = define(Service.VAULT, Stream.AUTH, Stream.DEVICES)
