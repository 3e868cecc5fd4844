"""Whether the object store is the one that the vault's database was used with. Spec: vault.md §3.

The database notes a random id, and so does an object in the store. A folder that is gone, or another bucket,
is noticed at start: it would be filled anew in silence while everything before it cannot be read.
"""

from solekey_eventlog.errors import ConfigError
from solekey_eventlog.foundations import found_foundation, has_events
from solekey_service.kernel import Kernel
from solekey_vault.config import VaultConfig
from solekey_vault.objects import ObjectStore
from solekey_vault.refusals import StorageFull

MARKER = "solekey-store-id"
_ID_BYTES = 16
_PROBLEM = (
    "object_store_url: not the store that this database was used with, which holds the ciphertext of every "
    "large item. Give the former folder or bucket back, or restore it and the database from one backup; "
    "nothing was changed"
)


def require_object_store(kernel: Kernel[VaultConfig], blobs: ObjectStore) -> None:
    """Demand that the store is the database's own; an empty database takes an empty store.

    Raises:
        ConfigError: the store is another one, or lost, or new and without room.
        UnavailableError: one of the two does not answer.
    """
    marked = blobs.read([MARKER]).get(MARKER)
    with kernel.store.read() as uow:
        is_new = not has_events(uow)

    def is_ours(known: str) -> bool:
        return marked == known.encode() or (marked is None and is_new)

    store_id = found_foundation(
        kernel.store, "object-store", lambda: kernel.random(_ID_BYTES).hex(), _PROBLEM, verify=is_ours
    )
    if marked is None:
        try:
            blobs.write({MARKER: store_id.encode()})
        except StorageFull as error:
            raise ConfigError([f"object_store_url: {error}; see object_store_reserve_bytes"]) from error
        if blobs.read([MARKER]).get(MARKER) != store_id.encode():
            raise ConfigError(["object_store_url: the store does not give back what was written to it"])
