"""The vault's objects, answered from what this device keeps where possible: by digest, so the same bytes.

Without the server an object that is not kept is not lost: `NotKeptError` says which. Spec: offline.md §4.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from solekey.connection.connection import Connection
from solekey.errors import NotKeptError, SolekeyError
from solekey.offline.kept_store import KeptStore
from solekey.transfer.objects import ObjectStore
from solekey_protocol.change_list import Change
from solekey_protocol.ids import Digest


class KeptObjects(ObjectStore):
    """The objects of one account, here and at the vault."""

    def __init__(self, connection: Connection, store: KeptStore, cache_limit_bytes: int) -> None:
        super().__init__(connection)
        self._store = store
        self._cache_limit_bytes = cache_limit_bytes
        self._pending: dict[Digest, tuple[Path, int, int]] = {}

    def show_pending(self, change: Change, envelope: Path) -> None:
        """Answer from a queued envelope, too."""
        at = 0
        for part in change.parts:
            self._pending[part.digest] = envelope, at, part.size
            at += part.size

    def fetch(self, digest: Digest) -> bytes:
        """Fetch one object. Raises NotKeptError, or as `ObjectStore.fetch`."""
        data = self._read(digest)
        if data is None:
            data = super().fetch(digest)
            self._store.cache(digest, data, self._cache_limit_bytes)
        return data

    def fetch_range(self, digest: Digest, offset: int, length: int) -> bytes:
        """Fetch a piece of an object. Raises NotKeptError, or as `ObjectStore.fetch_range`."""
        data = self._read(digest)
        return super().fetch_range(digest, offset, length) if data is None else data[offset : offset + length]

    def _read(self, digest: Digest) -> bytes | None:
        if digest not in self._pending:
            return self._store.read(digest)
        path, at, size = self._pending[digest]
        try:
            with path.open("rb") as file:
                file.seek(at)
                return file.read(size)
        except FileNotFoundError:
            return None

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
            data = self._read(digest)
            yield data if data is None or max_bytes_each is None else data[:max_bytes_each]
