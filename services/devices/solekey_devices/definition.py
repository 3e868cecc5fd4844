"""The devices service: what makes it different from the others. Spec: devices.md.

It follows ``auth`` to admit requests (token keys and open sessions are read from that stream) and to delete
what closed accounts had; ``vault`` and ``rotation`` for the rules between streams.
"""

from typing import Final

from solekey_devices.api import DevicesApi
from solekey_devices.config import DevicesConfig
from solekey_devices.tables import event_tables, metadata
from solekey_protocol.events.auth import AccountClosed
from solekey_protocol.services import SERVICES, Service
from solekey_service.access import Access
from solekey_service.definition import Route, ServiceDefinition

DEFINITION: Final = ServiceDefinition(
    entry=SERVICES[Service.DEVICES],
    package="solekey_devices",
    config=DevicesConfig,
    metadata=metadata,
    tables=event_tables,
    api=DevicesApi,
    statements=Access.SESSION,  # a device that requests trust has none yet
    routes=(Route("GET", "/v1/devices/names", Access.SESSION, DevicesApi.get_names),),
    reactions={AccountClosed: DevicesApi.delete_account},
)
