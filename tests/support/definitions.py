"""What the services of the registry declare and refuse: a new service is among them by itself."""

from importlib import import_module
from types import ModuleType
from typing import Any

from solekey_protocol.services import SERVICES
from solekey_service.definition import ServiceDefinition

DEFINITIONS: list[ServiceDefinition[Any, Any]] = [
    import_module(f"{entry.package}.definition").DEFINITION for entry in SERVICES.values()
]
REFUSALS: list[ModuleType] = [import_module(f"{entry.package}.refusals") for entry in SERVICES.values()]
