"""What the items are called: opened from the envelopes' first chunks once, then kept in the sealed index."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Final, TypeVar

from solekey.crypto import EnvelopeReader, ItemMetadata
from solekey.errors import AmbiguousNameError, ItemMissingError, ItemNameUncertainError
from solekey.garbage import pausing_collection
from solekey.streams.exclusive import AccountLock
from solekey.transfer.objects import ObjectStore
from solekey.transfer.parallel import begin
from solekey.transfer.sealed_sources import RangedSource, open_envelope, open_whole
from solekey.vault.index.commit_follower import OnWritten, Opened, ignore_written
from solekey.vault.index.item_index import ItemIndex
from solekey.vault.index.rows import IndexRow
from solekey.vault.item_filter import ItemFilter
from solekey.vault.item_info import ItemInfo, Listing
from solekey.vault.keyring import Keyring
from solekey.vault.names import fold_name, is_item_id
from solekey.vault.unreadable import UNREADABLE, UnreadableItem, UnreadableItems
from solekey_protocol.change_list import Change
from solekey_protocol.envelope import HEADER_BYTES, TAG_BYTES
from solekey_protocol.errors import MalformedError
from solekey_protocol.ids import AccountId, ItemId
from solekey_protocol.limits import KIB

PREFIX_BYTES: Final = HEADER_BYTES + 64 * KIB + TAG_BYTES
"""Header and first chunk of everything under 16 MiB; larger chunks are fetched by range."""
_OPENED_AT_ONCE: Final = 2048
"""Items that are fetched together and kept in one transaction."""
T = TypeVar("T")
ALL: Final = ItemFilter()
"""Filters nothing."""
_MAX_TOLD: Final = 5
"""Unreadable items that a message names."""


class Directory:
    """Finds items by name or id. Whatever it is asked costs the same with ten items as with 100,000."""

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

    def follow(self) -> None:
        """Follow what is new, and open it in the same step: for those who want to know all names."""
        self._index.catch_up(open_ahead=self._open)

    def follow_and_list(self, wanted: ItemFilter) -> Listing:
        """Follow what is new, then list: what is opened and written on the way is not read again."""
        written: dict[int, ItemInfo | None] = {}

        def note(tag: int, opened: Opened) -> None:
            info = self._describe_opened(*opened)
            written[tag] = info if wanted.select(info.metadata) else None

        with pausing_collection():
            self._index.catch_up(open_ahead=self._open, on_written=note)
            return self.list(wanted, written, note)

    def list(
        self,
        wanted: ItemFilter = ALL,
        known: Mapping[int, ItemInfo | None] = MappingProxyType({}),
        on_written: OnWritten = ignore_written,
    ) -> Listing:
        """List the live items that are wanted. Fetches the first chunk of those not opened before.

        Args:
            wanted: which.
            known: what is listed of rows by their tags; None: not wanted.
            on_written: told of what is opened and written before the rows are read; it may add to `known`.
        """
        read = self._look(
            lambda: self._index.read_all(partial(self._describe_if_wanted, wanted), known),
            on_written=on_written,
        )
        found = [info for info in read if info is not None]
        closed = [row.change for row in self._index.find_unopened()]
        found.sort(key=attrgetter("metadata.name", "id"))
        return Listing(found, self._unreadable.select(closed))

    def iter_items(self, wanted: ItemFilter = ALL) -> Iterator[ItemInfo]:
        """List the wanted items that open, by id, page by page: in constant memory. Use it under the lock."""
        self.open_new()
        for row in self._index.iter_rows("name IS NOT NULL"):
            info = self._describe_if_wanted(wanted, row)
            if info is not None:
                yield info

    def find(self, name_or_id: str) -> ItemInfo:
        """Find one item. By its id only this item is opened.

        Raises:
            ItemMissingError, ItemNameUncertainError: none that can be read.
            AmbiguousNameError: several of this name.
            OpenError, SwappedObjectError: the item of this id cannot be read.
        """
        row = self._find_row(name_or_id)
        if row is not None:
            return self._open_one(row)
        found = self._find_named(name_or_id)
        if not found:
            raise _deny(
                name_or_id, self._unreadable.select([row.change for row in self._index.find_unopened()])
            )
        if len(found) > 1:
            ids = ", ".join(row.change.item for row in found)
            raise AmbiguousNameError(f"{len(found)} items are called {name_or_id!r}: {ids}")
        return self.describe(found[0])

    def find_id(self, name_or_id: str) -> Change | None:
        """Find the live item whose id this is; nothing is opened."""
        row = self._find_row(name_or_id)
        return row.change if row is not None else None

    def is_taken(self, name: str) -> bool:
        """Tell whether an item that can be read has this name."""
        return bool(self._look_for_name(name, again=False))

    def find_taken(self, names: Iterable[str]) -> frozenset[str]:
        """Find which names items that can be read have, as `is_taken` for each, in few queries."""
        by_folded = defaultdict(list)
        for name in names:
            by_folded[fold_name(name)].append(name)
        if not by_folded:
            return frozenset()  # nothing needs to open
        rows = self._look(lambda: self._index.find_all_named(by_folded), again=False)
        return frozenset(name for row in rows for name in by_folded[fold_name(row.open_name())])

    def find_free(self, names: Sequence[str]) -> frozenset[str]:
        """Find which of some names or ids mean no live item that can be read."""
        ids = [ItemId(name) for name in names if is_item_id(name)]
        live = {item for item, row in self._index.get_many(ids).items() if not row.change.removed}
        unknown = frozenset(names) - live
        return unknown - self.find_taken(unknown)

    def measure(self, change: Change) -> int:
        """Find the size of a version's content; fetches the end of a large one."""
        with self._lock:
            row = self._index.get(change.item)
            if row is not None and row.change == change and row.content_size is not None:
                return row.content_size
            reader = self._open_reader(RangedSource(self._objects, change), change)
            size = reader.open_content_size()
            self._index.note_opened([(change, reader.open_metadata(), size)])
            return size

    def remember(self, change: Change, metadata: ItemMetadata, content_size: int | None = None) -> None:
        """Keep what is known of a version that this device has made, before its commit is followed."""
        self._index.note_made(change, metadata, content_size)

    def get_name(self, change: Change) -> str | None:
        """Get the name of a version, if it was opened before."""
        row = self._index.get(change.item)
        return row.open_metadata().name if row and row.change == change and row.metadata else None

    def open_new(self, *, again: bool = True, on_written: OnWritten = ignore_written) -> None:
        """Open what was not opened yet; what does not open is noted and harms no other.

        While some of it is written, the next is on its way.

        Args:
            again: try what did not open before once more: it may have been restored.
            on_written: told what was written with what was opened of it.
        """
        changes = [row.change for row in self._index.find_unopened()]
        if not again:
            changes = [change for change in changes if not self._unreadable.is_noted(change)]
        opening: Iterable[Opened] = ()
        for start in range(0, len(changes), _OPENED_AT_ONCE):
            opened = [*opening]
            opening = self._open(changes[start : start + _OPENED_AT_ONCE])
            if opened:
                self._index.note_opened(opened, on_written)
        if changes:
            self._index.note_opened([*opening], on_written)

    def _find_row(self, name_or_id: str) -> IndexRow | None:
        try:
            row = self._index.get(ItemId(name_or_id))
        except MalformedError:
            return None
        return row if row is not None and not row.change.removed else None

    def _find_named(self, name: str) -> Sequence[IndexRow]:
        return self._look_for_name(name, again=False) or self._look_for_name(name)  # an unreadable item's?

    def _look_for_name(self, name: str, *, again: bool = True) -> Sequence[IndexRow]:
        return self._look(lambda: self._index.find_named(fold_name(name)), again=again)

    def _look(
        self, read: Callable[[], T], *, again: bool = True, on_written: OnWritten = ignore_written
    ) -> T:
        """Open what is new, then read; once more where the index was damaged, and so is new as a whole."""
        while True:
            self.open_new(again=again, on_written=on_written)
            folded = self._index.folded
            found = read()
            if folded == self._index.folded:
                return found

    def _describe_if_wanted(self, wanted: ItemFilter, row: IndexRow) -> ItemInfo | None:
        info = self.describe(row) if row.metadata else None
        return info if info is not None and wanted.select(info.metadata) else None

    def describe(self, row: IndexRow) -> ItemInfo:
        """Describe a row that was opened."""
        return self._describe_opened(row.change, row.open_metadata(), row.content_size)

    def _describe_opened(self, change: Change, metadata: ItemMetadata, size: int | None) -> ItemInfo:
        measure = partial(self.measure, change) if size is None else partial(int, size)
        return ItemInfo(change.item, change.version, change.epoch, change.size, metadata, measure)

    def _open_one(self, row: IndexRow) -> ItemInfo:
        if not row.metadata:
            change = row.change
            (prefix,) = self._objects.fetch_prefixes([change.parts[0].digest], PREFIX_BYTES)
            with self._unreadable.naming(change):
                _, metadata, size = opened = self._open_prefix(change, prefix)
            self._index.note_opened([opened])
            row = row.with_metadata(metadata, size)
        return self.describe(row)

    def _open(self, changes: Sequence[Change]) -> Iterator[Opened]:
        """Open versions as they are taken; their ciphertext is on its way from now on."""
        digests = [change.parts[0].digest for change in changes]
        return self._open_all(changes, begin(self._objects.fetch_prefixes(digests, PREFIX_BYTES)))

    def _open_all(self, changes: Sequence[Change], prefixes: Iterator[bytes | None]) -> Iterator[Opened]:
        for change, prefix in zip(changes, prefixes, strict=True):
            try:
                opened = self._open_prefix(change, prefix)
            except UNREADABLE as error:
                self._unreadable.note(change, error)
            else:
                yield opened

    def _open_prefix(self, change: Change, prefix: bytes | None) -> Opened:
        if prefix is None:
            raise self._objects.explain_absence(change.parts[0].digest)
        if len(prefix) == change.size:
            item = open_whole(prefix, change, self._account, self._keyring.data_key(change.epoch))
            metadata, size = item.metadata, len(item.content)
        else:
            reader = self._open_reader(RangedSource(self._objects, change, prefix), change)
            metadata, size = reader.open_metadata(), None
        self._unreadable.forget(change)
        return change, metadata, size

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
