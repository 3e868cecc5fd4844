"""What makes the vault different from the other services."""

from typing import Final

from solekey_protocol.services import SERVICES, Service
from solekey_service.kernel import ServiceDefinition
from solekey_vault.config import VaultConfig
from solekey_vault.reactions import derive_reactions
from solekey_vault.tables import event_tables, metadata

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.VAULT],
    config=VaultConfig,
    metadata=metadata,
    event_tables=event_tables,
    reactions=derive_reactions,
    package="solekey_vault",
)
