"""What the items are called: opened from the envelopes' first chunks, kept in memory only while unlocked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from solekey.crypto import Confidential, EnvelopeReader, ItemContext, ItemMetadata
from solekey.errors import ItemMissingError, ItemNameError
from solekey.vault.item_index import ItemIndex
from solekey.vault.keyring import Keyring
from solekey.vault.objects import ObjectStore
from solekey.vault.sealed_sources import RangedSource, doubting_format
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import KIB

_PREFIX_BYTES: Final = HEADER_BYTES + 64 * KIB + TAG_BYTES
"""Header and first chunk of everything under 16 MiB; larger chunks are fetched by range."""


@dataclass(frozen=True, slots=True)
class ItemInfo(Confidential):
    """An item as the list shows it."""

    id: ItemId
    version: int
    epoch: int
    sealed_size: int  # bytes, padded
    metadata: ItemMetadata

    @property
    def name(self) -> str:
        """The item's name."""
        return self.metadata.name

    @property
    def type(self) -> str:
        """What the content is, such as ``text/plain``."""
        return self.metadata.type

    @property
    def modified(self) -> datetime:
        """When this version was made, by the clock of the device that made it."""
        return datetime.fromtimestamp(self.metadata.modified_ms / 1000, UTC)

    def __repr__(self) -> str:
        return f"ItemInfo({self.id}, version={self.version}, <redacted>)"


class Directory:
    """Finds items by name or id."""

    def __init__(self, account: AccountId, index: ItemIndex, objects: ObjectStore, keyring: Keyring) -> None:
        self._account = account
        self._index = index
        self._objects = objects
        self._keyring = keyring
        self._known: dict[tuple[ItemId, int], ItemMetadata] = {}

    def list(self) -> list[ItemInfo]:
        """List the live items by name. Fetches the first chunk of those not listed before."""
        changes = self._index.items.values()
        self._open([change for change in changes if (change.item, change.version) not in self._known])
        found = [self._describe(change) for change in changes]
        live = {(change.item, change.version) for change in changes}
        self._known = {place: metadata for place, metadata in self._known.items() if place in live}
        return sorted(found, key=lambda info: (info.name, info.id))

    def find(self, name_or_id: str) -> ItemInfo:
        """Find one item.

        Raises:
            ItemMissingError: none. ItemNameError: several of this name.
        """
        found = self.find_all(name_or_id)
        if not found:
            raise ItemMissingError(f"there is no item {name_or_id!r}")
        if len(found) > 1:
            ids = ", ".join(info.id for info in found)
            raise ItemNameError(f"{len(found)} items are called {name_or_id!r}: {ids}")
        return found[0]

    def find_all(self, name_or_id: str) -> Sequence[ItemInfo]:
        """Find the items of this id or name."""
        return [info for info in self.list() if name_or_id in (info.id, info.name)]

    def remember(self, item: ItemId, version: int, metadata: ItemMetadata) -> None:
        """Keep what is known of a version that this device has made or opened itself."""
        self._known[item, version] = metadata

    def _describe(self, change: Change) -> ItemInfo:
        metadata = self._known[change.item, change.version]
        return ItemInfo(change.item, change.version, change.epoch, change.size, metadata)

    def _open(self, changes: Sequence[Change]) -> None:
        digests = [change.parts[0].digest for change in changes]
        prefixes: Iterator[bytes] = self._objects.fetch_prefixes(digests, _PREFIX_BYTES)
        for change, prefix in zip(changes, prefixes, strict=True):
            with doubting_format(self._objects, change):
                reader = EnvelopeReader(
                    RangedSource(self._objects, change, prefix),
                    data_key=self._keyring.data_key(change.epoch),
                    context=ItemContext(self._account, change.item, change.version),
                )
                self._known[change.item, change.version] = reader.open_metadata()
