"""Configuration of the devices service: what every service is told, and nothing more."""

from dataclasses import dataclass

from solekey_service.config import ServiceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig(ServiceConfig):
    """See ServiceConfig."""
