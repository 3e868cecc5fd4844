"""The services of an embedded platform, which are those of the registry, and their configurations."""

from dataclasses import fields
from importlib import import_module
from typing import Any

from solekey_eventlog.bus import open_bus
from solekey_eventlog.secret import Secret
from solekey_protocol.services import SERVICES as REGISTRY
from solekey_service.config import LogLevel, ServiceConfig
from solekey_service.definition import ServiceDefinition
from solekey_standalone.certificates import Certificates
from solekey_standalone.folder import DataFolder
from solekey_standalone.operator import load_or_make_secret

SERVICES: tuple[ServiceDefinition[Any, Any], ...] = tuple(
    import_module(f"{entry.package}.definition").DEFINITION for entry in REGISTRY.values()
)
"""The declaration of each service of the registry, in its order."""

_OPERATOR_SECRETS = ("operator_key", "signing_key")
_FORMER_KEY = "former_operator_key"
"""There while its operator changes the operator key."""


def make_configs(
    folder: DataFolder,
    certificates: Certificates,
    *,
    listen: str,
    origin: str,
    log_level: LogLevel = LogLevel.INFO,
) -> tuple[ServiceConfig, ...]:
    """Make the configuration of each service, in the order of SERVICES.

    A service gets the settings of every service, and what of the folder its configuration has a field for.

    Raises:
        ConfigError: a value that cannot work.
    """

    def configure(definition: ServiceDefinition[Any, Any]) -> ServiceConfig:
        known = {field.name for field in fields(definition.config)}
        settings: dict[str, Any] = {
            name: load_or_make_secret(folder.operator, name) for name in _OPERATOR_SECRETS if name in known
        }
        if _FORMER_KEY in known and (folder.operator / _FORMER_KEY).exists():
            settings[_FORMER_KEY] = load_or_make_secret(folder.operator, _FORMER_KEY)
        if "object_store_url" in known:
            settings["object_store_url"] = folder.objects_url
        config: ServiceConfig = definition.config(
            database_url=Secret(folder.database_url(definition.entry.service)),
            bus_url=folder.bus_url,
            origin=origin,
            listen=listen,
            tls_cert=certificates.server,
            tls_key=certificates.server_key,
            log_level=log_level,
            **settings,
        )
        return config

    return tuple(configure(definition) for definition in SERVICES)


def create_topics(config: ServiceConfig) -> None:
    """Create the topics that are not there yet, as a broker's operator would."""
    with open_bus(config.bus_config("solekey-standalone")) as bus:
        bus.create_topics(config.topics())
