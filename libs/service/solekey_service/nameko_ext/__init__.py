"""nameko at the edge: what a ``service.py`` is made of. Nothing here decides anything about the domain.

Map
    http_entrypoint.py  ``@http(method, url, access=…, max_body_bytes=…)``
    bus_entrypoint.py   ``@listen()``: the topics that are followed; commits after the worker succeeded
    timer.py            ``@every(seconds)``
    wiring.py           ``api = wired(DEFINITION, Api)``: kernel, publisher and heartbeats of the service

A service::

    class VaultService:
        name = "vault"
        api = wired(DEFINITION, VaultApi)  # VaultApi(kernel), which keeps it as ``.kernel``

        @http("PUT", "/v1/vault/wraps/<digest>", access=Access.TRUSTED, max_body_bytes=MAX_WRAP_BYTES)
        def put_wrap(self, request: Request, digest: str) -> Response:
            return self.api.put_wrap(request, digest)

        @listen()
        def on_record(self, record: Record) -> None:
            self.api.kernel.projector.apply(record)

        @every(3600)
        def purge_unclaimed_objects(self) -> None:
            self.api.purge_unclaimed_objects()
"""

from solekey_service.nameko_ext.bus_entrypoint import listen
from solekey_service.nameko_ext.http_entrypoint import http
from solekey_service.nameko_ext.timer import every
from solekey_service.nameko_ext.wiring import wired

__all__ = ["every", "http", "listen", "wired"]
