"""Prints the services' HTTP entry points, and the refusals of the edge, as JSON. A process of its own.

A service module imports eventlet, which announces its retirement as a warning: in a test, an error.
"""

import json
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from solekey_auth.service import AuthService
    from solekey_devices.service import DevicesService
    from solekey_rotation.service import RotationService
    from solekey_service.http_server.body import LengthRequired, RequestTimeout
    from solekey_service.http_server.routes import MethodNotAllowed
    from solekey_service.nameko_ext.http_entrypoint import HttpEntrypoint
    from solekey_vault.service import VaultService

SERVICES = (AuthService, DevicesService, VaultService, RotationService)

found = {
    service.name: [
        {
            "method": entrypoint.method,
            "url": entrypoint.url,
            "operation": name,
            "access": entrypoint.access.value,
            "max_body_bytes": entrypoint.max_body_bytes,
        }
        for name, function in sorted(vars(service).items())
        for entrypoint in getattr(function, "nameko_entrypoints", ())
        if isinstance(entrypoint, HttpEntrypoint)
    ]
    for service in SERVICES
}
edge = {refusal.code: refusal.status for refusal in (LengthRequired, RequestTimeout, MethodNotAllowed)}
print(json.dumps({"services": found, "edge": edge}))
