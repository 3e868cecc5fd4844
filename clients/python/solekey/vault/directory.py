"""What the items are called: opened from the envelopes' first chunks, kept in memory only while unlocked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, cast

from solekey.crypto import Confidential, Conflict, EnvelopeReader, ItemMetadata
from solekey.errors import AmbiguousNameError, ItemMissingError, ItemNameUncertainError
from solekey.streams.exclusive import AccountLock
from solekey.transfer.objects import ObjectStore
from solekey.transfer.sealed_sources import RangedSource, open_envelope
from solekey.vault.item_index import ItemIndex
from solekey.vault.keyring import Keyring
from solekey.vault.names import fold_name
from solekey.vault.unreadable import UNREADABLE, UnreadableItem, UnreadableItems
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import KIB

PREFIX_BYTES: Final = HEADER_BYTES + 64 * KIB + TAG_BYTES
"""Header and first chunk of everything under 16 MiB; larger chunks are fetched by range."""
_MAX_TOLD: Final = 5
"""Unreadable items that a message names."""


@dataclass(frozen=True, slots=True)
class ItemInfo(Confidential):
    """An item as the list shows it.

    Attributes:
        id: the item's id, which never changes.
        sealed_version: of its ciphertext; a re-encryption counts here too.
        epoch: of the data key that it is sealed under.
        sealed_size: bytes, padded.
        metadata: what describes it.
    """

    id: ItemId
    sealed_version: int
    epoch: int
    sealed_size: int  # bytes, padded
    metadata: ItemMetadata
    _measure: Callable[[], int] = field(repr=False, compare=False)

    @property
    def version(self) -> int:
        """Which edit of the item this is, from 1. Re-encrypting it does not count."""
        return self.metadata.revision

    @property
    def conflict(self) -> Conflict | None:
        """What it is a conflict copy of, and which device made it; None: it is none."""
        return self.metadata.conflict

    @property
    def name(self) -> str:
        """The item's name."""
        return self.metadata.name

    @property
    def type(self) -> str:
        """What the content is, such as ``text/plain``."""
        return self.metadata.type

    @property
    def tags(self) -> tuple[str, ...]:
        """The item's tags."""
        return self.metadata.tags

    @property
    def attributes(self) -> Mapping[str, str]:
        """The item's attributes."""
        return self.metadata.attributes

    @property
    def size(self) -> int:
        """The size of the content in bytes.

        It stands in the sealed end of the item. That of a small item is known from the list; for one of more
        than 64 KiB the end is fetched when it is asked for first, which needs the unlocked account.
        """
        return self._measure()

    @property
    def created(self) -> datetime:
        """When the item was made, by the clock of the device that made it."""
        return datetime.fromtimestamp(self.metadata.created_ms / 1000, UTC)

    @property
    def modified(self) -> datetime:
        """When this version was made, by the clock of the device that made it."""
        return datetime.fromtimestamp(self.metadata.modified_ms / 1000, UTC)

    def __repr__(self) -> str:
        return f"ItemInfo({self.id}, version={self.version}, <redacted>)"


class Listing(list[ItemInfo]):
    """The items that open, by name, and beside them those that do not.

    Attributes:
        unreadable: the items that do not open, each with what is wrong with it.
    """

    unreadable: tuple[UnreadableItem, ...]

    def __init__(self, items: Iterable[ItemInfo], unreadable: tuple[UnreadableItem, ...]) -> None:
        super().__init__(items)
        self.unreadable = unreadable


