"""What makes the devices service different from the others."""

from typing import Final

from solekey_devices.config import DevicesConfig
from solekey_devices.reactions import derive_reactions
from solekey_devices.tables import event_tables, metadata
from solekey_protocol.events import Stream
from solekey_service.kernel import ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    stream=Stream.DEVICES,
    config=DevicesConfig,
    subscribes=(Stream.AUTH, Stream.VAULT, Stream.ROTATION),
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_devices",
)
