"""The vault's objects, answered from what this device keeps where possible: by digest, so the same bytes.

Without the server an object that is not kept is not lost: `NotKeptError` says which. Spec: offline.md §4.
"""

from collections.abc import Iterator, Sequence

from solekey.connection.connection import Connection
from solekey.errors import NotKeptError, SolekeyError
from solekey.offline.kept_store import KeptStore
from solekey.transfer.objects import ObjectStore
from solekey_protocol.ids import Digest


class KeptObjects(ObjectStore):
    """The objects of one account, here and at the vault."""

    def __init__(self, connection: Connection, store: KeptStore, cache_limit_bytes: int) -> None:
        super().__init__(connection)
        self._store = store
        self._cache_limit_bytes = cache_limit_bytes

    def fetch(self, digest: Digest) -> bytes:
        """Fetch one object. Raises NotKeptError, or as `ObjectStore.fetch`."""
        data = self._store.read(digest)
        if data is None:
            data = super().fetch(digest)
            self._store.cache(digest, data, self._cache_limit_bytes)
        return data

    def fetch_range(self, digest: Digest, offset: int, length: int) -> bytes:
        """Fetch a piece of an object. Raises NotKeptError, or as `ObjectStore.fetch_range`."""
        data = self._store.read(digest)
        return super().fetch_range(digest, offset, length) if data is None else data[offset : offset + length]

    def explain_absence(self, digest: Digest) -> SolekeyError:
        """Explain why an object is not there."""
        if self.is_offline:
            return NotKeptError("it is not kept on this device, and there is no server to fetch it from")
        return super().explain_absence(digest)

    def _fetch_all(self, digests: Sequence[Digest], max_bytes_each: int | None) -> Iterator[bytes | None]:
        if not self.is_offline:
            yield from super()._fetch_all(digests, max_bytes_each)
            return
        for digest in digests:
            data = self._store.read(digest)
            yield data if data is None or max_bytes_each is None else data[:max_bytes_each]
