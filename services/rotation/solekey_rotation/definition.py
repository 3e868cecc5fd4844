"""What makes the rotation service different from the others."""

from typing import Final

from solekey_protocol.events import Stream
from solekey_rotation.config import RotationConfig
from solekey_rotation.reactions import derive_reactions
from solekey_rotation.tables import event_tables, metadata
from solekey_service.kernel import ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    stream=Stream.ROTATION,
    config=RotationConfig,
    subscribes=(Stream.AUTH, Stream.DEVICES, Stream.VAULT),
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_rotation",
)
