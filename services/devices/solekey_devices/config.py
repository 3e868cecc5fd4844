"""Configuration of the devices service: the settings of every service."""

from dataclasses import dataclass

from solekey_service.config import ServiceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig(ServiceConfig):
    """See ServiceConfig."""

    max_events: int = 10_000
    """See ServiceConfig. A fold remembers each event; what the account key signs has twice the room."""
