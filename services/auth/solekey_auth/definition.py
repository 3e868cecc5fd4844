"""What makes the auth service different from the others."""

from typing import Final

from solekey_auth.config import AuthConfig
from solekey_auth.reactions import derive_reactions
from solekey_auth.tables import event_tables, metadata
from solekey_protocol.services import SERVICES, Service
from solekey_service.kernel import ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.AUTH],
    config=AuthConfig,
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_auth",
)
