"""What makes the devices service different from the others."""

from typing import Final

from solekey_devices.config import DevicesConfig
from solekey_devices.reactions import derive_reactions
from solekey_devices.tables import event_tables, metadata
from solekey_protocol.services import SERVICES, Service
from solekey_service.kernel import ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.DEVICES],
    config=DevicesConfig,
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_devices",
)
