"""What operators see of the stored objects: how much there is, and how much room is left."""

from typing import Final

from solekey_service.monitoring.gauge import Gauge, Values, single
from solekey_vault.api import VaultApi
from solekey_vault.usage_repository import Usage, UsageRepository


def _read_usage(api: VaultApi) -> Usage:
    with api.kernel.store.read() as uow:
        return UsageRepository(uow).sum_usage()


def _read_free(api: VaultApi) -> Values:
    free_bytes = api.find_free_bytes()
    return {} if free_bytes is None else single(free_bytes)


GAUGES: Final[tuple[Gauge[VaultApi], ...]] = (
    Gauge(
        "solekey_object_bytes",
        "Bytes of objects that count for the quotas of accounts",
        lambda api: single(_read_usage(api).bytes),
    ),
    Gauge(
        "solekey_objects",
        "Objects that count for the quotas of accounts",
        lambda api: single(_read_usage(api).objects),
    ),
    Gauge(
        "solekey_object_store_free_bytes",
        "Free bytes of the disk where large objects lie; nothing where they lie in a bucket",
        _read_free,
        from_memory=True,
    ),
    Gauge(
        "solekey_object_store_reserve_bytes",
        "Free bytes below which an upload is refused (SOLEKEY_OBJECT_STORE_RESERVE_BYTES)",
        lambda api: single(api.kernel.config.object_store_reserve_bytes),
        from_memory=True,
    ),
)
