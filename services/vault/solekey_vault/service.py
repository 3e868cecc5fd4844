"""The vault's entry points; nothing here decides anything."""

from typing import cast

import eventlet
from eventlet import tpool

from solekey_eventlog.bus import Record
from solekey_protocol.limits import (
    KIB,
    MAX_BATCH_BYTES,
    MAX_BATCH_OBJECTS,
    MAX_PART_BYTES,
    MAX_STATEMENT_BYTES,
    MAX_WRAP_BYTES,
)
from solekey_service.access import Access
from solekey_service.http import Request, Response
from solekey_service.kernel import Kernel
from solekey_service.nameko_ext import every, http, listen, wired
from solekey_vault.api import VaultApi
from solekey_vault.config import VaultConfig
from solekey_vault.definition import DEFINITION
from solekey_vault.objects import open_blob_store
from solekey_vault.store_check import require_object_store

MAX_STATEMENT_BODY_BYTES = MAX_STATEMENT_BYTES + 4 * KIB
MAX_BATCH_BODY_BYTES = MAX_BATCH_BYTES + 64 * KIB
"""Objects and their CBOR framing."""
MAX_DIGESTS_BODY_BYTES = MAX_BATCH_OBJECTS * 80 + KIB
PURGE_INTERVAL_S = 600


def make_api(kernel: Kernel) -> VaultApi:
    """Make the Api; hashing and object store calls run in native threads, so that other requests go on."""
    config = cast("VaultConfig", kernel.config)  # DEFINITION names its class
    blobs = open_blob_store(config.object_store_url, reserve_bytes=config.object_store_reserve_bytes)
    require_object_store(kernel, blobs)
    return VaultApi(kernel, blobs, offload=tpool.execute, pause=eventlet.sleep)


class VaultService:
    """Wrapped data keys, commits and ciphertext; nothing that opens any of it."""

    name = "vault"
    api: VaultApi = wired(DEFINITION, make_api)

    @http("PUT", "/v1/vault/wraps/<digest>", access=Access.TRUSTED, max_body_bytes=MAX_WRAP_BYTES)
    def put_wrap(self, request: Request, digest: str) -> Response:
        """See VaultApi."""
        return self.api.put_wrap(request, digest)

    @http("GET", "/v1/vault/wraps", access=Access.SESSION)
    def get_wraps(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.get_wraps(request)

    @http("GET", "/v1/vault/wraps/retired", access=Access.TRUSTED)
    def get_retired_wraps(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.get_retired_wraps(request)

    @http("PUT", "/v1/vault/objects/<digest>", access=Access.TRUSTED, max_body_bytes=MAX_PART_BYTES)
    def put_object(self, request: Request, digest: str) -> Response:
        """See VaultApi."""
        return self.api.put_object(request, digest)

    @http("GET", "/v1/vault/objects/<digest>", access=Access.TRUSTED)
    def get_object(self, request: Request, digest: str) -> Response:
        """See VaultApi."""
        return self.api.get_object(request, digest)

    @http("POST", "/v1/vault/objects", access=Access.TRUSTED, max_body_bytes=MAX_BATCH_BODY_BYTES)
    def post_objects(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.post_objects(request)

    @http("POST", "/v1/vault/objects/missing", access=Access.TRUSTED, max_body_bytes=MAX_DIGESTS_BODY_BYTES)
    def post_missing(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.post_missing(request)

    @http("POST", "/v1/vault/objects/fetch", access=Access.TRUSTED, max_body_bytes=MAX_DIGESTS_BODY_BYTES)
    def post_fetch(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.post_fetch(request)

    @http("POST", "/v1/vault/statements", access=Access.TRUSTED, max_body_bytes=MAX_STATEMENT_BODY_BYTES)
    def post_statement(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.post_statement(request)

    @http("GET", "/v1/vault/events", access=Access.SESSION)
    def get_events(self, request: Request) -> Response:
        """See VaultApi."""
        return self.api.get_events(request)

    @http("GET", "/v1/vault/health", access=Access.PUBLIC)
    def get_health(self, request: Request) -> Response:  # noqa: ARG002  # every entry point is given one
        """See VaultApi."""
        return self.api.get_health()

    @listen()
    def on_record(self, record: Record) -> None:
        """Follow auth, devices and rotation."""
        self.api.kernel.projector.apply(record)

    @every(PURGE_INTERVAL_S)
    def purge_unclaimed(self) -> None:
        """See VaultApi."""
        self.api.purge_unclaimed()
