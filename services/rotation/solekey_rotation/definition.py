"""What makes the rotation service different from the others."""

from typing import Final

from solekey_protocol.services import SERVICES, Service
from solekey_rotation.config import RotationConfig
from solekey_rotation.reactions import derive_reactions
from solekey_rotation.tables import event_tables, metadata
from solekey_service.kernel import ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.ROTATION],
    config=RotationConfig,
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_rotation",
)