class Directory:
    """Finds items by name or id."""

    def __init__(
        self,
        account: AccountId,
        index: ItemIndex,
        objects: ObjectStore,
        keyring: Keyring,
        unreadable: UnreadableItems,
        lock: AccountLock,
    ) -> None:
        self._lock = lock
        self._account = account
        self._index = index
        self._objects = objects
        self._keyring = keyring
        self._unreadable = unreadable
        self._known: dict[Change, ItemMetadata] = {}
        self._sizes: dict[Change, int] = {}

    def list(self) -> Listing:
        """List the live items. Fetches the first chunk of those not listed before."""
        changes = list(self._index.items.values())
        self._open(changes)
        live = set(changes)
        self._known = {change: metadata for change, metadata in self._known.items() if change in live}
        self._sizes = {change: size for change, size in self._sizes.items() if change in live}
        found = [self._describe(change) for change in changes if self._is_known(change)]
        closed = [change for change in changes if not self._is_known(change)]
        return Listing(sorted(found, key=lambda info: (info.name, info.id)), self._unreadable.select(closed))

    def find(self, name_or_id: str) -> ItemInfo:
        """Find one item. By its id only this item is opened.

        Raises:
            ItemMissingError, ItemNameUncertainError: none that can be read.
            AmbiguousNameError: several of this name.
            OpenError, SwappedObjectError: the item of this id cannot be read.
        """
        change = self.find_id(name_or_id)
        if change is not None:
            return self._open_one(change)
        listing = self.list()
        folded = fold_name(name_or_id)
        found = [info for info in listing if fold_name(info.name) == folded]
        if not found:
            raise _deny(name_or_id, listing.unreadable)
        if len(found) > 1:
            ids = ", ".join(info.id for info in found)
            raise AmbiguousNameError(f"{len(found)} items are called {name_or_id!r}: {ids}")
        return found[0]

    def find_id(self, name_or_id: str) -> Change | None:
        """Find the live item whose id this is; nothing is opened."""
        return self._index.items.get(cast("ItemId", name_or_id))

    def is_taken(self, name: str) -> bool:
        """Tell whether an item that can be read has this name."""
        folded = fold_name(name)
        return any(fold_name(info.name) == folded for info in self.list())

    def measure(self, change: Change) -> int:
        """Find the size of a version's content; fetches the end of a large one."""
        if change not in self._sizes:
            with self._lock:
                reader = self._open_reader(RangedSource(self._objects, change), change)
                self._sizes[change] = reader.open_content_size()
        return self._sizes[change]

    def remember(self, change: Change, metadata: ItemMetadata) -> None:
        """Keep what is known of a version that this device has made itself."""
        self._known[change] = metadata

    def get_name(self, change: Change) -> str | None:
        """Get the name of a version, if it was opened before."""
        metadata = self._known.get(change)
        return metadata.name if metadata else None

    def _is_known(self, change: Change) -> bool:
        return change in self._known

    def _describe(self, change: Change) -> ItemInfo:
        metadata = self._known[change]
        measure = partial(self.measure, change)
        return ItemInfo(change.item, change.version, change.epoch, change.size, metadata, measure)

    def _open_one(self, change: Change) -> ItemInfo:
        if not self._is_known(change):
            (prefix,) = self._objects.fetch_prefixes([change.parts[0].digest], PREFIX_BYTES)
            with self._unreadable.naming(change):
                self._remember_metadata(change, prefix)
        return self._describe(change)

    def _open(self, changes: Sequence[Change]) -> None:
        """Open what is not known yet; what does not open is noted and harms no other."""
        new = [change for change in changes if not self._is_known(change)]
        prefixes = self._objects.fetch_prefixes([change.parts[0].digest for change in new], PREFIX_BYTES)
        for change, prefix in zip(new, prefixes, strict=True):
            try:
                self._remember_metadata(change, prefix)
            except UNREADABLE as error:
                self._unreadable.note(change, error)

    def _remember_metadata(self, change: Change, prefix: bytes | None) -> None:
        if prefix is None:
            raise self._objects.explain_absence(change.parts[0].digest)
        reader = self._open_reader(RangedSource(self._objects, change, prefix), change)
        self._known[change] = reader.open_metadata()
        if len(prefix) == change.size:
            self._sizes[change] = reader.open_content_size()
        self._unreadable.forget(change)

    def _open_reader(self, source: RangedSource, change: Change) -> EnvelopeReader:
        return open_envelope(source, change, self._account, self._keyring.data_key(change.epoch))


def _deny(name: str, unreadable: Sequence[UnreadableItem]) -> ItemMissingError:
    """Say that there is no such item, as far as the items can be read."""
    if not unreadable:
        return ItemMissingError(f"there is no item {name!r}")
    ids = ", ".join(item.id for item in unreadable[:_MAX_TOLD])
    more = f" and {len(unreadable) - _MAX_TOLD} more" if len(unreadable) > _MAX_TOLD else ""
    return ItemNameUncertainError(
        f"no item that can be read is called {name!r}; it may be one of the unreadable ones: {ids}{more}"
    )
