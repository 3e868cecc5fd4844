"""What the two demo services are; without nameko, so that tests can build kernels of them too."""

from sqlalchemy import MetaData

from solekey_eventlog.tables import define_event_tables
from solekey_protocol.events.body import Stream
from solekey_protocol.limits import MIB
from solekey_service.config import ServiceConfig
from solekey_service.kernel import ServiceDefinition

MAX_ECHO_BYTES = 1 * MIB
PACKAGE = "tests.support.demo_service"


def define(stream: Stream, *subscribes: Stream) -> ServiceDefinition:
    metadata = MetaData()
    return ServiceDefinition(
        stream=stream,
        config=ServiceConfig,
        subscribes=subscribes,
        metadata=metadata,
        event_tables=define_event_tables(metadata),
        reactions=lambda _: {},
        package=PACKAGE,
    )


AUTH = define(Stream.AUTH)
DEVICES = define(Stream.DEVICES, Stream.AUTH)
VAULT = define(Stream.VAULT, Stream.AUTH, Stream.DEVICES)
