"""The four services of an embedded platform and what each is told."""

from collections.abc import Mapping
from typing import Any

from solekey_auth.config import AuthConfig
from solekey_auth.definition import DEFINITION as AUTH
from solekey_devices.config import DevicesConfig
from solekey_devices.definition import DEFINITION as DEVICES
from solekey_eventlog.bus import open_bus
from solekey_eventlog.secret import Secret
from solekey_rotation.config import RotationConfig
from solekey_rotation.definition import DEFINITION as ROTATION
from solekey_service.config import LogLevel, ServiceConfig
from solekey_service.definition import ServiceDefinition
from solekey_standalone.certificates import Certificates
from solekey_standalone.folder import DataFolder
from solekey_standalone.operator import load_or_make_secret
from solekey_vault.config import VaultConfig
from solekey_vault.definition import DEFINITION as VAULT

SERVICES: tuple[ServiceDefinition[Any, Any], ...] = (AUTH, DEVICES, VAULT, ROTATION)


def make_configs(
    folder: DataFolder,
    certificates: Certificates,
    *,
    listen: str,
    origin: str,
    log_level: LogLevel = LogLevel.INFO,
) -> tuple[ServiceConfig, ...]:
    """Make the configuration of each service, in the order of SERVICES.

    Raises:
        ConfigError: a value that cannot work.
    """

    def told(service: str) -> Mapping[str, Any]:
        return {
            "database_url": Secret(folder.database_url(service)),
            "bus_url": folder.bus_url,
            "origin": origin,
            "listen": listen,
            "tls_cert": certificates.server,
            "tls_key": certificates.server_key,
            "log_level": log_level,
        }

    return (
        AuthConfig(
            **told("auth"),
            operator_key=load_or_make_secret(folder.operator, "operator_key"),
            signing_key=load_or_make_secret(folder.operator, "signing_key"),
        ),
        DevicesConfig(**told("devices")),
        VaultConfig(**told("vault"), object_store_url=folder.objects_url),
        RotationConfig(**told("rotation")),
    )


def create_topics(config: ServiceConfig) -> None:
    """Create the topics that are not there yet, as a broker's operator would."""
    with open_bus(config.bus_config("solekey-standalone")) as bus:
        bus.create_topics(config.topics())
