"""Configuration of the devices service: the settings of every service, and no others."""

from dataclasses import dataclass

from solekey_service.config import ServiceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig(ServiceConfig):
    """See ServiceConfig."""
