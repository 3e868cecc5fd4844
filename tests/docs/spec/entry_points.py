"""Prints the services' HTTP entry points, and the refusals of the edge, as JSON. A process of its own.

What nameko runs imports eventlet, which announces its retirement as a warning: in a test, an error.
"""

import json
import warnings
from importlib import import_module

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from solekey_protocol.services import SERVICES as REGISTRY
    from solekey_service.http.problems import STATUS
    from solekey_service.http_server.body import LengthRequired, RequestTimeout
    from solekey_service.http_server.routes import MethodNotAllowed
    from solekey_service.nameko_ext.http_entrypoint import HttpEntrypoint
    from solekey_service.nameko_ext.service_class import make_service_class

SERVICES = [
    make_service_class(import_module(f"{entry.package}.definition").DEFINITION) for entry in REGISTRY.values()
]

found = {
    service.name: [
        {
            "method": entrypoint.route.method,
            "url": entrypoint.route.path,
            "operation": name,
            "access": entrypoint.route.access.value,
            "max_body_bytes": entrypoint.route.max_body_bytes,
        }
        for name, function in sorted(vars(service).items())
        for entrypoint in getattr(function, "nameko_entrypoints", ())
        if isinstance(entrypoint, HttpEntrypoint)
    ]
    for service in SERVICES
}
edge = {refusal.code: STATUS[refusal.kind] for refusal in (LengthRequired, RequestTimeout, MethodNotAllowed)}
print(json.dumps({"services": found, "edge": edge}))
